"""Dual distributional divergence minimization (D3M): the weak view teaches the strong ones.

Axes: n samples, d embedding, k bank rows. Column 0 of a logits matrix is the positive key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_sequence
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_contrast
from skelblocks.contrast.contrastive_logits import compare
from skelblocks.contrast.unit_rows import normalize_rows
from skelblocks.losses._logits import check_logits, check_logits_list, check_roles
from skelblocks.losses._reduction import Reduction, check_reduction, reduce_clips
from skelblocks.losses.bank_logsumexp import stream_bank


@explain_arguments
def d3m_loss(student_logits: Sequence[Tensor], teacher_logits: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    r"""Cross-entropy between the teacher's distribution over {positive, bank} and each student's, averaged.

    .. math:: L = \frac{1}{B} \sum_b \operatorname{mean}_n \Big[ - \sum_{j=0}^{k} p_{nj} \log q^{(b)}_{nj} \Big]

    with :math:`p = \operatorname{softmax}(\text{teacher})`, held constant, and
    :math:`q^{(b)} = \operatorname{softmax}(\text{student}_b)`.

    AimCLR (eqs. 7, 8) has two students: the extreme view with and without EADM. MsMCLR (eqs. 6-9) has three: joint,
    part and body. Both papers misprint the sum of the positive's term and the bank's terms: AimCLR prints "=" between
    them, MsMCLR multiplies them. Both released implementations add them, as this function does. They compute
    ``log(softmax(...))``, which can be ``-inf`` in float16; this function uses a log-softmax, in float32 at least.

    Args:
        student_logits: One matrix ``(n, 1 + k)`` per branch, already divided by the temperature.
        teacher_logits: ``(n, 1 + k)``, from the weak view against the same key and bank. No gradient flows to it.
            A column that is ``-inf`` here (an excluded row) does not contribute to the loss.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``. The branches are always averaged.

    Returns:
        A scalar; ``(n,)`` for ``"none"``. The minimum is the teacher's entropy, not zero: the loss is a cross-entropy,
        with the gradient of a Kullback-Leibler divergence. It is infinite if a student excludes a row that the teacher
        does not exclude.

    Raises:
        TypeError: logits are not floating-point, or one matrix in place of a list.
        ValueError: no student, a student whose shape differs from the teacher's, an unknown reduction, or a teacher
            that requires grad while no student does, which means that they were swapped.

    Example:
        >>> teacher = torch.tensor([[2.0, 0.0, 0.0]])
        >>> bool(d3m_loss([teacher], teacher) < d3m_loss([-teacher], teacher))
        True
    """
    check_logits(teacher_logits, name="teacher_logits")
    check_logits_list(
        student_logits, name="student_logits", least=1, expected="at least one branch", like=teacher_logits
    )
    check_roles({f"student_logits[{b}]": x for b, x in enumerate(student_logits)}, {"teacher_logits": teacher_logits})
    check_reduction(reduction)
    return divergence(student_logits, teacher_logits, reduction=reduction)


def divergence(student_logits: Sequence[Tensor], teacher_logits: Tensor, *, reduction: Reduction) -> Tensor:
    """Compute :func:`d3m_loss` without its checks."""
    target = teacher_logits.detach().softmax(dim=1, dtype=torch.promote_types(teacher_logits.dtype, torch.float32))
    losses = [_SoftCrossEntropy.apply(logits, target) for logits in student_logits]  # type: ignore[no-untyped-call]
    return torch.stack([reduce_clips(each, reduction) for each in losses]).mean(dim=0)


@explain_arguments
def d3m_loss_from_embeddings(
    query: Tensor,
    students: Sequence[Tensor],
    key: Tensor,
    bank: Tensor,
    *,
    temperature: float,
    chunk_size: int | None = None,
    exclude: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Compute :func:`d3m_loss` from embeddings, reading the bank in chunks instead of storing the logits.

    The scores are linear in the student :math:`s`, so the loss needs only the mean row of the teacher's distribution,
    :math:`m = p_0 k + \sum_j p_j b_j`:

    .. math:: L_b = \operatorname{mean}_n \Big[ \log \sum_j e^{s \cdot b_j / \tau} - s \cdot m / \tau \Big]

    Args:
        query: ``(n, d)``, the teacher; normalized here. No gradient flows to it.
        students: One matrix ``(n, d)`` per branch; normalized here.
        key: ``(n, d)``, the positive of teacher and students; normalized here.
        bank: ``(k, d)``, unit rows, constant.
        temperature: 0.07 in AimCLR and in MsMCLR's released code.
        chunk_size: Number of bank rows to process at a time. By default all rows, with the logits in memory.
        exclude: ``(n, k)`` boolean, true for rows that the teacher and the students skip.
        reduction: See :func:`d3m_loss`.

    Returns:
        The same value and gradients as :func:`d3m_loss` of the logits, for any chunk size.

    Raises:
        TypeError: a wrong dtype, or one matrix in place of a list.
        ValueError: no student, a wrong shape or range, or a query or key that requires grad while no student does.

    Example:
        >>> from skelblocks.contrast import unit_rows
        >>> query, key, *students = torch.randn(5, 4, 8)
        >>> bank = unit_rows(torch.randn(100, 8))
        >>> loss = d3m_loss_from_embeddings(query, students, key, bank, temperature=0.07, chunk_size=16)
        >>> torch.allclose(loss, d3m_loss_from_embeddings(query, students, key, bank, temperature=0.07), rtol=1e-4)
        True
    """
    check_sequence(students, name="students")
    if len(students) == 0:
        raise ValueError("students: expected at least one branch, got none; pass a list of matrices (n, d)")
    learners = {f"students[{b}]": student for b, student in enumerate(students)}
    check_contrast({"query": query, "key": key, **learners}, {"bank": bank}, temperature=temperature, exclude=exclude)
    check_roles(learners, {"query": query, "key": key})
    check_reduction(reduction)
    query = query.detach()
    if chunk_size is None:
        teacher, *logits = (compare(x, key, bank, temperature=temperature, exclude=exclude) for x in (query, *students))
        return divergence(logits, teacher, reduction=reduction)

    key = normalize_rows(key)

    def scores(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        positive = (x * key.to(x.dtype)).sum(dim=1) / temperature
        negatives, mean_row = stream_bank(x, bank, temperature=temperature, chunk_size=chunk_size, exclude=exclude)
        return positive, negatives, mean_row

    with torch.no_grad():
        positive, negatives, mean_row = scores(normalize_rows(query))
        partition = torch.logaddexp(positive, negatives)
        weight = (positive - partition).exp()  # p_0, the teacher's probability of the positive
        rest = (negatives - partition).exp().unsqueeze(1) * mean_row
    losses = []
    for student in map(normalize_rows, students):
        positive, negatives, _ = scores(student)
        partition = torch.logaddexp(positive, negatives)
        each = partition - weight * positive - (student * rest).sum(dim=1) / temperature
        losses.append(reduce_clips(each, reduction))
    return torch.stack(losses).mean(dim=0)


@explain_arguments
class D3MLoss(nn.Module):
    """Make students learn the teacher's distribution over positive and bank: the module form of :func:`d3m_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``student_logits``, each ``(n, 1 + k)``, and ``teacher_logits`` ``(n, 1 + k)`` to a scalar; ``(n,)`` for
        ``reduction="none"``.

    Raises:
        ValueError: an unknown reduction.

    Example:
        >>> teacher, joint, part, body = torch.randn(4, 2, 33)
        >>> D3MLoss(reduction="none")([joint, part, body], teacher).shape
        torch.Size([2])
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction: Reduction = reduction

    def forward(self, student_logits: Sequence[Tensor], teacher_logits: Tensor) -> Tensor:
        """The loss."""
        return d3m_loss(student_logits, teacher_logits, reduction=self.reduction)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"reduction={self.reduction!r}"


class _SoftCrossEntropy(torch.autograd.Function):
    """Rows of ``-sum p log q``. Backward recomputes the softmax, so that only the logits and the target are stored."""

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, target: Tensor) -> Tensor:
        log_q = logits.log_softmax(dim=1, dtype=torch.promote_types(logits.dtype, target.dtype))
        log_q.masked_fill_(target == 0, 0)  # 0 * -inf would be NaN
        return -log_q.mul_(target).sum(dim=1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        logits, target = ctx.saved_tensors
        q = logits.softmax(dim=1, dtype=torch.promote_types(logits.dtype, target.dtype))
        return ((q - target) * grad.unsqueeze(1)).to(logits.dtype), None
