"""How missing joints are computed from other joints: tables of weights that sum to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Weights = Mapping[str, float]

# For each joint, the ways to compute it, best first. The joints that a way needs may be computed themselves. Weights
# outside 0 to 1 extend a bone in its direction. Weights without a source come from the resting synthetic body.
_MIDLINE: Mapping[str, tuple[Weights, ...]] = {
    "pelvis": ({"hip_left": 0.5, "hip_right": 0.5}, {"hip_root_left": 0.5, "hip_root_right": 0.5}),
    "thorax": (
        {"shoulder_left": 0.5, "shoulder_right": 0.5},
        {"clavicle_left": 0.5, "clavicle_right": 0.5},
    ),
    "spine": ({"pelvis": 0.5, "thorax": 0.5},),
    "lower_back": ({"pelvis": 0.8, "thorax": 0.2},),
    "upper_back": ({"pelvis": 0.25, "thorax": 0.75},),
    "lower_neck": ({"thorax": 0.8, "head": 0.2},),
    "neck": ({"lower_neck": 0.6, "upper_neck": 0.4}, {"thorax": 2 / 3, "head": 1 / 3}),
    "upper_neck": ({"neck": 0.65, "head": 0.35},),
    "head": (
        {"ear_left": 0.5, "ear_right": 0.5},
        {"upper_neck": 0.57, "head_top": 0.43},
        {"neck": 0.46, "head_top": 0.54},
        {"thorax": 0.36, "head_top": 0.64},
        {"nose": 1.0},
        {"eye_left": 0.5, "eye_right": 0.5},
    ),
    "head_top": ({"neck": -0.86, "head": 1.86},),
    "nose": ({"eye_left": 0.5, "eye_right": 0.5},),
}
_PAIRED: Mapping[str, tuple[Weights, ...]] = {
    "eye": ({"eye_inner": 0.5, "eye_outer": 0.5}, {"eye_inner": 1.0}, {"eye_outer": 1.0}),
    "eye_inner": ({"eye": 1.0},),
    "eye_outer": ({"eye": 1.0},),
    "mouth": ({"nose": 1.0},),
    "clavicle": ({"thorax": 0.83, "shoulder": 0.17},),
    "wrist": ({"elbow": 0.24, "hand": 0.76},),
    "hand": ({"wrist": 0.5, "fingers": 0.5}, {"index": 0.5, "pinky": 0.5}, {"elbow": -0.32, "wrist": 1.32}),
    # Use the hand's position: extending the hand would double the noise of the smallest joints.
    "fingers": ({"hand": 1.0},),
    "fingertips": ({"fingers": 1.0},),
    "thumb": ({"hand": 1.0},),
    "index": ({"hand": 1.0},),
    "pinky": ({"hand": 1.0},),
    "hip_root": ({"pelvis": 0.5, "hip": 0.5},),
    "ankle": ({"knee": 0.13, "foot": 0.87},),
    "heel": ({"ankle": 1.0},),
    "foot": ({"ankle": 0.45, "toes": 0.55}, {"ankle": 1.0}),
    "toes": ({"foot": 1.0},),
    "small_toe": ({"toes": 1.0},),
}


def _on_side(weights: Weights, side: str) -> Weights:
    return {name if name in _MIDLINE else f"{name}_{side}": weight for name, weight in weights.items()}


WAYS: Mapping[str, tuple[Weights, ...]] = {
    **_MIDLINE,
    **{
        f"{joint}_{side}": tuple(_on_side(weights, side) for weights in ways)
        for joint, ways in _PAIRED.items()
        for side in ("left", "right")
    },
}


def make_joint(name: str, measured: Sequence[str], *, _above: tuple[str, ...] = ()) -> Weights | None:
    """The weights of measured joints from which a joint is computed, or None if this is not possible.

    Args:
        name: A common name.
        measured: The common names of the measured joints. If ``name`` is one of them, it has weight one.

    Returns:
        Names of measured joints, with weights that sum to one.

    Example:
        >>> make_joint("neck", ["shoulder_left", "shoulder_right", "head"])
        {'shoulder_left': 0.3333333333333333, 'shoulder_right': 0.3333333333333333, 'head': 0.3333333333333333}
        >>> make_joint("knee_left", ["hip_left", "ankle_left"]) is None
        True
    """
    if name in measured:
        return {name: 1.0}
    above = (*_above, name)  # a joint must not depend on itself
    for way in WAYS.get(name, ()):
        if any(needed in above for needed in way):
            continue
        found = [(weight, make_joint(needed, measured, _above=above)) for needed, weight in way.items()]
        combined: dict[str, float] = {}
        for weight, inner in found:
            for joint, share in (inner or {}).items():
                combined[joint] = combined.get(joint, 0.0) + weight * share
        if all(inner is not None for _, inner in found):
            return combined
    return None
