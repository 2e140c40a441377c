"""Operations on a batch of clips that several transforms share, written to be fast on CPU and CUDA.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_axes, check_floating


def clip_sizes(shape: Sequence[int]) -> tuple[int, int, int, int, int]:
    """The five sizes of a batch of clips. Raise an error if ``shape`` does not have five."""
    given: object = shape
    if isinstance(given, Tensor):
        raise TypeError("shape: expected 5 sizes (n, c, t, v, m), got a tensor; pass x.shape")
    if len(shape) != 5:
        raise ValueError(f"shape: expected 5 sizes (n, c, t, v, m), got {tuple(shape)}; pass x.shape")
    n, c, t, v, m = shape
    return n, c, t, v, m


def check_clips(x: Tensor, **sizes: int) -> None:
    """Raise unless ``x`` is a floating-point batch of clips ``(n, c, t, v, m)`` with these sizes."""
    check_axes(x, "n c t v m", name="x", **sizes)
    check_floating(x, name="x")


def check_coordinates(c: int) -> int:
    """The size of axis c. Raise ``ValueError`` unless it is 2 or 3."""
    if c not in (2, 3):
        raise ValueError(
            f"x: expected (n, c, t, v, m) with c of 2 or 3, the coordinates, got {c}; drop channels that are not "
            "coordinates, such as scores: x[:, :2]"
        )
    return c


def check_index(x: Tensor, *, name: str) -> None:
    """Raise ``TypeError`` unless ``x`` is int64, the dtype of torch's indices."""
    if x.dtype != torch.int64:
        raise TypeError(f"{name}: expected a torch.int64 tensor, got {x.dtype}; convert it with {name}.long()")


def refuse_radians(angle: float, *, name: str) -> None:
    """Raise ``ValueError`` for a number such as pi / 6, which is hardly meant in degrees."""
    degrees = math.degrees(angle)
    if 0 < degrees <= 360 and abs(degrees - round(degrees)) < 1e-9:
        whole = round(degrees)
        raise ValueError(f"{name}: expected degrees, got {angle}, which is {whole} degrees in radians; pass {whole}")


def warn_of_exchanged_axes(x: Tensor) -> None:
    """Warn about clips ``(n, 2, t, v, 3)``, which can also be ``(n, m, t, v, c)``: two persons in space."""
    if not torch.compiler.is_compiling() and x.shape[1] == 2 and x.shape[4] == 3:
        warnings.warn(
            f"x: shape (n, {', '.join(map(str, x.shape[1:]))}) is read as (n, c, t, v, m), two coordinates of three "
            'persons; if its axes are (n, m, t, v, c), call einops.rearrange(x, "n m t v c -> n c t v m")',
            UserWarning,
            stacklevel=3,
        )


def check_ratio(value: float, interval: str, *, name: str) -> None:
    """Raise unless ``value`` is a number in ``interval``, one of the intervals from 0 to 1, such as ``"[0, 1)"``."""
    expected = f"{name}: expected a ratio in {interval}"
    if isinstance(value, bool) or not isinstance(value, (int, float, Real)):
        raise TypeError(f"{expected}, got {value!r}; pass a Python number")
    inside = 0 < value < 1 or (value == 0 and interval[0] == "[") or (value == 1 and interval[-1] == "]")
    if not inside:
        raise ValueError(f"{expected}, got {value}")


def check_ratio_range(value: tuple[float, float], *, name: str, with_zero: bool) -> tuple[float, float]:
    """The two ratios ``(low, high)`` as a tuple. Raise if their order or range is wrong."""
    expected = f"{name}: expected two ratios (low, high) with 0 {'<=' if with_zero else '<'} low <= high <= 1"
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"{expected}, got {value!r}; for a fixed ratio, pass it twice")
    low, high = value
    for each in (low, high):
        if isinstance(each, bool) or not isinstance(each, (int, float, Real)):
            raise TypeError(f"{expected}, got {value!r}; pass Python numbers")
    if not (0 <= low <= high <= 1) or (low == 0 and not with_zero):
        raise ValueError(f"{expected}, got {tuple(value)}")
    return low, high


def uncast_bmm(a: Tensor, b: Tensor) -> Tensor:
    """Batched ``a @ b`` without autocast, which would round coordinates to half precision."""
    with autocast_off(a):
        return torch.bmm(a, b)


def map_coordinates(x: Tensor, matrix: Tensor) -> Tensor:
    """Multiply the coordinates of clips ``(n, c, t, v, m)`` by one matrix per sample, ``(n, c, c)``."""
    n, c, t, v, m = x.shape
    return uncast_bmm(matrix.to(x.dtype), x.reshape(n, c, t * v * m)).view(x.shape)


def take_frames(x: Tensor, index: Tensor) -> Tensor:
    """Select each sample's own frames, ``index`` ``(n, s)``, of clips ``(n, c, t, v, m)``: ``(n, c, s, v, m)``."""
    n, c, t, v, m = x.shape
    # Select whole rows of a flat table, which copies frame by frame. Indexing two axes copies element by element.
    first = torch.arange(n * c, device=x.device).view(n, c, 1) * t
    rows = (first + index[:, None, :]).flatten()
    return x.reshape(n * c * t, v * m).index_select(0, rows).view(n, c, index.shape[1], v, m)


def zero_where(x: Tensor, mask: Tensor) -> Tensor:
    """Set clips ``(n, c, t, v, m)`` to zero wherever ``mask`` is True. The mask is broadcast to the clips."""
    if mask.shape[3] > 1 and mask.shape[4] != x.shape[4]:
        # Copy the mask: with stride 0 on the last axis, of length 1 or 2, each joint would need its own loop.
        mask = mask.expand(*mask.shape[:4], x.shape[4]).contiguous()
    return torch.where(mask, x.new_zeros(()), x)
