"""Draw what an occlusion or a mask hides, joint by joint and frame by frame.

Axes: c coordinates, t frames, v joints, m persons, s mask frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack

from skelblocks import layouts
from skelblocks._utils.checks import check_positive
from skelblocks._utils.optional import require
from skelblocks.layouts import SkeletonLayout
from skelblocks.viz._bodies import Look, ViewOptions, frames_shown, groups_of, see
from skelblocks.viz._strips import LEGEND, Clip, Mask, Strip, draw_strips, panel_size
from skelblocks.viz._style import INK, PALE, finished, name_of, new_figure, to_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SEEN, _TAKEN, _ABSENT = "#cfe3f1", "#333333", PALE
_ROW = 0.15  # inches a joint
_WIDTH = 4.2  # inches a raster
_WIDEST = 6.2  # of all rasters; wider, and the text is too small on a page


def occlusion_map(
    hidden: Mask,
    clip: Clip | None = None,
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    frames: int | Sequence[int] = 6,
    fps: float | None = None,
    title: str | None = None,
    **view: Unpack[ViewOptions],
) -> Figure:
    """Draw which joints are hidden in which frames, and if you pass a clip, what is left of the bodies.

    To draw what a block hides in sample 0, pass:

    - For a random transform that sets joints to zero: ``transform(torch.ones(1, c, t, v, m))[0, 0] == 0``.
    - For ``CentralSpatialMask``, which returns the joints to keep:
      ``~torch.isin(torch.arange(v), kept[0]).expand(t, v)``.
    - For EADM on a feature map ``(n, m, c, s, v)``: ``_, (joints, steps) = drop(feature_map, return_masks=True)``, then
      ``~(joints[0, :, None, :] & steps[0, :, :, None]).permute(1, 2, 0)``.

    Args:
        hidden: True where a joint is hidden, ``(s, v)``, or ``(s, v, m)`` with a mask for each person.
        clip: The clip of the mask, ``(c, t, v, m)``. If the mask has fewer frames, as after an encoder, its i-th frame
            stands at frame ``i * ceil(t / s)`` of the clip, and each frame has the mask of the nearest one. Absent
            persons get no map, and frames without them are pale.
        layout: The skeleton: a name, a dict or a layout. Joints are ordered by its bodies.
        frames: Number of frames to draw below the map, spread evenly up to the last one with a person in it, or a list
            of frames.
        fps: Frames per second, to label the frames with times in seconds. Default: frame numbers.
        title: Title of the figure.
        **view: ``axes``, ``view`` and ``flip_vertical``, as in :func:`~skelblocks.viz.draw_skeleton`.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing.
        TypeError: ``hidden`` is not boolean.
        ValueError: The axes or joints are not the layout's, the mask has more frames or other persons than the clip, or
            what :func:`~skelblocks.viz.clip_strip` raises.

    Example:
        >>> import torch
        >>> from skelblocks.augment import SpatioTemporalOcclusion
        >>> occlude, clip = SpatioTemporalOcclusion("ntu-rgb+d"), torch.randn(3, 50, 25, 2)
        >>> hidden = occlude(torch.ones(1, *clip.shape))[0, 0] == 0
        >>> figure = occlusion_map(hidden, clip, layout="ntu-rgb+d", frames=4)
        >>> len(figure.axes)  # two persons, four frames
        6
    """
    if fps is not None:
        check_positive(fps, name="fps")
    look = Look(layouts.get(layout), "body", **view)
    mask = _mask(hidden, look.layout.num_joints)
    strip, present = None, np.ones((len(mask), mask.shape[2]), dtype=bool)
    if clip is not None:
        bodies = see(clip, look)
        t, _, m = bodies.hidden.shape
        if len(mask) > t or (hidden.ndim == 3 and mask.shape[2] != m):
            v = look.layout.num_joints
            raise ValueError(
                f"hidden: expected (s, v={v}) or (s, v={v}, m={m}) with s of at most the clip's {t} frames, got shape "
                f"{tuple(hidden.shape)}"
            )
        stride = -(-t // len(mask))
        mask = mask[np.minimum((2 * np.arange(t) + stride) // (2 * stride), len(mask) - 1)]
        strip = Strip("", bodies._replace(hidden=np.broadcast_to(mask, bodies.hidden.shape)), [])
        strip = strip._replace(frames=frames_shown(frames, bodies.present))
        present = bodies.present if hidden.ndim == 3 else (bodies.present.sum(axis=1, keepdims=True) > 0)
    persons = np.flatnonzero(present.any(axis=0)).tolist()
    return _figure(mask, present, persons, look, strip, fps=fps, several=hidden.ndim == 3, title=title)


def _mask(hidden: Mask, v: int) -> NDArray[np.bool_]:
    mask = to_mask(hidden)
    if mask.ndim not in (2, 3) or mask.shape[1] != v or 0 in mask.shape:
        raise ValueError(f"hidden: expected (s, v={v}) or (s, v={v}, m), got shape {mask.shape}")
    return mask.reshape(len(mask), v, -1)


def _figure(
    mask: NDArray[np.bool_],
    present: NDArray[np.bool_],
    persons: Sequence[int],
    look: Look,
    strip: Strip | None,
    *,
    fps: float | None,
    several: bool,
    title: str | None,
) -> Figure:
    tall = _ROW * look.layout.num_joints + 0.8
    width, height = panel_size([strip]) if strip else (0.0, 0.0)
    columns = len(strip.frames) if strip else 0
    figure = new_figure(
        width=max(min(_WIDTH * len(persons), _WIDEST) + 1.2, width * columns + 0.3) + LEGEND,
        height=tall + (height + 0.3 if strip else 0.0) + (0.4 if title else 0.0),
        title=title,
    )
    grid = figure.add_gridspec(2 if strip else 1, 1, height_ratios=(tall, height + 0.3) if strip else (1,))
    maps = grid[0].subgridspec(1, len(persons))
    for place, person in enumerate(persons):
        panel = figure.add_subplot(maps[0, place])
        there = present[:, person]
        _draw_map(panel, mask[..., person], there, look, labeled=place == 0)
        share = f"{mask[there, :, person].mean():.0%} hidden"
        panel.set_title(f"person {person}, {share}" if several else share, fontsize=10, color=INK)
    if strip:
        below = grid[1].subgridspec(1, columns)
        draw_strips(figure, below, [strip], look, fps=fps, size=height / 3)
    return finished(figure)


def _draw_map(panel: Any, mask: NDArray[np.bool_], present: NDArray[np.bool_], look: Look, *, labeled: bool) -> None:
    """Joints as rows, in the order of the bodies, frames as columns: 0 seen, 1 hidden, 2 no person."""
    groups, colors = groups_of(look)
    order = [joint for joints in groups.values() for joint in joints]
    values = np.where(present[:, None], mask, 2)[:, order].T
    palette = require("matplotlib.colors", extra="viz").ListedColormap([_SEEN, _TAKEN, _ABSENT])
    panel.imshow(values, cmap=palette, vmin=0, vmax=2, aspect="auto", interpolation="nearest")
    panel.hlines(
        np.cumsum([len(joints) for joints in groups.values()])[:-1] - 0.5, -0.5, len(mask) - 0.5, color="white"
    )
    panel.xaxis.set_major_locator(require("matplotlib.ticker", extra="viz").MaxNLocator(8, integer=True))
    panel.set_yticks(range(len(order)), [name_of(look.layout.joints[joint].replace("_", " ")) for joint in order])
    panel.tick_params(colors=INK, labelsize=8, length=2)
    panel.tick_params(axis="y", labelsize=8, length=0, labelleft=labeled)
    by_joint = [color for joints, color in zip(groups.values(), colors, strict=True) for _ in joints]
    for tick, color in zip(panel.yaxis.get_major_ticks(), by_joint, strict=True):
        tick.label1.set_color(color)
    panel.set_xlabel("frame", fontsize=9, color=INK)
    panel.spines[:].set_visible(False)
