"""Look up layouts by name: the catalogue, and layouts that users register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skelblocks._utils.did_you_mean import did_you_mean
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.layouts.catalogue import ALIASES, CATALOGUE
from skelblocks.layouts.skeleton_layout import SkeletonLayout

_registry: dict[str, SkeletonLayout] = {layout.name: layout for layout in CATALOGUE}


@explain_arguments
def get(layout: str | Mapping[str, Any] | SkeletonLayout) -> SkeletonLayout:
    """Get a layout from a name, a dict or a layout. Every block that takes a layout calls this function.

    Args:
        layout: A registered name, an alias in the catalogue (``"humanml3d-22"``), the dict of
            :meth:`SkeletonLayout.to_dict`, or a layout.

    Returns:
        The layout.

    Raises:
        ValueError: the name is not registered, or the dict does not describe a layout.
        TypeError: an argument of another type.

    Example:
        >>> get("ntu-rgb+d").num_joints
        25
        >>> get(get("coco-17").to_dict()) == get("coco-17")
        True
    """
    if isinstance(layout, SkeletonLayout):
        return layout
    if isinstance(layout, Mapping):
        return SkeletonLayout.from_dict(layout)
    if not isinstance(layout, str):
        raise TypeError(f"layout: expected a name, a dict or a SkeletonLayout, got {type(layout).__name__}")
    if layout not in _registry and layout in ALIASES:
        layout = ALIASES[layout]
    if layout not in _registry:
        raise ValueError(
            f"layout: no layout is named {layout!r}{did_you_mean(layout, [*_registry, *ALIASES])}; "
            f"there are {', '.join(available())}; "
            "add yours with layouts.register, or read it from a file: layouts.load('mine.json'), on a command line "
            "--layout mine.json"
        )
    return _registry[layout]


@explain_arguments
def register(layout: SkeletonLayout | Mapping[str, Any], *, replace: bool = False) -> SkeletonLayout:
    """Register a layout under its name, in this process.

    Args:
        layout: The layout, or its dict.
        replace: Whether to replace another layout with the same name. Registering an equal layout again is always
            allowed, so that a module can register its layouts on import.

    Returns:
        The layout.

    Raises:
        ValueError: another layout has that name.

    Example:
        >>> hand = register({"name": "two-joints", "joints": ["palm", "finger"], "edges": [[1, 0]], "center": 0,
        ...     "swap": [0, 1], "parts": {"palm": [0], "finger": [1]}, "bodies": {"hand": [0, 1]}})
        >>> get("two-joints") is hand
        True
    """
    layout = get(layout)
    known = _registry.get(layout.name)
    if known is not None and known != layout and not replace:
        raise ValueError(f"layout: another layout is named {layout.name!r}; choose another name, or pass replace=True")
    _registry[layout.name] = layout
    return layout


@explain_arguments
def available() -> tuple[str, ...]:
    """The names that :func:`get` knows, in order of registration.

    Example:
        >>> "nw-ucla" in available()
        True
    """
    return tuple(_registry)
