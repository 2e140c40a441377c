"""Pool a feature map with a soft mask to two features per clip: salient and non-salient.

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
    """The result of :func:`soft_mask_pool`: two features ``(n, c)`` whose sum is the plain mean."""

    salient: Tensor
    non_salient: Tensor


@explain_arguments
def soft_mask_pool(
    feature_map: Tensor, mask: Tensor, *, person_mask: Tensor | None = None, absent: Absent = "compute"
) -> SoftMaskFeatures:
    r"""Average a map weighted by a soft mask, and by one minus the mask.

    .. math:: f_s = \frac{1}{tv} \sum_{t, v} f \odot M, \qquad f_{ns} = \frac{1}{tv} \sum_{t, v} f \odot (1 - M)

    and then over persons (eqs. 5-7 of SkeAttnCLR). Eq. 5 subtracts the mask from :math:`I`; the paper calls it the
    identity matrix but means a matrix of ones. Both sums are divided by the number of positions (eqs. 6, 7, and the
    released code), not by the sum of the mask as in SkeleMixCLR. So a feature grows with the share of the map that its
    mask covers, and the two features add up to :func:`~skelblocks.encoders.pool`.

    The maps of the mixed query and of the unmixed key use the same mask, which :class:`MHSAM` computes from the
    query's map (eqs. 6, 7). Gradient flows to both arguments. For a BiGRU, the released code uses only the last
    position instead of this mean.

    Args:
        feature_map: ``(n, m, c, t, v)``, from an encoder.
        mask: Same shape, numbers in [0, 1].
        person_mask: Boolean ``(n, m)``, true where a person is present; see :func:`~skelblocks.encoders.pool`. By
            default the mean is over all m, as in the released code.
        absent: With ``"skip"``, persons whose map is all zero do not contribute, as in
            :func:`~skelblocks.encoders.pool`.

    Returns:
        The two features, each ``(n, c)``. Pass them through the head that the plain feature uses.

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
