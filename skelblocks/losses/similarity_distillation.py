"""Similarity distillation (CMD): one stream teaches another which clips are similar.

Axes: n samples, d embedding, k bank rows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_axes, check_integer, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_contrast
from skelblocks.contrast.unit_rows import normalize_rows
from skelblocks.losses._logits import check_roles
from skelblocks.losses._reduction import Reduction, check_reduction, reduce_clips


@explain_arguments
def similarity_distillation_loss(
    student: Tensor,
    teacher: Tensor,
    student_bank: Tensor,
    teacher_bank: Tensor,
    *,
    top_k: int | None = None,
    student_temperature: float = 0.1,
    teacher_temperature: float = 0.05,
    square_student: bool = False,
    max_similarity: float | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Kullback-Leibler divergence between the teacher's and the student's distributions over the bank's clips.

    .. math:: p_j = \operatorname{softmax}_j (\hat t \cdot b^T_j / \tau_T), \quad
        q_j = \operatorname{softmax}_j (\hat s \cdot b^S_j / \tau_S), \quad
        L = \tfrac{1}{n} \sum_n \sum_{j \in \mathcal{N}} p_j \log (p_j / q_j)

    :math:`\mathcal{N}` are the ``top_k`` rows of the teacher's bank that are nearest to the teacher's embedding, and
    the softmax runs over these rows. Row j of both banks must belong to the same clip. CMD (ECCV 2022) sums this loss
    over the six ordered pairs of joint, motion and bone: the teacher is the key of one stream, the student is the query
    of another. The teacher's lower temperature sharpens its distribution. PCM3, HaLP and ActCLR use variants of it.

    Args:
        student: ``(n, d)``, the student's query; normalized here.
        teacher: ``(n, d)``, the teacher's key, constant; normalized here.
        student_bank: ``(k, d)``, unit rows, constant: the bank of the student's stream.
        teacher_bank: ``(k, d)``, unit rows, constant: the same clips in the teacher's stream.
        top_k: Number of the teacher's nearest rows that enter the distributions. Default: the whole bank. The released
            scripts use 8,192 of 16,384.
        student_temperature: :math:`\tau_S`, 0.1 in CMD.
        teacher_temperature: :math:`\tau_T`, 0.05 in CMD.
        square_student: Square the student's similarities, as ActCLR's released code does. A row opposite to the student
            then counts as similar.
        max_similarity: Rows that are more similar to the teacher than this get a similarity of -1. ActCLR's released
            code has 0.95, which excludes older keys of the same clip.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or ``(n,)`` for ``"none"``.

    Raises:
        TypeError: an embedding is not floating-point, or ``top_k`` is not an integer.
        ValueError: shapes that differ, an empty bank, a setting out of range, or a teacher that requires grad while the
            student does not, which means that they were swapped.

    Example:
        >>> from skelblocks.contrast import unit_rows
        >>> joint, motion = unit_rows(torch.randn(64, 8)), unit_rows(torch.randn(64, 8))
        >>> query, key = torch.randn(4, 8), torch.randn(4, 8)
        >>> bool(similarity_distillation_loss(query, key, motion, joint, top_k=16) > 0)
        True
        >>> similarity_distillation_loss(key, key, joint, joint, student_temperature=0.05).abs().item() < 1e-6
        True
    """
    _check_settings(top_k, student_temperature, teacher_temperature, max_similarity, reduction)
    check_contrast(
        {"student": student, "teacher": teacher}, {"student_bank": student_bank}, temperature=student_temperature
    )
    check_contrast({"teacher": teacher}, {"teacher_bank": teacher_bank}, temperature=teacher_temperature)
    rows = student_bank.shape[0]
    check_axes(teacher_bank, "k d", name="teacher_bank", k=rows)
    if rows == 0:
        raise ValueError(f"student_bank: expected rows (k, d), got shape {tuple(student_bank.shape)}; fill the queue")
    if top_k is not None and top_k > rows:
        raise ValueError(f"top_k: expected at most the {rows} rows of the bank, got {top_k}; pass None for all of them")
    check_roles({"student": student}, {"teacher": teacher})
    student, teacher = normalize_rows(student), normalize_rows(teacher.detach())
    with autocast_off(student):
        dtype = torch.promote_types(student.dtype, teacher.dtype)
        taught = student.to(dtype) @ student_bank.detach().to(dtype).T
        known = teacher.to(dtype) @ teacher_bank.detach().to(dtype).T
        if square_student:
            taught = taught.square()
        if max_similarity is not None:
            known = known.masked_fill(known > max_similarity, -1)
        if top_k is not None and top_k < rows:
            known, nearest = known.topk(top_k, dim=1)
            taught = taught.gather(1, nearest)
        log_student = F.log_softmax(taught / student_temperature, dim=1)
        log_teacher = F.log_softmax(known / teacher_temperature, dim=1)
        losses = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1)
    return reduce_clips(losses, reduction)


@explain_arguments
class SimilarityDistillationLoss(nn.Module):
    """Make a student rank the bank as its teacher does: the module form of :func:`similarity_distillation_loss`.

    Args:
        top_k: Number of the teacher's nearest bank rows to compare. Default: all rows.
        student_temperature: Divides the student's similarities. 0.1 in CMD.
        teacher_temperature: Divides the teacher's similarities. 0.05 in CMD.
        square_student: Square the student's similarities, as ActCLR's released code does.
        max_similarity: Bank rows more similar to the teacher than this get the similarity -1. 0.95 in ActCLR.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``student`` ``(n, d)``, ``teacher`` ``(n, d)``, ``student_bank`` ``(k, d)``, ``teacher_bank`` ``(k, d)`` to a
        scalar; ``(n,)`` for ``reduction="none"``.

    Example:
        >>> from skelblocks.contrast import unit_rows
        >>> criterion = SimilarityDistillationLoss(top_k=16)
        >>> banks = unit_rows(torch.randn(64, 8)), unit_rows(torch.randn(64, 8))
        >>> bool(criterion(torch.randn(4, 8), torch.randn(4, 8), *banks) > 0)
        True
    """

    def __init__(
        self,
        *,
        top_k: int | None = None,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.05,
        square_student: bool = False,
        max_similarity: float | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        _check_settings(top_k, student_temperature, teacher_temperature, max_similarity, reduction)
        self.top_k = top_k
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.square_student = square_student
        self.max_similarity = max_similarity
        self.reduction: Reduction = reduction

    def forward(self, student: Tensor, teacher: Tensor, student_bank: Tensor, teacher_bank: Tensor) -> Tensor:
        """The loss of a batch."""
        return similarity_distillation_loss(
            student,
            teacher,
            student_bank,
            teacher_bank,
            top_k=self.top_k,
            student_temperature=self.student_temperature,
            teacher_temperature=self.teacher_temperature,
            square_student=self.square_student,
            max_similarity=self.max_similarity,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"top_k={self.top_k}, student_temperature={self.student_temperature}, "
            f"teacher_temperature={self.teacher_temperature}, square_student={self.square_student}, "
            f"max_similarity={self.max_similarity}, reduction={self.reduction!r}"
        )


def _check_settings(
    top_k: int | None,
    student_temperature: float,
    teacher_temperature: float,
    max_similarity: float | None,
    reduction: Reduction,
) -> None:
    if top_k is not None:
        check_integer(top_k, name="top_k")
    check_positive(student_temperature, name="student_temperature")
    check_positive(teacher_temperature, name="teacher_temperature")
    if max_similarity is not None:
        check_positive(max_similarity, name="max_similarity")
    check_reduction(reduction)
