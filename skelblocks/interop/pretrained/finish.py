"""The last step before an encoder: add absent persons, and compute the stream.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from skelblocks._utils.checks import check_axes
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import Stream, convert


def finish_clips(
    x: Tensor,
    *,
    persons: int | None,
    stream: Stream,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    seen: Tensor | None = None,
) -> Tensor:
    """Preprocessed clips ``(n, c, t, v, m)`` as an encoder takes them: the stream, of ``persons`` if that is a number.

    With ``seen``, ``(n, t, v, m)``, bones and motion of joints that are not seen are zero.

    Example:
        >>> import torch
        >>> finish_clips(torch.randn(4, 3, 50, 20, 1), persons=2, stream="bone", layout="nw-ucla").shape
        torch.Size([4, 3, 50, 20, 2])
    """
    check_axes(x, "n c t v m", name="clips")
    missing = 0 if persons is None else persons - x.shape[-1]
    if missing < 0:
        raise ValueError(
            f"clips: expected at most {persons} persons, as the encoder was trained, got {x.shape[-1]}; leave "
            f"the others out: clips[..., :{persons}]"
        )
    if missing:
        x, seen = F.pad(x, (0, missing)), None if seen is None else F.pad(seen, (0, missing))
    return convert(x, stream, layout=layout, seen=seen)
