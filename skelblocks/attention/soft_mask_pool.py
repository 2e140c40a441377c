"""From a feature map and a soft mask to two features per clip: salient and non-salient.

Axes: n samples, m persons, c channels, t frames, v joints.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from skelblocks._utils.checks import check_axes, check_floating
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._clips import check_no_clips
from skelblocks.encoders.pool import pool
from skelblocks.encoders.present_persons import Absent, check_absent, present_in_map


class SoftMaskFeatures(NamedTuple):
    """What :func:`soft_mask_pool` returns: two features ``(n, c)`` whose sum is the plain mean."""

    salient: Tensor
    non_salient: Tensor


@explain_arguments
def soft_mask_pool(
    feature_map: Tensor, mask: Tensor, *, person_mask: Tensor | None = None, absent: Absent = "compute"
) -> SoftMaskFeatures:
    r"""Average a map under a soft mask, and under what the mask leaves.

    .. math:: f_s = \frac{1}{tv} \sum_{t, v} f \odot M, \qquad f_{ns} = \frac{1}{tv} \sum_{t, v} f \odot (1 - M)

    then the mean over persons. Eqs. 5-7 of SkeAttnCLR. The ``I`` from which eq. 5 subtracts the mask is called the
    identity matrix, but a matrix of ones is meant. Both sums are divided by the number of positions (eqs. 6, 7, and the
    released code), not by the weight of the mask as in SkeleMixCLR: a feature grows with the share of the map that its
    mask takes, and the two add up to :func:`~skelblocks.encoders.pool`.

    The map of the mixed query and that of the key, whose clip was not mixed, take the same mask, from
    :class:`MHSAM` on the query's (eqs. 6, 7). Gradient flows to both arguments. For a BiGRU, the released code takes
    the last position alone instead of this mean.

    Args:
        feature_map: ``(n, m, c, t, v)``, from an encoder.
        mask: Same shape, numbers in [0, 1].
        person_mask: Boolean ``(n, m)``, true where a person is present; see :func:`~skelblocks.encoders.pool`. By
            default the mean is over all m, as released.
        absent: With ``"skip"``, persons whose map is all zero do not contribute, as in
            :func:`~skelblocks.encoders.pool`.

    Returns:
        The two features, each ``(n, c)``, ready for the head that they share with the plain one.

    Raises:
        TypeError: a map or mask that is not floating-point, or a ``person_mask`` that is not boolean.
        ValueError: other axes, or sizes that differ.

    Example:
        >>> import torch
        >>> feature_map, mask = torch.full((1, 1, 8, 2, 5), 4.0), torch.full((1, 1, 8, 2, 5), 0.75)
        >>> salient, non_salient = soft_mask_pool(feature_map, mask)
        >>> salient[0, 0].item(), non_salient[0, 0].item()
        (3.0, 1.0)
    """
    check_axes(feature_map, "n m c t v", name="feature_map")
    check_floating(feature_map, name="feature_map")
    check_no_clips(feature_map, name="feature_map", instead="the persons one by one")
    n, m, c, t, v = feature_map.shape
    check_axes(mask, "n m c t v", name="mask", n=n, m=m, c=c, t=t, v=v)
    check_floating(mask, name="mask")
    check_absent(absent)
    if absent == "skip" and person_mask is None:
        person_mask = present_in_map(feature_map)
    return SoftMaskFeatures(pool(feature_map * mask, person_mask), pool(feature_map * (1 - mask), person_mask))
