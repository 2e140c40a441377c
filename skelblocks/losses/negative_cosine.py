"""Negative cosine (BYOL, SimSiam): a predictor maps the embedding of one view to the embedding of the other.

Axes: n samples, d embedding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_axes, check_floating
from skelblocks._utils.debug import debugging
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_finite
from skelblocks.losses._logits import check_roles
from skelblocks.losses._reduction import Reduction, check_reduction, reduce_clips


@explain_arguments
def negative_cosine_loss(prediction: Tensor, target: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    r"""Negative cosine similarity of a prediction and its target.

    .. math:: L = - \frac{1}{n} \sum_n \frac{p_n \cdot z_n}{\lVert p_n \rVert \lVert z_n \rVert}

    Eq. 1 of SimSiam. BYOL's loss is ``2 + 2 * L``. Both methods add the same loss with the two views swapped. The
    target must be constant: otherwise all embeddings collapse to one point. SkeletonBYOL and HYSP train skeleton
    encoders with this loss. It needs no negatives and no bank.

    Args:
        prediction: ``(n, d)``, the output of :class:`~skelblocks.encoders.Predictor` for one view.
        target: ``(n, d)``, the embedding of the other view, constant. It comes from the momentum encoder in BYOL, and
            from the same encoder in SimSiam.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar between -1 and 1 for ``"mean"``, or ``(n,)`` for ``"none"``.

    Raises:
        TypeError: an embedding is not floating-point.
        ValueError: shapes that differ, or a target that requires grad while the prediction does not, which means that
            they were swapped.

    Example:
        >>> target = torch.randn(4, 8)
        >>> round(negative_cosine_loss(3 * target, target).item(), 6)
        -1.0
    """
    check_axes(prediction, "n d", name="prediction")
    check_floating(prediction, name="prediction")
    check_axes(target, "n d", name="target", n=prediction.shape[0], d=prediction.shape[1])
    check_floating(target, name="target")
    check_roles({"prediction": prediction}, {"target": target})
    check_reduction(reduction)
    for name, x in (("prediction", prediction), ("target", target)):
        if debugging(x):
            check_finite(x, name=name)
    dtype = torch.promote_types(torch.promote_types(prediction.dtype, target.dtype), torch.float32)
    with autocast_off(prediction):
        losses = -F.cosine_similarity(prediction.to(dtype), target.detach().to(dtype), dim=1)
    return reduce_clips(losses, reduction)


@explain_arguments
class NegativeCosineLoss(nn.Module):
    """Make a prediction point in the direction of its target: the module form of :func:`negative_cosine_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``prediction`` ``(n, d)`` and ``target`` ``(n, d)`` to a scalar; ``(n,)`` for ``reduction="none"``.

    Example:
        >>> from skelblocks.encoders import Predictor
        >>> predictor, criterion = Predictor(8), NegativeCosineLoss()
        >>> weak, strong = torch.randn(2, 4, 8)
        >>> loss = (criterion(predictor(weak), strong) + criterion(predictor(strong), weak)) / 2
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction: Reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch."""
        return negative_cosine_loss(prediction, target, reduction=self.reduction)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"reduction={self.reduction!r}"
