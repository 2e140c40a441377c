"""Actionlet pooling (ActCLR): the mean of a feature map under a soft mask.

Axes: n samples, m persons, c channels, t frames, v joints.
"""

from __future__ import annotations

from torch import Tensor

from skelblocks._utils.checks import check_axes, check_filled, check_floating, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._clips import check_no_clips
from skelblocks.encoders.pool import pool
from skelblocks.encoders.present_persons import Absent, check_absent, present_in_map


@explain_arguments
def actionlet_pool(feature_map: Tensor, mask: Tensor, *, eps: float = 1e-5, absent: Absent = "compute") -> Tensor:
    r"""Average a feature map over its positions, weighted by the mask, and then over persons.

    .. math:: \bar f = \tfrac1m \sum_m \frac{\sum_{t, v} A_{tv} f_{tv}}{\sum_{t, v} A_{tv} + \epsilon}

    ActCLR pools the key with it: the key is the mean of two embeddings, one of the plain mean of the map and one of
    this weighted mean. Unlike :func:`soft_mask_pool` it divides by the sum of the mask, so a small actionlet does not
    give a small feature. A person whose mask is zero everywhere contributes zeros.

    Args:
        feature_map: ``(n, m, c, t, v)``, from an encoder.
        mask: ``(n, m, 1, t, v)``, numbers in [0, 1], from :func:`actionlet_mask`. Gradient flows to it too.
        eps: :math:`\epsilon`; 1e-5 in the released code.
        absent: With ``"skip"``, persons whose map is all zero do not contribute, as in
            :func:`~skelblocks.encoders.pool`.

    Returns:
        ``(n, c)``, ready for the head.

    Raises:
        TypeError: a map or mask that is not floating-point.
        ValueError: other axes, sizes that differ, or an ``eps`` that is not positive.

    Example:
        >>> import torch
        >>> feature_map, mask = torch.zeros(1, 1, 8, 2, 5), torch.zeros(1, 1, 1, 2, 5)
        >>> feature_map[..., 3], mask[..., 3] = 4.0, 1.0
        >>> round(actionlet_pool(feature_map, mask)[0, 0].item(), 3)
        4.0
    """
    check_positive(eps, name="eps")
    check_axes(feature_map, "n m c t v", name="feature_map")
    check_floating(feature_map, name="feature_map")
    check_filled(feature_map, "n m c t v", name="feature_map", filled="m t v")
    check_no_clips(feature_map, name="feature_map", instead="the persons one by one")
    n, m, _, t, v = feature_map.shape
    check_axes(mask, "n m one t v", name="mask", n=n, m=m, one=1, t=t, v=v)
    check_floating(mask, name="mask")
    total = mask.sum(dim=(3, 4)) + eps
    per_person = ((feature_map * mask).sum(dim=(3, 4)) / total).to(feature_map.dtype)
    check_absent(absent)
    person_mask = present_in_map(feature_map) if absent == "skip" else None
    return pool(per_person[..., None, None], person_mask)
