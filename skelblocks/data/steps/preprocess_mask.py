"""The mask of seen joints after the steps of :func:`skelblocks.data.preprocess`.

Axes: n samples, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skelblocks import layouts
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data.steps.resample import resample_mask
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.remap import joint_sources


@explain_arguments
def preprocess_mask(
    seen: NDArray[np.bool_],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    preprocessing: Preprocessing,
    lengths: ArrayLike | None = None,
) -> NDArray[np.bool_]:
    """The mask of seen joints of preprocessed clips.

    A joint of another skeleton is seen where all joints that it is made of are. A frame takes the mask of the nearest
    frame in time. Persons who are added are not seen.

    Args:
        seen: ``(n, t, v, m)``, true where the joint is seen.
        layout: The skeleton of ``seen``: a name, a dict or a layout.
        preprocessing: Preprocessing of the clips.
        lengths: Frames of each clip, ``(n,)``. Default: all t.

    Returns:
        ``(n, frames, v, persons)`` with the joints of ``preprocessing.layout_of(layout)``.

    Raises:
        TypeError, ValueError: A mask, lengths or settings that do not fit.

    Example:
        >>> seen = np.ones((1, 20, 20, 1), dtype=bool)
        >>> seen[:, :, layouts.get("nw-ucla").index("head")] = False
        >>> settings = Preprocessing(frames=8, persons=2, to="ntu-rgb+d")
        >>> mask = preprocess_mask(seen, layout="nw-ucla", preprocessing=settings)
        >>> mask.shape, [layouts.get("ntu-rgb+d").joints[v] for v in np.flatnonzero(~mask[0, 0, :, 0])]
        ((1, 8, 25, 2), ['neck', 'head'])
    """
    layout = layouts.get(layout)
    target = preprocessing.layout_of(layout)
    if target != layout:
        seen = remap_mask(seen, source=layout, target=target, preprocessing=preprocessing)
    if preprocessing.frames is not None:
        seen = resample_mask(seen, preprocessing.frames, length=lengths)
    added = (preprocessing.persons or 0) - seen.shape[-1]
    return np.pad(seen, ((0, 0), (0, 0), (0, 0), (0, added))) if added > 0 else seen


def remap_mask(
    seen: NDArray[np.bool_], *, source: SkeletonLayout, target: SkeletonLayout, preprocessing: Preprocessing
) -> NDArray[np.bool_]:
    """A mask ``(..., v, m)`` for the target's joints: true where all joints that each is made of are seen.

    Example:
        >>> source, target = layouts.get("coco-17"), layouts.get("h36m-17")
        >>> seen = np.arange(17)[:, None] != source.index("hip_left")
        >>> mask = remap_mask(seen, source=source, target=target, preprocessing=Preprocessing())
        >>> [target.joints[v] for v in np.flatnonzero(~mask)]
        ['pelvis', 'hip_left', 'spine']
    """
    rows, _ = joint_sources(source, target, missing=preprocessing.missing)
    return np.stack([seen[..., [v for v, weight in row.items() if weight], :].all(axis=-2) for row in rows], axis=-2)
