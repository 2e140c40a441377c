"""Dual distributional divergence minimisation (D3M): let a mild view teach the strong ones.

Axes: n samples, d embedding, k bank rows. Column 0 of a logits matrix is the positive key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_floating, check_sequence
from skelblocks.contrast.contrastive_logits import check_contrast, contrastive_logits
from skelblocks.contrast.unit_rows import unit_rows
from skelblocks.losses.bank_logsumexp import bank_logsumexp


def d3m_loss(student_logits: Sequence[Tensor], teacher_logits: Tensor) -> Tensor:
    r"""Cross-entropy from the teacher's distribution over {positive, bank} to each student's, averaged.

    .. math:: L = \frac{1}{B} \sum_b \operatorname{mean}_n \Big[ - \sum_{j=0}^{k} p_{nj} \log q^{(b)}_{nj} \Big]

    with :math:`p = \operatorname{softmax}(\text{teacher})`, held constant, and
    :math:`q^{(b)} = \operatorname{softmax}(\text{student}_b)`.

    AimCLR (eqs. 7, 8) has two students, the extreme view with and without EADM; MsMCLR (eqs. 6-9) has three: joint,
    part and body. Both papers misprint the sum: AimCLR joins the positive's term and the bank's by "=", MsMCLR
    multiplies them. They add, as here and in both released codes. Those take ``log(softmax(...))``, which can be
    ``-inf`` in float16 at any temperature in use; here it is a log-softmax, in float32 at least.

    Args:
        student_logits: One matrix ``(n, 1 + k)`` a branch, already divided by the temperature.
        teacher_logits: ``(n, 1 + k)``, from the ordinary branch against the same key and bank. No gradient flows to it.
            A column that is ``-inf`` here, an excluded row, has no part in the loss.

    Returns:
        A scalar. Its least value is the teacher's entropy, not zero: it is a cross-entropy, with the gradient of a
        Kullback-Leibler divergence. Infinite if a student excludes a row to which the teacher gives weight.

    Raises:
        TypeError: logits are not floating-point, or one matrix in place of a list.
        ValueError: no student, or a student whose shape is not the teacher's.

    Example:
        >>> teacher = torch.tensor([[2.0, 0.0, 0.0]])
        >>> bool(d3m_loss([teacher], teacher) < d3m_loss([-teacher], teacher))
        True
    """
    check_axes(teacher_logits, "n k", name="teacher_logits")
    check_floating(teacher_logits, name="teacher_logits")
    _check_students(student_logits, teacher_logits, "n k", name="student_logits")
    target = teacher_logits.detach().softmax(dim=1, dtype=torch.promote_types(teacher_logits.dtype, torch.float32))
    losses = [_SoftCrossEntropy.apply(logits, target).mean() for logits in student_logits]  # type: ignore[no-untyped-call]
    return torch.stack(losses).mean()


def d3m_loss_from_embeddings(
    query: Tensor,
    students: Sequence[Tensor],
    key: Tensor,
    bank: Tensor,
    *,
    temperature: float,
    chunk_size: int | None = None,
    exclude: Tensor | None = None,
) -> Tensor:
    r""":func:`d3m_loss` without the logits in memory: the bank is read in chunks.

    The scores are linear in the student :math:`s`, so the teacher's distribution enters only by its mean row
    :math:`m = p_0 k + \sum_j p_j b_j`:

    .. math:: L_b = \operatorname{mean}_n \Big[ \log \sum_j e^{s \cdot b_j / \tau} - s \cdot m / \tau \Big]

    Args:
        query: ``(n, d)``, the teacher; normalised here. No gradient flows to it.
        students: One matrix ``(n, d)`` a branch; normalised here.
        key: ``(n, d)``, the positive of teacher and students; normalised here.
        bank: ``(k, d)``, unit rows, constant.
        temperature: 0.07 in AimCLR and in MsMCLR's released code.
        chunk_size: Bank rows looked at together. Default: all, by way of the logits.
        exclude: ``(n, k)`` boolean, true where a row is left out, for teacher and students alike.

    Returns:
        The same scalar and gradients as :func:`d3m_loss` of the logits, for any chunk size.

    Raises:
        TypeError: a wrong dtype, or one matrix in place of a list.
        ValueError: no student, or a wrong shape or range.

    Example:
        >>> query, key, *students = torch.randn(5, 4, 8)
        >>> bank = unit_rows(torch.randn(100, 8))
        >>> loss = d3m_loss_from_embeddings(query, students, key, bank, temperature=0.07, chunk_size=16)
        >>> torch.allclose(loss, d3m_loss_from_embeddings(query, students, key, bank, temperature=0.07), rtol=1e-4)
        True
    """
    check_contrast(query, key, bank, temperature=temperature, exclude=exclude)
    _check_students(students, query, "n d", name="students")
    query = query.detach()
    if chunk_size is None:
        teacher, *logits = (
            contrastive_logits(x, key, bank, temperature=temperature, exclude=exclude) for x in (query, *students)
        )
        return d3m_loss(logits, teacher)

    key = unit_rows(key)

    def scores(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        positive = (x * key.to(x.dtype)).sum(dim=1) / temperature
        negatives, mean_row = bank_logsumexp(x, bank, temperature=temperature, chunk_size=chunk_size, exclude=exclude)
        return positive, negatives, mean_row

    with torch.no_grad():
        positive, negatives, mean_row = scores(unit_rows(query))
        partition = torch.logaddexp(positive, negatives)
        weight = (positive - partition).exp()  # p_0, the teacher's trust in the positive
        rest = (negatives - partition).exp().unsqueeze(1) * mean_row
    losses = []
    for student in map(unit_rows, students):
        positive, negatives, _ = scores(student)
        partition = torch.logaddexp(positive, negatives)
        losses.append((partition - weight * positive - (student * rest).sum(dim=1) / temperature).mean())
    return torch.stack(losses).mean()


class D3MLoss(nn.Module):
    """Module form of :func:`d3m_loss`, for those who keep their losses in a container.

    Shape:
        ``student_logits``, each ``(n, 1 + k)``, and ``teacher_logits`` ``(n, 1 + k)`` to a scalar.
    """

    def forward(self, student_logits: Sequence[Tensor], teacher_logits: Tensor) -> Tensor:
        """The scalar loss."""
        return d3m_loss(student_logits, teacher_logits)


class _SoftCrossEntropy(torch.autograd.Function):
    """Rows of ``-sum p log q``. Backward takes the softmax from the logits: no ``(n, 1 + k)`` is kept but these."""

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, target: Tensor) -> Tensor:
        log_q = logits.log_softmax(dim=1, dtype=torch.promote_types(logits.dtype, target.dtype))
        log_q.masked_fill_(target == 0, 0)  # 0 * -inf would be no number
        return -log_q.mul_(target).sum(dim=1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        logits, target = ctx.saved_tensors
        q = logits.softmax(dim=1, dtype=torch.promote_types(logits.dtype, target.dtype))
        return ((q - target) * grad.unsqueeze(1)).to(logits.dtype), None


def _check_students(students: Sequence[Tensor], teacher: Tensor, axes: str, *, name: str) -> None:
    check_sequence(students, name=name)
    if len(students) == 0:
        raise ValueError(f"{name}: expected at least one branch, got none")
    sizes = dict(zip(axes.split(), teacher.shape, strict=True))
    for b, student in enumerate(students):
        check_axes(student, axes, name=f"{name}[{b}]", **sizes)
        check_floating(student, name=f"{name}[{b}]")
