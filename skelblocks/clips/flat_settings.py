"""Preprocessing settings as separate arguments, as in version 0.2. They are deprecated."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.layouts import SkeletonLayout

FLAT = ("frames", "center", "per", "body", "align", "persons")


def take_flat_settings(
    preprocessing: Preprocessing | None,
    flat: Mapping[str, Any],
    *,
    function: str,
    layout: SkeletonLayout,
    default: Preprocessing,
) -> Preprocessing:
    """Return the settings of a call. Warn if they were passed as separate arguments.

    Args:
        preprocessing: The settings as one object, or None.
        flat: Keyword arguments that are not parameters of the function.
        function: The function's name, for messages.
        layout: The layout, needed if the center is a number.
        default: The settings if neither is passed.

    Raises:
        TypeError: an unknown argument, or both an object and separate arguments.
        ValueError: a center that the layout does not have.
    """
    unknown = [name for name in flat if name not in FLAT]
    if unknown:
        raise TypeError(f"{function}() got an unexpected keyword argument {unknown[0]!r}")
    if preprocessing is not None and not isinstance(preprocessing, Preprocessing):
        raise TypeError(f"preprocessing: expected Preprocessing(...), got {type(preprocessing).__name__}")
    if not flat:
        return default if preprocessing is None else preprocessing
    if preprocessing is not None:
        raise TypeError(f"{function}: expected only preprocessing, got {', '.join(flat)} too; omit these arguments")
    named = {"origin" if name == "body" else name: value for name, value in flat.items()}
    shown = ", ".join(f"{name}={value!r}" for name, value in named.items())
    warnings.warn(
        f"{function}: {', '.join(flat)} as separate arguments are deprecated; use preprocessing=Preprocessing({shown})",
        DeprecationWarning,
        stacklevel=3,
    )
    center = named.get("center")
    if isinstance(center, int) and not isinstance(center, bool):
        if not 0 <= center < layout.num_joints:
            raise ValueError(
                f"center: expected a joint in 0..{layout.num_joints - 1}, a joint's name or None, got {center}"
            )
        named["center"] = layout.joints[center]
    kept = {field.name: getattr(default, field.name) for field in fields(default)}
    return Preprocessing(**{**kept, **named})
