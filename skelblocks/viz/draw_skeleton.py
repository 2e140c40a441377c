"""Skeletons as a strip of frames.

Axes: c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks import layouts
from skelblocks._utils.checks import check_choice
from skelblocks._utils.optional import require
from skelblocks.layouts import SkeletonLayout
from skelblocks.viz._style import COLORS, INK, PALE, new_figure, to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HIDDEN = "#c4c4c4"
_HEIGHT = 3.0  # of one frame, in inches
_WIDEST = 13.0  # of a row of frames

# Pairs of a dark and a light tone, in the order of the catalogue's ten parts: each limb has a hue.
_PAIRS = (
    *("#4d4d4d", "#9e9e9e"),
    *("#0072b2", "#6db8e8", "#d55e00", "#f5a35c"),
    *("#00795a", "#5cc4a0", "#a8327a", "#e29ac7"),
)
_BODIES = (_PAIRS[2], _PAIRS[4], _PAIRS[6], _PAIRS[8], _PAIRS[0])


def draw_skeleton(
    clip: Tensor | NDArray[Any],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    frames: int | Sequence[int] = 6,
    color_by: str | None = "body",
    axes: Sequence[int] = (0, 1),
    view: tuple[float, float] = (30.0, 15.0),
    flip_vertical: bool = False,
    hidden: Tensor | NDArray[np.bool_] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw some frames of a clip side by side, at one scale.

    Args:
        clip: ``(c, t, v, m)``, or one frame ``(c, v, m)``; of a batch, ``clips[i]``. Persons and frames that are all
            zero are not drawn.
        layout: The skeleton: a name, a dict or a layout.
        frames: How many, spread evenly up to the last frame in which anybody is seen, or which ones.
        color_by: ``"body"`` or ``"part"`` for a colour each, of the layout's partitions; the second person is then
            dashed and hollow. None for a colour a person.
        axes: Which coordinate goes to the right and which up; of three, which goes to the right, away and up:
            ``(0, 2, 1)`` for Kinect coordinates.
        view: With three axes, from how many degrees to the right and above the body is seen; from far away, so that
            what is near is not larger.
        flip_vertical: Whether the last of the axes counts downwards, as image coordinates do.
        hidden: Joints to draw in grey, ``(t, v)`` boolean: those that an occlusion or a mask takes away.
        title: Above all.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: matplotlib is missing.
        TypeError: something else than numbers.
        ValueError: other axes, joints that are not the layout's, coordinates or frames that are not there, an unknown
            ``color_by``, ``hidden`` of another shape, a clip in which nobody is seen, NaN.

    Example:
        >>> import torch
        >>> figure = draw_skeleton(torch.randn(3, 50, 25, 2), layout="ntu-rgb+d", frames=4)
        >>> len(figure.axes)
        4
    """
    layout = layouts.get(layout)
    x = to_array(clip, name="clip")
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or x.shape[2] != layout.num_joints:
        raise ValueError(
            f"clip: expected (c, t, v={layout.num_joints}, m) or (c, v={layout.num_joints}, m) for layout "
            f"{layout.name!r}, got shape {tuple(np.shape(clip))}"
        )
    check_choice(color_by, ("body", "part", None), name="color_by")
    if len(axes) not in (2, 3) or len(set(axes)) != len(axes) or not all(0 <= axis < x.shape[0] for axis in axes):
        raise ValueError(
            f"axes: expected two or three different coordinates of the clip's {x.shape[0]}, got {tuple(axes)}"
        )
    present = (x != 0).any(axis=(0, 2))  # (t, m)
    if not present.any():
        raise ValueError("clip: nobody is seen in it, all coordinates are zero")
    shown = _frames(frames, present)
    x = x[list(axes)]
    if flip_vertical:
        x[-1] = -x[-1]  # a copy already, by the indexing above
    if len(axes) == 3:
        x = _projected(x, *view)
    groups, colors = _groups(layout, color_by)
    if isinstance(hidden, Tensor):
        hidden = hidden.cpu().numpy()
    away = np.zeros(x.shape[1:3], dtype=bool) if hidden is None else np.asarray(hidden, dtype=bool)
    if away.shape != x.shape[1:3]:
        raise ValueError(f"hidden: expected (t={x.shape[1]}, v={layout.num_joints}), got shape {away.shape}")
    persons = np.flatnonzero(present[shown].any(axis=0))

    low, high = _limits(x[:, shown][..., persons], present[shown][:, persons])
    span = high - low
    width = _HEIGHT * float(np.clip(span[0] / span[1], 0.45, 1.6))
    columns = max(1, min(len(shown), int(_WIDEST / width)))
    rows = -(-len(shown) // columns)
    columns = -(-len(shown) // rows)
    figure = new_figure(
        width=max(width * columns, 2) + 1.6, height=_HEIGHT * rows + (0.6 if title else 0.2), title=title
    )
    for place, frame in enumerate(shown):
        panel: Any = figure.add_subplot(rows, columns, place + 1)
        for number, person in enumerate(persons):
            if present[frame, person]:
                _draw(panel, x[:, frame, :, person], layout, groups, colors, number=number, away=away[frame])
        panel.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[], aspect="equal")
        panel.set_facecolor(PALE)  # where one frame ends and the next begins, with two persons far apart
        panel.spines[:].set_visible(False)
        if x.shape[1] > 1:
            panel.set_title(f"frame {frame}", fontsize=9, color=INK, y=-0.1)
    _legend(figure, groups, colors, [int(person) for person in persons], hidden=bool(away[shown].any()))
    return figure


def _projected(x: NDArray[Any], azimuth: float, elevation: float) -> NDArray[Any]:
    """What a camera far away sees ``(2, t, v, m)`` of points to the right, away and up ``(3, t, v, m)``."""
    right, away, up = x
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.stack(
        (right * np.cos(a) + away * np.sin(a), up * np.cos(e) + (away * np.cos(a) - right * np.sin(a)) * np.sin(e))
    )


def _frames(frames: int | Sequence[int], present: NDArray[np.bool_]) -> list[int]:
    if not isinstance(frames, int):
        wrong = [frame for frame in frames if not 0 <= frame < len(present)]
        if wrong or not len(frames):
            raise ValueError(f"frames: expected some of 0..{len(present) - 1}, got {list(frames)}")
        shown = [int(frame) for frame in frames]
        if not present[shown].any():
            raise ValueError(f"frames: nobody is seen in any of {shown}")
        return shown
    if frames < 1:
        raise ValueError(f"frames: expected an integer >= 1, got {frames}")
    seen = np.flatnonzero(present.any(axis=1))
    return [int(frame) for frame in np.unique(seen[np.linspace(0, len(seen) - 1, frames).round().astype(int)])]


def _limits(x: NDArray[Any], present: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    points = np.moveaxis(x, 2, -1)[:, present].reshape(len(x), -1)
    low, high = points.min(axis=1), points.max(axis=1)
    margin = 0.06 * max(float((high - low).max()), 1e-6)
    return low - margin, high + margin


def _groups(layout: SkeletonLayout, color_by: str | None) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Joints by the group that colours them, with the colours; without ``color_by``, one group, colours for persons."""
    if color_by is None:
        return {"": tuple(range(layout.num_joints))}, list(COLORS)
    groups = {group.name: group.joints for group in layout.groups(color_by)}
    # The catalogue's names keep their colours where a layout lacks one of them.
    known = {group.name: color for group, color in zip(layouts.get("ntu-rgb+d").parts, _PAIRS, strict=True)}
    if color_by == "body":
        known = {group.name: color for group, color in zip(layouts.get("ntu-rgb+d").bodies, _BODIES, strict=True)}
    if set(groups) <= set(known):
        return groups, [known[name] for name in groups]
    return groups, [COLORS[i % len(COLORS)] for i in range(len(groups))]


def _draw(
    panel: Any,
    joints: NDArray[Any],
    layout: SkeletonLayout,
    groups: Mapping[str, tuple[int, ...]],
    colors: Sequence[str],
    *,
    number: int,
    away: NDArray[np.bool_],
) -> None:
    """One person in one frame: a line and a set of points a group. A bone has the colour of its outer joint."""
    parents, alone = layout.parents, len(groups) == 1
    outer = {edge: edge[1] if parents[edge[1]] == edge[0] else edge[0] for edge in layout.edges}
    gap = np.full((len(joints), 1), np.nan)
    looks = [colors[number % len(colors)]] if alone else list(colors)
    drawn = [
        (name, tuple(j for j in members if not away[j]), looks[i]) for i, (name, members) in enumerate(groups.items())
    ]
    drawn.append(("hidden", tuple(np.flatnonzero(away).tolist()), _HIDDEN))
    for name, members, color in drawn:
        if not members:
            continue
        solid = alone or number == 0
        bones = [edge for edge in layout.edges if outer[edge] in members]
        pieces = [np.concatenate((joints[:, list(edge)], gap), axis=1) for edge in bones] or [gap]
        line = np.concatenate(pieces, axis=1)
        style = {
            "linewidth": 2.2,
            "linestyle": "-" if solid else (0, (2.0, 1.0)),
            "solid_capstyle": "round",
            "clip_on": False,
        }
        panel.plot(*line, color=color, label=name, zorder=2, **style)
        panel.plot(
            *joints[:, list(members)],
            color=color,
            linestyle="none",
            marker="o",
            markersize=3.6,
            clip_on=False,
            markerfacecolor=color if solid else "white",
            zorder=3,
        )


def _legend(
    figure: Figure, groups: Mapping[str, Any], colors: Sequence[str], persons: Sequence[int], *, hidden: bool
) -> None:
    line = require("matplotlib.lines", extra="viz").Line2D
    entries = [line([], [], color=color, linewidth=2.5) for color in colors[: len(groups)]]
    names = [name.replace("_", " ") for name in groups]
    if len(groups) == 1:
        entries = [line([], [], color=colors[i % len(colors)], linewidth=2.5) for i in range(len(persons))]
        names = [f"person {person}" for person in persons]
    elif len(persons) > 1:
        look = {"color": INK, "marker": "o", "markersize": 4, "linewidth": 2}
        entries += [line([], [], **look), line([], [], linestyle=(0, (2, 1)), markerfacecolor="white", **look)]
        names += [f"person {persons[0]}", "others" if len(persons) > 2 else f"person {persons[1]}"]
    if hidden:
        entries.append(line([], [], color=_HIDDEN, linewidth=2.5))
        names.append("hidden")
    if len(names) > 1:
        figure.legend(entries, names, loc="outside right center", frameon=False, fontsize=9, labelcolor=INK)
