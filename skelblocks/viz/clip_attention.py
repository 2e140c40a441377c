"""Attention over the joints and frames of a clip.

Axes: c coordinates, t frames, t' frames of a feature map, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Unpack

from skelblocks import layouts
from skelblocks._utils.checks import check_integer
from skelblocks._utils.optional import require
from skelblocks.layouts import SkeletonLayout
from skelblocks.viz._bodies import Bodies, Look, ViewOptions, frames_shown, see, set_panel, window
from skelblocks.viz._style import INK, finished, name_of, new_figure, range_of_colors, to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BONE = "#b0b0b0"
_NOBODY = "#e9eaee"


def clip_attention(
    clip: Tensor | NDArray[Any],
    attention: Tensor | NDArray[Any],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    stride: int | None = None,
    frames: int | Sequence[int] = 6,
    limits: tuple[float, float] | None = None,
    label: str = "weight",
    title: str | None = None,
    **view: Unpack[ViewOptions],
) -> Figure:
    """Draw a weight for each joint and frame: on skeletons, with larger and darker joints, and as a raster below.

    Weights of a feature map have fewer frames than the clip. Each frame shows the weights of the nearest step, without
    smoothing. Step i stands at frame ``i * stride``, where the strided convolutions of this package's encoders are
    centered. A step has seen many frames around it, and a joint of a feature map has seen its neighbors.

    To draw sample 0 of a feature map ``(n, m, c, t', v)``, pass:

    - The soft mask of MHSAM, averaged over channels: ``mask(feature_map)[0].mean(dim=1)``.
    - What EADM keeps: ``_, (joints, steps) = drop(feature_map, return_masks=True)``, then
      ``joints[0, :, None, :] & steps[0, :, :, None]``. With ``variant="official"``, use
      ``entries[0].float().mean(dim=1)`` times the joints. The attention that decides this is
      ``energy_attention(feature_map)[0].mean(dim=1)``.
    - How much the frames attend to each frame in MsM attention, which has one matrix ``(n, m, t', t')`` per scale and
      the same weight for all joints: ``_, (joint, part, body) = attend(feature_map, return_attention=True)``, then
      ``joint[0].mean(dim=1)[..., None].expand(-1, -1, v)``.

    Args:
        clip: ``(c, t, v, m)``. Persons and frames that are all zero are not drawn, and are gray in the raster.
        attention: ``(m, t', v)``, or ``(t', v)`` for all persons; numbers or booleans.
        layout: The skeleton: a name, a dict or a layout.
        stride: Frames of the clip between two frames of the attention. Default: ``ceil(t / t')``.
        frames: Number of frames, spread evenly up to the last one with a person in it, or a list of frames.
        limits: Values of the palest and the darkest color. Default: from 0, or the smallest value if that is negative,
            to the largest value. If the values hardly vary, as in a soft mask, pass their range.
        label: Label of the color scale.
        title: Title of the figure.
        **view: ``axes``, ``view`` and ``flip_vertical``, as in :func:`~skelblocks.viz.draw_skeleton`.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing.
        TypeError: The clip or the attention does not hold numbers.
        ValueError: The clip and the attention differ in persons or joints, there are more steps than frames, a stride
            would place steps outside the clip, the limits are in the wrong order, the clip is empty, or a number is
            not finite.

    Example:
        >>> import torch
        >>> figure = clip_attention(torch.randn(3, 50, 25, 1), torch.rand(13, 25), layout="ntu-rgb+d", frames=4)
        >>> figure.axes[-2].images[0].get_array().shape
        (25, 50)
    """
    look = Look(layouts.get(layout), None, **view)
    bodies = see(clip, look)
    frame_count, person_count = bodies.present.shape
    weights = _in_clip_time(attention, (person_count, frame_count, look.layout.num_joints), stride)
    palette = range_of_colors(limits, float(weights.min()), float(weights.max()))
    shown = frames_shown(frames, bodies.present)
    persons = np.flatnonzero(bodies.present.any(axis=0)).tolist()
    strip, below = _two_rows(bodies, shown, persons, joints=look.layout.num_joints, title=title)
    _draw_strip(strip, bodies, weights, shown, persons, look.layout, palette)
    image, rasters = _draw_rasters(below, bodies, weights, shown, persons, look.layout, palette)
    bar = below.colorbar(image, ax=rasters, pad=0.015, fraction=0.05)
    bar.set_label(name_of(label), fontsize=9, color=INK)
    bar.ax.tick_params(colors=INK, labelsize=8, length=2)
    bar.outline.set_visible(False)
    return finished(strip.figure)


def _two_rows(
    bodies: Bodies, shown: Sequence[int], persons: Sequence[int], *, joints: int, title: str | None
) -> tuple[Any, Any]:
    """A figure in two: panels of equal aspect and filled rasters share no grid that every matplotlib lays out alike."""
    low, high = window(bodies, shown)
    ratio = float(np.clip((high - low)[0] / (high - low)[1], 0.45, 1.6))
    width = float(np.clip(2.6 * ratio * len(shown), 5.5, 7.0))  # wider, and its text is too small on a page
    tall = float(np.clip(width / len(shown) / ratio, 1.2, 3.0))
    deep = (0.6 + 0.13 * joints) * len(persons)
    figure = new_figure(width=width + 2.0, height=tall + deep + (0.8 if title else 0.4), title=title)
    rows: Any = figure.subfigures(2, 1, height_ratios=[tall + 0.4, deep])
    return rows[0], rows[1]


def _draw_strip(
    strip: Any,
    bodies: Bodies,
    weights: NDArray[np.float64],
    shown: Sequence[int],
    persons: Sequence[int],
    layout: SkeletonLayout,
    palette: Mapping[str, Any],
) -> None:
    """The skeletons, one panel for each frame."""
    corners = window(bodies, shown)
    for place, frame in enumerate(shown):
        panel = strip.add_subplot(1, len(shown), place + 1)
        for number, person in enumerate(persons):
            if bodies.present[frame, person]:
                points = bodies.points[:, frame, :, person]
                _draw(panel, points, weights[person, frame], layout, palette, dashed=number > 0)
        set_panel(panel, corners)
        panel.set_title(f"frame {frame}", fontsize=9, color=INK)


def _draw_rasters(
    below: Any,
    bodies: Bodies,
    weights: NDArray[np.float64],
    shown: Sequence[int],
    persons: Sequence[int],
    layout: SkeletonLayout,
    palette: Mapping[str, Any],
) -> tuple[Any, list[Any]]:
    """Joints by frames, one raster for each person, gray where the person is absent."""
    rasters = [below.add_subplot(len(persons), 1, row + 1) for row in range(len(persons))]
    for raster, person in zip(rasters, persons, strict=True):
        field = weights[person].T
        absent = np.broadcast_to(~bodies.present[:, person], field.shape)
        image = raster.imshow(np.ma.array(field, mask=absent), aspect="auto", interpolation="nearest", **palette)
        raster.set_facecolor(_NOBODY)
        # Which frames are drawn above.
        (marks,) = raster.plot(shown, [-0.9] * len(shown), "v", color=INK, markersize=4, clip_on=False, zorder=4)
        marks.set_in_layout(False)
        raster.set(xlim=(-0.5, len(bodies.present) - 0.5), ylim=(len(field) - 0.5, -0.5))
        raster.set_yticks(range(len(field)), [name_of(name.replace("_", " ")) for name in layout.joints])
        raster.tick_params(colors=INK, labelsize=8, length=2)
        raster.tick_params(axis="y", labelsize=7.5, length=0)
        raster.xaxis.set_major_locator(require("matplotlib.ticker", extra="viz").MaxNLocator(integer=True))
        raster.spines[:].set_color("#bbbbbb")
        if len(persons) > 1:
            raster.set_ylabel(f"person {person}", fontsize=9, color=INK)
    rasters[-1].set_xlabel("frame", fontsize=9, color=INK)
    return image, rasters


def _in_clip_time(
    attention: Tensor | NDArray[Any], sizes: tuple[int, int, int], stride: int | None
) -> NDArray[np.float64]:
    """Weights ``(m, t, v)``: each frame of the clip has the weights of the nearest step; of two, the later."""
    m, t, v = sizes
    boolean = getattr(attention, "dtype", None) in (torch.bool, np.bool_)
    numbers = to_array(attention * 1 if boolean else attention, name="attention").astype(np.float64)
    if numbers.ndim not in (2, 3) or numbers.shape[-1] != v or (numbers.ndim == 3 and numbers.shape[0] != m):
        raise ValueError(
            f"attention: expected (t', v={v}) or (m={m}, t', v={v}), as the clip's joints and persons, got shape "
            f"{numbers.shape}"
        )
    steps = numbers.shape[-2]
    if not 1 <= steps <= t:
        raise ValueError(f"attention: expected 1 to {t} frames, as many as the clip at most, got {steps}")
    if stride is None:
        stride = -(-t // steps)
    check_integer(stride, name="stride")
    if (steps - 1) * stride >= t:
        raise ValueError(f"stride: expected {steps} steps to lie in the clip's {t} frames, got {stride} frames a step")
    nearest = np.minimum((2 * np.arange(t) + stride) // (2 * stride), steps - 1)
    return np.broadcast_to(numbers, (m, steps, v))[:, nearest]


def _draw(
    panel: Any,
    joints: NDArray[Any],
    weights: NDArray[np.float64],
    layout: SkeletonLayout,
    palette: Mapping[str, Any],
    *,
    dashed: bool,
) -> None:
    gap = np.full((len(joints), 1), np.nan)
    pieces = [np.concatenate((joints[:, list(edge)], gap), axis=1) for edge in layout.edges]
    line = np.concatenate([gap, *pieces], axis=1)  # one joint has no bones
    panel.plot(*line, color=_BONE, linewidth=1.6, linestyle=(0, (2.0, 1.0)) if dashed else "-", clip_on=False, zorder=2)
    share = np.clip((weights - palette["vmin"]) / (palette["vmax"] - palette["vmin"]), 0, 1)
    order = np.argsort(share, kind="stable")  # what weighs most is not covered
    panel.scatter(
        *joints[:, order],
        c=weights[order],
        s=6 + 54 * share[order],
        edgecolors="#777777",
        linewidths=0.5,
        clip_on=False,
        zorder=3,
        **palette,
    )
