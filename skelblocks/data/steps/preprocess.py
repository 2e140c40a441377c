"""All steps from recorded clips to the clips that an encoder is trained on.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skelblocks import layouts
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data.steps.align_view import align_view
from skelblocks.data.steps.center import center
from skelblocks.data.steps.normalize_scale import scale_to_body
from skelblocks.data.steps.preprocess_mask import remap_mask
from skelblocks.data.steps.resample import check_lengths, clip_lengths, resample
from skelblocks.data.steps.vertical import with_known_y
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.common_joints import common_names
from skelblocks.layouts.made_joints import make_joint
from skelblocks.layouts.remap import remap


@explain_arguments
def preprocess(
    x: NDArray[Any],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    preprocessing: Preprocessing,
    lengths: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    seen: NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """Turn clips upright, remap, scale, center, resample and align them, then make room for persons.

    :class:`Preprocessing` selects the steps. Their order is the same as in the released preprocessing, which begins
    with centering. :class:`~skelblocks.data.ArrayDataset`, :func:`~skelblocks.data.prepare` and
    :meth:`Pretrained.prepare <skelblocks.interop.Pretrained.prepare>` all call this function.

    Args:
        x: Clips ``(n, c, t, v, m)`` of finite floating-point coordinates, zero at the end of time and where a person is
            absent.
        layout: The skeleton of ``x``: a name, a dict or a layout.
        preprocessing: The settings. ``y="auto"`` is decided by all of ``x`` together.
        lengths: Frames of each clip, ``(n,)``; what follows them is not used. Default: up to the last frame in which
            a person is seen.
        names: Names of the clips, for messages. Default: their numbers.
        seen: ``(n, t, v, m)``, true where the joint is seen. Centering and scaling then go by joints that are seen. See
            :func:`~skelblocks.data.preprocess_mask` for the mask of the preprocessed clips. Default: every joint of a
            person who is seen.

    Returns:
        ``(n, c, frames, v, persons)``, same dtype, with the joints of ``preprocessing.layout_of(layout)``.

    Raises:
        TypeError: ``x`` is not a floating-point array, or the lengths are not integers.
        ValueError: Settings that do not fit the clips, more persons than there is room for, a length that a clip does
            not have, or with ``scale`` a clip whose body has no length.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((2, 3, 80, 25, 1))
        >>> preprocess(x, layout="ntu-rgb+d", preprocessing=Preprocessing(persons=2)).shape
        (2, 3, 50, 25, 2)
    """
    layout = layouts.get(layout)
    n, channels, t, _, m = x.shape
    preprocessing.validate(layout=layout, channels=channels)
    persons = m if preprocessing.persons is None else preprocessing.persons
    if m > persons:
        raise ValueError(
            f"clips: expected at most {persons} persons, got {m}; leave the others out, clips[..., :{persons}], or set "
            f"persons={m}"
        )
    frames_of = clip_lengths(x) if lengths is None else check_lengths(lengths, n, t)
    target = preprocessing.layout_of(layout)
    if seen is not None:
        check_mask(seen, (n, t, layout.num_joints, m))
    known = with_known_y(preprocessing, x, layout=layout, seen=seen)
    x = _recorded_as_expected(x, layout=layout, preprocessing=known)
    if seen is not None and target != layout:
        seen = remap_mask(seen, source=layout, target=target, preprocessing=preprocessing)
    layout = target
    if preprocessing.scale is not None:
        x = scale_to_body(_cut(x, frames_of), layout=layout, by=preprocessing.scale, names=names, seen=seen)
    joint = preprocessing.center_joint(layout)
    if joint is not None:
        x = center(
            x,
            joint=joint,
            per=preprocessing.per,
            origin=preprocessing.origin,
            seen=seen,
            stand_ins=() if seen is None else _around(joint, layout),
        )
    if preprocessing.frames is not None:
        x = resample(x, preprocessing.frames, length=frames_of)
    if preprocessing.align is not None:
        left, right = (layout.index(f"shoulder_{side}") for side in ("left", "right"))
        x = align_view(x, left=left, right=right, mode=preprocessing.align)
    if m < persons:
        x = np.pad(x, ((0, 0),) * 4 + ((0, persons - m),))
    return x


def _recorded_as_expected(x: NDArray[Any], *, layout: SkeletonLayout, preprocessing: Preprocessing) -> NDArray[Any]:
    """The clips with the second coordinate upwards, with the target's joints and with the number of coordinates."""
    target = preprocessing.layout_of(layout)
    if target != layout:
        x, _ = remap(np.asarray(x), source=layout, target=target, missing=preprocessing.missing)
    channels = preprocessing.channels_of(x.shape[1])
    if channels < x.shape[1]:
        x = x[:, :channels]
    elif channels > x.shape[1]:
        x = np.pad(x, ((0, 0), (0, channels - x.shape[1]), (0, 0), (0, 0), (0, 0)))
    if preprocessing.y == "down":
        signs = np.where(np.arange(x.shape[1]) == 1, -1, 1).astype(x.dtype)
        x = x * signs[:, None, None, None] + 0  # zero has no sign
    return x


def check_mask(seen: NDArray[np.bool_], shape: tuple[int, ...]) -> None:
    """Raise unless a mask is boolean and has a shape ``(n, t, v, m)``."""
    if not isinstance(seen, np.ndarray) or seen.dtype != np.bool_:
        raise TypeError(f"seen: expected a boolean numpy array, got {getattr(seen, 'dtype', type(seen).__name__)}")
    if seen.shape != shape:
        raise ValueError(f"seen: expected (n, t, v, m) = {shape} as in the clips, got shape {seen.shape}")


def _around(joint: int, layout: SkeletonLayout) -> list[int]:
    """The joints that have a joint in their middle, such as both hips for the pelvis; none where there are no such."""
    try:
        names = common_names(layout)
    except ValueError:  # two joints that mean the same
        return []
    sources = make_joint(names[joint], [name for name in names if name != names[joint]]) or {}
    return [names.index(name) for name in sources] if len(set(sources.values())) == 1 and len(sources) > 1 else []


def _cut(x: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[Any]:
    """The clips with zeros after their lengths, so that these frames do not affect the body's length."""
    after = np.arange(x.shape[2]) >= lengths[:, None]
    return np.where(after[:, None, :, None, None], x.dtype.type(0), x) if after.any() else x
