"""How to mend a tensor whose axes or sizes are not the expected ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

_COORDINATES = (2, 3)


def type_remedy(x: object, *, name: str) -> str:
    """How to turn ``x``, which is no tensor, into one.

    Example:
        >>> import torch
        >>> type_remedy([torch.zeros(2)], name="clips")
        '; convert it with torch.stack(clips)'
    """
    if isinstance(x, (list, tuple)) and x and all(isinstance(each, Tensor) for each in x):
        return f"; convert it with torch.stack({name})"
    bank = getattr(x, "bank", None) if isinstance(x, nn.Module) else None
    if isinstance(bank, Tensor):
        return "; pass the queue's tensor, queue.bank"
    if isinstance(x, nn.Module):
        return "; call the module, and pass what it returns"
    return f"; convert it with torch.as_tensor({name})"


def axis_remedy(shape: Sequence[int], axes: Sequence[str], sizes: Mapping[str, int], *, name: str) -> str:
    """How to bring a tensor into the expected axes; empty if its shape does not say what it is.

    Args:
        shape: Of the tensor, which does not fit.
        axes: The names of the expected axes, without a leading ``...``.
        sizes: The expected sizes, by axis.
        name: The argument's name.

    Example:
        >>> axis_remedy((8, 50, 25, 3), "n c t v m".split(), {"v": 25}, name="x")
        '; if these are clips (n, t, v, c), call einops.rearrange(x, "n t v c -> n c t v 1")'
    """
    shape, wanted = tuple(shape), " ".join(axes)
    if wanted == "n c t v m":
        return _clip_remedy(shape, sizes, name=name)
    if wanted in ("n d", "n c") and len(shape) == 5:
        return f"; if this is an encoder's feature map (n, m, c, t, v), pass pool({name})"
    if len(axes) == 2 and len(shape) == 1:
        return f"; of one sample pass {name}[None]"
    if len(axes) == len(shape) == 2 and all(
        sizes.get(a, size) == size for a, size in zip(axes, shape[::-1], strict=True)
    ):
        return f"; if its axes are exchanged, pass {name}.T"
    if wanted == "c t v" and len(shape) >= 3:
        if (sizes.get("v"), sizes.get("c")) == shape[-2:]:
            return f'; if its channels are last, call einops.rearrange({name}, "... t v c -> ... c t v")'
        c, _, v = shape[-3:]
        if sizes.get("v", v) != v:
            return f"; build the block with the layout of these {v} joints"
        if sizes.get("c", c) != c:
            return f"; build the block for {c} channels"
    return ""


def _clip_remedy(shape: tuple[int, ...], sizes: Mapping[str, int], *, name: str) -> str:
    if len(shape) < 5:
        return _missing_axis(shape, sizes, name=name)
    if len(shape) > 5:
        return ""
    _, c, _, v, _ = shape
    scored = sizes.get("c") == 2 and c == 3 and sizes.get("v", v) == v  # rather than three persons in a picture
    order = None if scored else _other_order(shape, sizes)
    if order is not None:
        return _rearranged(order, "n c t v m", name=name)
    if sizes.get("c", c) != c and c in _COORDINATES:
        score = f", or pass {name}[:, :2] if the last channel is a score" if c == 3 else ""
        return f"; for clips of {c} coordinates build the module with in_channels={c}{score}"
    if sizes.get("v", v) != v:
        return (
            f"; build the module with the layout of these {v} joints, or bring the clips to its layout by layouts.remap"
        )
    return ""


def _fit(found: Iterable[tuple[str, int]], sizes: Mapping[str, int]) -> bool:
    return all(sizes.get(axis, size) == size for axis, size in found)


def _missing_axis(shape: tuple[int, ...], sizes: Mapping[str, int], *, name: str) -> str:
    """For four axes or three: one clip, clips of one person, or both."""

    def coordinates(axis: int) -> bool:
        return shape[axis] == sizes["c"] if "c" in sizes else shape[axis] in _COORDINATES

    def joints(axis: int) -> bool:
        return shape[axis] == sizes.get("v", shape[axis])

    if len(shape) == 4:
        if coordinates(1) and joints(3):
            return f"; if these are clips (n, c, t, v) of one person, pass {name}[..., None]"
        if coordinates(0) and joints(2):
            return f"; if this is one clip (c, t, v, m), pass {name}[None]"
        if coordinates(3) and joints(2):
            return _rearranged("n t v c", "n c t v 1", name=name)
    if len(shape) == 3:
        if coordinates(0) and joints(2):
            return f"; if this is one clip (c, t, v) of one person, pass {name}[None, ..., None]"
        if coordinates(2) and joints(1):
            return _rearranged("t v c", "1 c t v 1", name=name)
    return ""


def _other_order(shape: tuple[int, ...], sizes: Mapping[str, int]) -> str | None:
    """The usual order of axes that clips of five axes have, if it is not ours."""
    c, v = sizes.get("c"), sizes.get("v")
    if c is None and v is None:
        return None
    if shape[4] == (c or shape[4]) and shape[4] in (c, *_COORDINATES) and shape[3] == (v or shape[3]):
        return "n m t v c" if shape[1] <= shape[2] else "n t m v c"  # fewer persons than frames
    if shape[3] == (c or shape[3]) and shape[3] in (c, *_COORDINATES) and shape[2] == (v or shape[2]):
        return "n t v c m"
    return None


def _rearranged(order: str, wanted: str, *, name: str) -> str:
    shown = ", ".join(order.split())
    clips = "this is one clip" if order.startswith("t") else "these are clips"
    return f'; if {clips} ({shown}), call einops.rearrange({name}, "{order} -> {wanted}")'
