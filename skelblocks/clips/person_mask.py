"""Find the persons who are present in a clip.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from torch import Tensor

from skelblocks._utils.checks import check_axes
from skelblocks._utils.explain_arguments import explain_arguments


@explain_arguments
def person_mask(x: Tensor) -> Tensor:
    """Find the persons who are present, with any coordinate other than zero in any frame.

    Clips with fewer persons than the data set's ``m`` are padded with zeros. Use this mask so that transforms do not
    move such absent persons, and means do not count them.

    Args:
        x: Clips ``(n, c, t, v, m)``.

    Returns:
        ``(n, m)``, boolean, True where the person is present. A NaN counts as a coordinate.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)``.

    Example:
        >>> import torch
        >>> x = torch.ones(2, 3, 50, 25, 2)
        >>> x[1, ..., 1] = 0
        >>> person_mask(x)
        tensor([[ True,  True],
                [ True, False]])
    """
    check_axes(x, "n c t v m", name="x")
    n, c, t, v, m = x.shape
    # Sums of magnitudes with joints and persons as one long inner axis are five times as fast as `(x != 0).any()`.
    return x.reshape(n, c * t, v * m).abs().sum(dim=1).view(n, v, m).any(dim=1)
