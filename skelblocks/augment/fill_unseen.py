"""Fill unseen joints: estimate joints in the frames in which they are not seen.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_boolean
from skelblocks.augment._clips import check_clips
from skelblocks.layouts import SkeletonLayout, get


def fill_unseen(x: Tensor, seen: Tensor, *, layout: str | Mapping[str, Any] | SkeletonLayout) -> Tensor:
    """Fill joints that are not seen from the frames in which they are seen.

    Between two frames in which it is seen, a joint is interpolated linearly. Before the first and after the last such
    frame, it stays in place. A joint that is never seen takes the position of its nearest ancestor that is seen. If the
    layout's center is never seen, it keeps its coordinates.

    Args:
        x: Clips ``(n, c, t, v, m)``. The coordinates of unseen joints are not used.
        seen: Boolean ``(n, t, v, m)``, true where a joint is seen.
        layout: The skeleton, for the parents: a name, a dict or a layout of v joints.

    Returns:
        The clips with the gaps filled, same shape and dtype.

    Raises:
        TypeError: ``x`` is not floating-point, or ``seen`` is not boolean.
        ValueError: ``x`` is not ``(n, c, t, v, m)`` with the layout's v, or ``seen`` not ``(n, t, v, m)``.

    Example:
        >>> x = torch.arange(5.0).view(1, 1, 5, 1, 1).expand(1, 1, 5, 15, 1)
        >>> seen = torch.ones(1, 5, 15, 1, dtype=torch.bool)
        >>> seen[0, :, 3] = torch.tensor([False, True, False, False, False])[:, None]
        >>> fill_unseen(x, seen, layout="sbu")[0, 0, :, 3, 0].tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    layout = get(layout)
    check_clips(x, v=layout.num_joints)
    n, _, t, v, m = x.shape
    check_axes(seen, "n t v m", name="seen", n=n, t=t, v=v, m=m)
    check_boolean(seen, name="seen")
    if x.numel() == 0:
        return x
    frame = rearrange(torch.arange(t, device=x.device), "t -> t 1 1")
    last = torch.where(seen, frame, -1).cummax(dim=1).values  # last frame so far in which the joint is seen, or -1
    left = torch.where(seen, t - 1 - frame, -1).flip(1).cummax(dim=1).values.flip(1)
    following = t - 1 - left  # next frame in which the joint is seen, or t
    before = torch.where(last < 0, following, last)
    after = torch.where(following == t, last, following)
    never = (last < 0) & (following == t)
    before, after = (torch.where(never, frame, place) for place in (before, after))
    weight = (frame - before).to(x.dtype) / (after - before).clamp(min=1)
    start, end = (x.gather(2, place[:, None].expand(x.shape)) for place in (before, after))
    filled = start + weight[:, None] * (end - start)
    source = _nearest_seen(never[:, 0], layout)  # (n, v, m)
    return filled.gather(3, source[:, None, None].expand(x.shape))


def _nearest_seen(never: Tensor, layout: SkeletonLayout) -> Tensor:
    """For each joint, the joint itself or its nearest ancestor that is ever seen, ``(n, v, m)``."""
    v = layout.num_joints
    parents = torch.tensor(layout.parents, device=never.device)
    own = rearrange(torch.arange(v, device=never.device), "v -> v 1")
    above = torch.where(never, rearrange(parents, "v -> v 1"), own)
    steps = 1
    while steps < v:  # each pass doubles the number of levels searched
        above, steps = above.gather(1, above), 2 * steps
    return above
