"""Feature distillation: a student learns to predict the features of a frozen teacher.

Axes: n samples, d features.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_axes, check_choice, check_floating
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.losses._logits import check_roles
from skelblocks.losses._reduction import Reduction, check_reduction, reduce_clips

Distance = Literal["smooth_l1", "cosine", "both"]


@explain_arguments
def feature_distillation_loss(
    student: Tensor,
    teacher: Tensor,
    *,
    mean: Tensor | None = None,
    deviation: Tensor | None = None,
    distance: Distance = "both",
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Distance between a student's and a teacher's features, in units of the teacher's standard deviation.

    .. math:: z = (s - \mu) / \sigma, \quad y = (t - \mu) / \sigma, \quad
        L = \operatorname{mean}_d \operatorname{smooth}_{L1}(z, y) + 1 - \cos(z, y)

    Standardizing gives all channels the same weight; without it, the few channels with the largest values dominate.
    The loss lets an encoder for one skeleton learn from an encoder for another skeleton. It comes from none of the
    papers that this package implements.

    Args:
        student: ``(n, d)``.
        teacher: ``(n, d)``, constant.
        mean: ``(d,)``, the mean :math:`\mu` of the teacher's features over the training clips; zero by default.
        deviation: ``(d,)``, their standard deviation :math:`\sigma`; one by default. A channel with a deviation of zero
            carries no information and is ignored.
        distance: ``"smooth_l1"``, ``"cosine"``, or ``"both"`` for their sum.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or ``(n,)`` for ``"none"``.

    Raises:
        TypeError: features are not floating-point.
        ValueError: shapes that differ, an unknown choice, or a teacher that requires grad while the student does not,
            which means that they were swapped.

    Example:
        >>> teacher = torch.randn(8, 4)
        >>> feature_distillation_loss(teacher.clone(), teacher).item() < 1e-6
        True
        >>> feature_distillation_loss(-teacher, teacher, distance="cosine").item()
        2.0
    """
    check_axes(student, "n d", name="student")
    check_axes(teacher, "n d", name="teacher", n=student.shape[0], d=student.shape[1])
    check_floating(student, name="student")
    check_floating(teacher, name="teacher")
    check_roles({"student": student}, {"teacher": teacher})
    check_choice(distance, get_args(Distance), name="distance")
    check_reduction(reduction)
    with autocast_off(student):
        dtype = torch.promote_types(student.dtype, torch.float32)
        z, y = (_standardized(x.to(dtype), mean, deviation) for x in (student, teacher.detach()))
        losses = z.new_zeros(len(z))
        if distance != "cosine":
            losses = losses + F.smooth_l1_loss(z, y, reduction="none").mean(dim=1)
        if distance != "smooth_l1":
            losses = losses + (1 - F.cosine_similarity(z, y, dim=1))
        return reduce_clips(losses, reduction)


def _standardized(x: Tensor, mean: Tensor | None, deviation: Tensor | None) -> Tensor:
    for name, statistic in (("mean", mean), ("deviation", deviation)):
        if statistic is not None:
            check_axes(statistic, "d", name=name, d=x.shape[1])
    if mean is not None:
        x = x - mean.to(x)
    if deviation is None:
        return x
    spread = deviation.to(x)
    return torch.where(spread > 0, x / spread.where(spread > 0, 1), 0)


@explain_arguments
class FeatureDistillationLoss(nn.Module):
    """Make a student's features equal a teacher's: the module form of :func:`feature_distillation_loss`.

    It computes and stores the teacher's mean and deviation.

    Args:
        teacher_features: ``(n, d)``, the teacher's features of the training clips.
        distance: ``"smooth_l1"``, ``"cosine"``, or ``"both"`` for their sum.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Attributes:
        mean: Buffer ``(d,)``.
        deviation: Buffer ``(d,)``. A deviation below the rounding error of the channel's values is set to zero.

    Shape:
        ``student`` ``(n, d)`` and ``teacher`` ``(n, d)`` to a scalar; ``(n,)`` for ``reduction="none"``.

    Example:
        >>> features = 5 + 100 * torch.randn(64, 16)
        >>> loss = FeatureDistillationLoss(features)
        >>> bool(loss(torch.randn(8, 16, requires_grad=True), features[:8]) > 0)
        True
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, teacher_features: Tensor, *, distance: Distance = "both", reduction: Reduction = "mean") -> None:
        super().__init__()
        check_axes(teacher_features, "n d", name="teacher_features")
        check_floating(teacher_features, name="teacher_features")
        check_choice(distance, get_args(Distance), name="distance")
        check_reduction(reduction)
        if len(teacher_features) < 2:
            raise ValueError(
                f"teacher_features: expected features of two clips or more, got {len(teacher_features)}; pass the "
                "features of the whole training set"
            )
        features = teacher_features.detach()
        deviation = features.std(dim=0, correction=0)
        rounding = torch.finfo(features.dtype).eps * features.abs().amax(dim=0)
        self.register_buffer("mean", features.mean(dim=0))
        self.register_buffer("deviation", deviation.where(deviation > rounding, 0))
        self.distance: Distance = distance
        self.reduction: Reduction = reduction

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss of a batch."""
        return feature_distillation_loss(
            student,
            teacher,
            mean=self.mean,
            deviation=self.deviation,
            distance=self.distance,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"distance={self.distance!r}, reduction={self.reduction!r}"
