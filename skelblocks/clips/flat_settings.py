"""Settings given one by one, as version 0.2 took them, which work for one more version."""

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
    """The settings of a call, whether they were given as one object or one by one, which warns.

    Args:
        preprocessing: The object, if there is one.
        flat: Keyword arguments that the function itself does not know.
        function: Its name, for messages.
        layout: For a center that is given by its number.
        default: What holds where nothing is given.

    Raises:
        TypeError: an argument that was never a setting, or both ways at once.
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
        raise TypeError(f"{function}: expected preprocessing alone, got also {', '.join(flat)}; leave those out")
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
