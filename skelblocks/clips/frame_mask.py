"""Find the frames in which each person of a clip is present.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from torch import Tensor

from skelblocks._utils.checks import check_axes
from skelblocks._utils.explain_arguments import explain_arguments


@explain_arguments
def frame_mask(x: Tensor) -> Tensor:
    """Find the frames in which a person is present, with any coordinate other than zero.

    Frames are zero before a person enters, after a person leaves, and where a clip is padded. The difference between
    such a frame and its neighbor is not motion.

    Args:
        x: Clips ``(n, c, t, v, m)``.

    Returns:
        ``(n, t, m)``, boolean, True where the person is present in that frame. A NaN counts as a coordinate.

    Raises:
        TypeError: ``x`` is not a tensor.
        ValueError: ``x`` is not ``(n, c, t, v, m)``.

    Example:
        >>> import torch
        >>> x = torch.ones(1, 3, 4, 25, 1)
        >>> x[:, :, 3] = 0
        >>> frame_mask(x).squeeze().tolist()
        [True, True, True, False]
    """
    check_axes(x, "n c t v m", name="x")
    # As in `person_mask`, sums of magnitudes over a long inner axis are several times as fast as `(x != 0).any()`.
    return x.detach().abs().sum(dim=1).any(dim=2)
