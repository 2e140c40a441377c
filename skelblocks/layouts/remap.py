"""Convert clips from one skeleton to another.

Axes: v source joints, w target joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.layouts.common_joints import COMMON_PARENTS, common_names
from skelblocks.layouts.made_joints import Weights, make_joint
from skelblocks.layouts.registry import get
from skelblocks.layouts.skeleton_layout import SkeletonLayout

Missing: TypeAlias = Literal["error", "nearest"]
MISSING: tuple[Missing, ...] = get_args(Missing)
Clips = TypeVar("Clips", Tensor, NDArray[Any])


@explain_arguments
def remap(
    x: Clips,
    *,
    source: str | Mapping[str, Any] | SkeletonLayout,
    target: str | Mapping[str, Any] | SkeletonLayout,
    axis: int = -2,
    missing: Missing = "error",
) -> tuple[Clips, Clips]:
    """Convert clips from one skeleton to another: joints are copied, or computed from other joints.

    Layouts use different names for the same place: ``hip_center`` of NW-UCLA is ``spine_base`` of NTU RGB+D. Joints
    that both skeletons have are copied. Joints that the source lacks are weighted means of others along the same bones:
    the pelvis is the center of the hips, the thorax is the center of the shoulders, the neck is between thorax and
    head, and the head is between the ears. A hand extends the forearm, and its tip and thumb are at the hand. All of
    this is linear, so absent persons (all zero) stay zero, and centering can come before or after.

    Args:
        x: Clips of floating-point numbers with the source's joints on ``axis``: a tensor or an array.
        source: The skeleton of ``x``; a name, a dict or a layout.
        target: The skeleton of the result.
        axis: The axis of the joints. Default: -2, as in ``(n, c, t, v, m)``.
        missing: What to do with target joints that cannot be computed: ``"error"``, or ``"nearest"`` to use the
            position of the nearest joint of the target that is available, counted in bones.

    Returns:
        The clips with the target's joints, of the same type and dtype; and ``(w,)``, boolean, true for joints that were
        computed from others and not measured.

    Raises:
        TypeError: ``x`` is neither a tensor nor an array, or does not hold floating-point numbers.
        ValueError: an unknown layout or choice, an axis that does not exist or does not have the source's joints,
            joints that cannot be computed, or two joints of a layout with the same meaning.

    Example:
        >>> import torch
        >>> clips = torch.randn(4, 3, 50, 20, 1)
        >>> converted, computed = remap(clips, source="nw-ucla", target="ntu-rgb+d")
        >>> converted.shape, [name for name, own in zip(get("ntu-rgb+d").joints, computed) if own]
        (torch.Size([4, 3, 50, 25, 1]), ['neck', 'hand_tip_left', 'thumb_left', 'hand_tip_right', 'thumb_right'])
    """
    source, target = get(source), get(target)
    check_choice(missing, MISSING, name="missing")
    _check_clips(x, source, axis)
    rows, computed = joint_sources(source, target, missing=missing)
    if isinstance(x, Tensor):
        joints = x.unbind(axis)
        return torch.stack([_mean(joints, row) for row in rows], dim=axis), torch.tensor(computed, device=x.device)
    joints = tuple(np.moveaxis(x, axis, 0))
    return np.stack([_mean(joints, row) for row in rows], axis=axis), np.array(computed)


def joint_sources(
    source: SkeletonLayout, target: SkeletonLayout, *, missing: Missing = "error"
) -> tuple[tuple[Mapping[int, float], ...], tuple[bool, ...]]:
    """For each target joint, the source joints it is computed from with their weights, and whether it is computed.

    Example:
        >>> rows, computed = joint_sources(get("coco-17"), get("h36m-17"))
        >>> rows[0], computed[0]  # the pelvis from both hips
        ({11: 0.5, 12: 0.5}, True)
    """
    measured, wanted = common_names(source), common_names(target)
    found = {name: make_joint(name, measured) for name in wanted}
    lost = [joint for joint, name in zip(target.joints, wanted, strict=True) if found[name] is None]
    if lost and missing == "error":
        raise ValueError(
            f"source: {source.name!r} lacks {', '.join(lost)} of {target.name!r}, and they cannot be computed from "
            'other joints; pass missing="nearest" to use the nearest joints, or remove them from the target with '
            "layouts.restrict"
        )
    if len(lost) == target.num_joints:
        raise ValueError(
            f"source: {source.name!r} and {target.name!r} have no joint in common; nothing can be remapped"
        )
    rows = [
        weights if weights is not None else _nearest(joint, target, wanted, measured)
        for joint, weights in enumerate(found[name] for name in wanted)
    ]
    places = tuple({measured.index(name): weight for name, weight in row.items()} for row in rows)
    return places, tuple(name not in measured for name in wanted)


def _nearest(joint: int, target: SkeletonLayout, wanted: Sequence[str], measured: Sequence[str]) -> Weights:
    """The weights of the nearest available joint on the common skeleton, or else on the target's own skeleton."""
    if wanted[joint] in COMMON_PARENTS:
        bones = [(child, parent) for child, parent in COMMON_PARENTS.items() if child != parent]
    else:
        bones = [(wanted[a], wanted[b]) for a, b in target.edges]
    reached = [wanted[joint]]
    for name in reached:  # breadth-first search: the list grows
        weights = make_joint(name, measured)
        if weights is not None:
            return weights
        next_ones = [b if a == name else a for a, b in bones if name in (a, b)]
        reached += [other for other in next_ones if other not in reached]
    raise ValueError(
        f"source: no available joint is near {target.joints[joint]!r} of {target.name!r}; remove it from the target "
        "with layouts.restrict"
    )


def _check_clips(x: object, source: SkeletonLayout, axis: int) -> None:
    if isinstance(x, np.ma.MaskedArray) or not isinstance(x, Tensor | np.ndarray):
        raise TypeError(f"x: expected a tensor or an array, got {type(x).__name__}; convert it with np.asarray(x)")
    floating = x.is_floating_point() if isinstance(x, Tensor) else np.issubdtype(x.dtype, np.floating)
    if not floating:
        mend = "x.float()" if isinstance(x, Tensor) else "x.astype(np.float32)"
        raise TypeError(f"x: expected floating-point numbers, got {x.dtype}; convert them with {mend}")
    check_integer(axis, name="axis", least=-x.ndim)
    if axis >= x.ndim or x.shape[axis] != source.num_joints:
        raise ValueError(
            f"x: expected the {source.num_joints} joints of {source.name!r} on axis {axis}, got shape "
            f"{tuple(x.shape)}; pass the axis of the joints as axis=, or the skeleton of the clips as source="
        )


def _mean(joints: Sequence[Any], weights: Mapping[int, float]) -> Any:
    """The weighted sum of some joints. A single joint with weight one is returned unchanged."""
    terms = [joints[place] if weight == 1 else joints[place] * weight for place, weight in weights.items()]
    return sum(terms[1:], start=terms[0])
