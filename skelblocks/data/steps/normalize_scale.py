"""Scale: coordinates in units of the body, so that tall and short persons look alike.

Axes: c coordinates, t frames, v joints, m persons; leading axes, such as samples, are free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks import layouts
from skelblocks._utils.checks import check_choice
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.preprocessing import SCALES, Scale
from skelblocks.data.steps.align_spine import HIP, find_joint
from skelblocks.data.steps.check_array import check_array
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.recognize_layout import recognize_layout


@explain_arguments
def body_length(
    x: NDArray[Any],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    by: Scale = "bones",
    hip: str | int | None = None,
    seen: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    r"""Measure the body in each clip, on average over the frames and persons that are seen.

    With :math:`\ell_b` the length of bone b, in one frame and of one person:

    .. math:: \frac1{|B|} \sum_{b \in B} \ell_b \quad \text{(bones)}, \qquad
        \sum_{b \in \text{hip to center}} \ell_b \quad \text{(spine)}

    Args:
        x: Clips ``(..., c, t, v, m)`` of floating-point coordinates, without a channel of scores.
        layout: The skeleton, for the bones: a name, a dict or a layout.
        by: ``"bones"``: the mean of all bones. ``"spine"``: along the bones from the hip to the layout's center, which
            for Kinect skeletons is the joint between the shoulders.
        hip: For ``"spine"``, name or number of where it starts. Default: the layout's ``spine_base``, ``hip_center`` or
            ``pelvis``.
        seen: ``(..., t, v, m)``, true where a joint is seen. Each bone is then measured where both of its ends are, and
            a bone whose ends never are is left out. By default every joint of a person who is seen counts.

    Returns:
        ``(...)`` float64, zero where no person is seen. With ``seen``, NaN where no bone of a person can be measured,
        or one of the spine cannot.

    Raises:
        TypeError: ``x`` is not an array of floating-point numbers.
        ValueError: Wrong axes, another number of joints than the layout's, an unknown choice, or a layout without that
            spine.

    Example:
        >>> x = np.zeros((1, 2, 20, 1))
        >>> x[0, 0, :3, 0] = 0.0, 0.2, 0.5  # hip center, spine and shoulder center; no person in the second frame
        >>> body_length(x, layout="nw-ucla", by="spine").round(6).tolist()
        0.5
    """
    check_array(x)
    if x.ndim < 4:
        raise ValueError(f"x: expected at least 4 axes (..., c, t, v, m), got shape {x.shape}")
    layout = recognize_layout(layouts.get(layout), num_joints=x.shape[-2])
    check_choice(by, SCALES, name="by")
    ends = np.array(bones_to_measure(layout, by, hip=hip))
    bones = x[..., ends[:, 0], :].astype(np.float64) - x[..., ends[:, 1], :]
    lengths = np.sqrt((bones * bones).sum(axis=-4))  # (..., t, bones, m), zero where no person is seen
    present = (x != 0).any(axis=(-4, -2))
    if seen is not None:
        measured = seen[..., ends[:, 0], :] & seen[..., ends[:, 1], :] & present[..., None, :]
        total = lengths.sum(axis=(-3, -1), where=measured)
        frames = measured.sum(axis=(-3, -1))
        each = np.where(frames > 0, total / np.maximum(frames, 1), np.nan)  # (..., bones)
        bones_seen = (frames > 0).sum(axis=-1)
        found = (
            each.sum(axis=-1) if by == "spine" else np.nansum(each, axis=-1) / np.where(bones_seen, bones_seen, np.nan)
        )
        result: NDArray[np.float64] = np.where(present.any(axis=(-2, -1)), found, 0.0)
        return result
    lengths = lengths.sum(axis=-2)
    count = present.sum(axis=(-2, -1)) * (len(ends) if by == "bones" else 1)
    mean: NDArray[np.float64] = lengths.sum(axis=(-2, -1)) / np.maximum(count, 1)
    return mean


@explain_arguments
def normalize_scale(
    x: NDArray[Any],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    by: Scale = "bones",
    hip: str | int | None = None,
    seen: NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """Divide each clip by the length of the body in it, see :func:`body_length`; no paper of this library does.

    There is one length per clip: the motion of a person stays as it is, and two persons keep their proportion and, in
    units of the body, their distance.

    Args:
        x: Clips ``(..., c, t, v, m)`` of floating-point coordinates, without a channel of scores.
        layout: The skeleton, for the bones: a name, a dict or a layout.
        by: ``"bones"``: the mean bone becomes 1. ``"spine"``: the spine becomes 1.
        hip: Where the spine starts, as for :func:`body_length`.
        seen: Which joints are seen, as for :func:`body_length`.

    Returns:
        The scaled clips, same shape and dtype. Absent persons and unseen frames stay zero, and so does a clip without
        persons.

    Raises:
        TypeError: ``x`` is not an array of floating-point numbers.
        ValueError: As for :func:`body_length`, and for a clip with a person whose length is zero, or not a finite
            number; the message says which.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((4, 3, 50, 25, 2))
        >>> y = normalize_scale(100 * x, layout="ntu-rgb+d")
        >>> np.allclose(y, normalize_scale(x, layout="ntu-rgb+d"))
        True
        >>> body_length(y, layout="ntu-rgb+d").round(6).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    return scale_to_body(x, layout=layout, by=by, hip=hip, seen=seen)


def scale_to_body(
    x: NDArray[Any],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    by: Scale,
    hip: str | int | None = None,
    names: Sequence[str] | None = None,
    seen: NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """:func:`normalize_scale` with names of the clips for its messages."""
    length = body_length(x, layout=layout, by=by, hip=hip, seen=seen)
    has_person = (x != 0).any(axis=(-4, -3, -2, -1))
    wrong = np.argwhere(has_person & ~(np.isfinite(length) & (length > 0)))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        shown = place if names is None else (names[place[0]],)
        where = f"clip {shown[0] if len(shown) == 1 else shown}" if place else "the clip"
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ValueError(
            f"x: expected bodies of a length > 0, got {length[place]} by={by!r} in {where}{more}; leave such clips out"
        )
    scale = np.where(has_person, length, 1)[..., None, None, None, None]
    scaled: NDArray[Any] = (x / scale).astype(x.dtype, copy=False)
    return scaled


def bones_to_measure(layout: SkeletonLayout, by: Scale, *, hip: str | int | None = None) -> list[tuple[int, int]]:
    """The bones whose lengths :func:`body_length` takes; ``ValueError`` where the layout has none."""
    bones = list(layout.edges) if by == "bones" else _spine(layout, hip)
    if not bones:
        raise ValueError(f"layout: {layout.name!r} has no bone to measure by={by!r}")
    return bones


def _spine(layout: SkeletonLayout, hip: str | int | None) -> list[tuple[int, int]]:
    """The bones on the way from the hip to the center."""
    joint = find_joint(hip, layout, HIP, name="hip")
    bones = []
    while joint != layout.center:
        bones.append((joint, layout.parents[joint]))
        joint = layout.parents[joint]
    return bones
