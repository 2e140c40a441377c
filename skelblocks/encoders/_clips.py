"""Checks that tell clips from feature maps and from clips in another order of axes."""

from __future__ import annotations

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_filled, check_weights_dtype


def check_clips(x: Tensor, *, in_channels: int, joints: int, weight: Tensor) -> None:
    """Raise unless ``x`` holds clips ``(n, in_channels, t, joints, m)`` with frames, in the dtype of ``weight``.

    Only sizes are compared: clips in another order of axes pass if they happen to have the same sizes.

    Example:
        >>> import torch
        >>> check_clips(torch.zeros(8, 2, 50, 25, 3), in_channels=3, joints=25, weight=torch.zeros(1))
        Traceback (most recent call last):
        ...
        ValueError: x: expected (n, c=3, t, v=25, m), got shape (8, 2, 50, 25, 3); axis 'c' is 2, not 3; if these are
        clips (n, m, t, v, c), call einops.rearrange(x, "n m t v c -> n c t v m")
    """
    check_axes(x, "n c t v m", name="x", c=in_channels, v=joints)
    check_weights_dtype(x, weight, name="x")
    check_filled(x, "n c t v m", name="x", filled="t")


def check_no_clips(feature_map: Tensor, *, name: str, instead: str) -> None:
    """Raise if a feature map ``(n, m, c, t, v)`` looks like clips ``(n, c, t, v, m)``, which also have five axes.

    As a map, clips of one or two persons in 3-D would have three persons, at least 12 frames, and one or two joints. A
    tensor with this shape and without a gradient is taken for clips. Clips in 2-D cannot be recognized by their shape.

    Args:
        feature_map: The value to check, with any axes.
        name: The argument's name in the error message.
        instead: What to call for a map of three persons that has such a shape.

    Raises:
        ValueError: the tensor looks like clips.

    Example:
        >>> check_no_clips(torch.zeros(8, 3, 50, 25, 2), name="feature_map", instead="feature_map.flatten(0, 1)")
        Traceback (most recent call last):
        ...
        ValueError: feature_map: expected an encoder's map (n, m, c, t, v), got shape (8, 3, 50, 25, 2), which looks
        like clips (n, c, t, v, m); pass encoder(x), or for a map of 3 persons use feature_map.flatten(0, 1)
    """
    if feature_map.ndim != 5 or feature_map.requires_grad or torch.compiler.is_compiling():
        return  # a graph may have symbolic sizes, and comparing them would fix their values
    _, first, _, fourth, last = feature_map.shape
    if first == 3 and fourth >= 12 and last <= 2:
        raise ValueError(
            f"{name}: expected an encoder's map (n, m, c, t, v), got shape {tuple(feature_map.shape)}, which looks "
            f"like clips (n, c, t, v, m); pass encoder(x), or for a map of 3 persons use {instead}"
        )
