"""Draw persons: projected to a plane, colored by group, with hidden joints in gray.

Axes: c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks import layouts
from skelblocks._utils.checks import check_choice, check_integer
from skelblocks._utils.optional import require
from skelblocks.layouts import SkeletonLayout
from skelblocks.viz._style import COLORS, INK, PALE, name_of, to_array, to_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HIDDEN = "#c4c4c4"

# Pairs of a dark and a light tone, in the order of the catalogue's ten parts: each limb has a hue.
_PAIRS = (
    *("#4d4d4d", "#9e9e9e"),
    *("#0072b2", "#6db8e8", "#d55e00", "#f5a35c"),
    *("#00795a", "#5cc4a0", "#a8327a", "#e29ac7"),
)
_BODIES = (_PAIRS[2], _PAIRS[4], _PAIRS[6], _PAIRS[8], _PAIRS[0])


ColorBy: TypeAlias = Literal["body", "part"]
COLOR_BY: tuple[ColorBy, ...] = get_args(ColorBy)


class ViewOptions(TypedDict, total=False):
    """The view of a clip: arguments with the same names as in :func:`~skelblocks.viz.draw_skeleton`."""

    axes: Sequence[int]
    view: tuple[float, float]
    flip_vertical: bool
    image_size: tuple[float, float] | None


class LookOptions(ViewOptions, total=False):
    """View and colors of a clip: arguments with the same names as in :func:`~skelblocks.viz.draw_skeleton`."""

    color_by: ColorBy | None


class Look(NamedTuple):
    """The layout of a clip, and :class:`LookOptions` with their defaults."""

    layout: SkeletonLayout
    color_by: ColorBy | None = "body"
    axes: Sequence[int] = (0, 1)
    view: tuple[float, float] = (30.0, 15.0)
    flip_vertical: bool = False
    image_size: tuple[float, float] | None = None


class Bodies(NamedTuple):
    """A clip as it is seen ``(2, t, v, m)``, who is present ``(t, m)``, and which joints are hidden ``(t, v, m)``.

    ``picture`` is the width and the height of the picture that it was found in, if it is drawn in the picture's size.
    """

    points: NDArray[Any]
    present: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    picture: tuple[float, float] | None = None


def see(
    clip: Tensor | NDArray[Any], look: Look, *, hidden: Tensor | NDArray[np.bool_] | None = None, name: str = "clip"
) -> Bodies:
    """Check a clip and project it to the plane of the picture."""
    layout, axes = look.layout, look.axes
    if isinstance(clip, Mapping | list | tuple):
        raise TypeError(
            f"{name}: expected one clip (c, t, v, m), got a {type(clip).__name__}; clip_strip and animate_clip draw "
            "several, a dict of clips by name"
        )
    x = to_array(clip, name=name)
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or x.shape[2] != layout.num_joints:
        raise ValueError(
            f"{name}: expected (c, t, v={layout.num_joints}, m) or (c, v={layout.num_joints}, m) for layout "
            f"{layout.name!r}, got shape {tuple(np.shape(clip))}{'; of a batch, pass clips[i]' if x.ndim == 5 else ''}"
        )
    check_choice(look.color_by, (*COLOR_BY, None), name="color_by")
    _check_look(look, x.shape[0])
    present = (x != 0).any(axis=(0, 2))
    if not present.any():
        raise ValueError(f"{name}: expected a visible person, got only zeros; choose another clip")
    away = np.zeros(x.shape[1:], dtype=bool) if hidden is None else hidden_array(hidden, x.shape[1:])
    x = x[list(axes)]
    if look.flip_vertical or look.image_size is not None:
        x[-1] = -x[-1]  # a copy already, by the indexing above
    return Bodies(projected(x, *look.view) if len(axes) == 3 else x, present, away, look.image_size)


def _check_look(look: Look, coordinates: int) -> None:
    axes: object = look.axes
    listed = list(axes) if isinstance(axes, Iterable) else []
    known = all(isinstance(axis, Integral) and 0 <= int(axis) < coordinates for axis in listed)
    if len(listed) not in (2, 3) or len(set(listed)) != len(listed) or not known:
        raise ValueError(f"axes: expected two or three different coordinates of the clip's {coordinates}, got {axes}")
    if np.shape(look.view) != (2,) or not np.isfinite(look.view).all():
        raise ValueError(f"view: expected two angles in degrees, to the right and above, got {look.view}")
    if look.image_size is None:
        return
    if np.shape(look.image_size) != (2,) or not all(0 < size < np.inf for size in look.image_size):
        raise ValueError(f"image_size: expected (width, height), two numbers above 0, got {look.image_size}")
    if len(listed) == 3:
        raise ValueError(f"image_size: expected two axes, which a picture has, got axes={axes}; leave image_size out")


def projected(x: NDArray[Any], azimuth: float, elevation: float) -> NDArray[Any]:
    """Project points ``(3, t, v, m)`` (right, away, up) to the view ``(2, t, v, m)`` of a distant camera."""
    right, away, up = x
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.stack(
        (right * np.cos(a) + away * np.sin(a), up * np.cos(e) + (away * np.cos(a) - right * np.sin(a)) * np.sin(e))
    )


def hidden_array(hidden: Tensor | NDArray[np.bool_], sizes: Sequence[int]) -> NDArray[np.bool_]:
    """Which joints are hidden, ``(t, v)`` or ``(t, v, m)``, as an array of all three axes, of these sizes."""
    mask = to_mask(hidden)
    t, v, m = sizes
    if mask.shape not in ((t, v), (t, v, m)):
        raise ValueError(f"hidden: expected (t={t}, v={v}) or (t={t}, v={v}, m={m}), got shape {mask.shape}")
    return np.broadcast_to(mask.reshape(t, v, -1), (t, v, m))


def frames_shown(frames: int | Sequence[int], present: NDArray[np.bool_]) -> list[int]:
    """The listed frames, or this number of frames with a person, evenly spread."""
    if isinstance(frames, Sequence | np.ndarray):
        places: Sequence[object] = frames
        if not len(places) or not all(isinstance(i, Integral) and 0 <= int(i) < len(present) for i in places):
            raise ValueError(f"frames: expected integers in 0..{len(present) - 1}, got {list(frames)}")
        shown = [int(frame) for frame in frames]
        if not present[shown].any():
            raise ValueError(
                f"frames: expected a person in one of the frames, got {shown}, which show none; choose others"
            )
        return shown
    check_integer(frames, name="frames")
    seen = np.flatnonzero(present.any(axis=1))
    return [int(frame) for frame in np.unique(seen[np.linspace(0, len(seen) - 1, int(frames)).round().astype(int)])]


def limits(points: NDArray[Any], present: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The lower left and the upper right corner, with a margin, of all of ``points (2, t, v, m)`` who are present."""
    there = np.moveaxis(points, 2, -1)[:, present].reshape(len(points), -1)
    low, high = there.min(axis=1), there.max(axis=1)
    margin = 0.06 * max(float((high - low).max()), 1e-6)
    return low - margin, high + margin


def window(bodies: Bodies, frames: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The corners of what is drawn of these frames: the picture's, if its size is known, or around those present."""
    if bodies.picture is not None:
        width, height = bodies.picture
        return np.array([0.0, -height]), np.array([width, 0.0])
    return limits(bodies.points[:, frames], bodies.present[frames])


def set_panel(panel: Any, corners: tuple[NDArray[Any], NDArray[Any]]) -> None:
    """Draw a pale field without ticks, which shows where one frame ends and the next begins."""
    low, high = corners
    panel.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[], aspect="equal")
    panel.set_facecolor(PALE)
    panel.spines[:].set_visible(False)


def draw_frame(
    panel: Any, bodies: Bodies, frame: int, look: Look, *, persons: Sequence[int], size: float = 1.0
) -> None:
    """Draw the persons present in a frame, in strokes of this relative size; the first of ``persons`` is solid."""
    groups, colors = groups_of(look)
    for number, person in enumerate(persons):
        if person < bodies.present.shape[1] and bodies.present[frame, person]:
            points, away = bodies.points[:, frame, :, person], bodies.hidden[frame, :, person]
            _draw(panel, points, look.layout, groups, colors, number=number, away=away, size=size)


def groups_of(look: Look) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Joints by the group that colors them, with the colors; without ``color_by``, one group, colors for persons."""
    layout, color_by = look.layout, look.color_by
    if color_by is None:
        return {"": tuple(range(layout.num_joints))}, list(COLORS)
    groups = {group.name: group.joints for group in layout.groups(color_by)}
    # The catalogue's names keep their colors where a layout lacks one of them.
    known = {group.name: color for group, color in zip(layouts.get("ntu-rgb+d").parts, _PAIRS, strict=True)}
    if color_by == "body":
        known = {group.name: color for group, color in zip(layouts.get("ntu-rgb+d").bodies, _BODIES, strict=True)}
    if set(groups) <= set(known):
        return groups, [known[name] for name in groups]
    return groups, [COLORS[i % len(COLORS)] for i in range(len(groups))]


def add_legend(figure: Figure, look: Look, persons: Sequence[int], *, hidden: bool) -> None:
    """Add a legend of colors and strokes at the right, if there is more than one."""
    groups, colors = groups_of(look)
    line = require("matplotlib.lines", extra="viz").Line2D
    entries = [line([], [], color=color, linewidth=2.5) for color in colors[: len(groups)]]
    names = [name_of(name.replace("_", " ")) for name in groups]
    if look.color_by is None:
        entries = [line([], [], color=colors[i % len(colors)], linewidth=2.5) for i in range(len(persons))]
        names = [f"person {person}" for person in persons]
    elif len(persons) > 1:
        style = {"color": INK, "marker": "o", "markersize": 4, "linewidth": 2}
        entries += [line([], [], **style), line([], [], linestyle=(0, (2, 1)), markerfacecolor="white", **style)]
        names += [f"person {persons[0]}", "others" if len(persons) > 2 else f"person {persons[1]}"]
    if hidden:
        entries.append(line([], [], color=HIDDEN, linewidth=2.5))
        names.append("hidden")
    if len(names) > 1:
        figure.legend(entries, names, loc="outside right center", frameon=False, fontsize=9, labelcolor=INK)


def _draw(
    panel: Any,
    joints: NDArray[Any],
    layout: SkeletonLayout,
    groups: Mapping[str, tuple[int, ...]],
    colors: Sequence[str],
    *,
    number: int,
    away: NDArray[np.bool_],
    size: float,
) -> None:
    """One person in one frame: a line and a set of points a group. A bone has the color of its outer joint."""
    parents, alone = layout.parents, "" in groups
    outer = {edge: edge[1] if parents[edge[1]] == edge[0] else edge[0] for edge in layout.edges}
    gap = np.full((len(joints), 1), np.nan)
    looks = [colors[number % len(colors)]] if alone else list(colors)
    drawn = [
        (name, tuple(j for j in members if not away[j]), looks[i]) for i, (name, members) in enumerate(groups.items())
    ]
    drawn.append(("hidden", tuple(np.flatnonzero(away).tolist()), HIDDEN))
    solid = alone or number == 0
    for name, members, color in drawn:
        if not members:
            continue
        bones = [edge for edge in layout.edges if outer[edge] in members]
        pieces = [np.concatenate((joints[:, list(edge)], gap), axis=1) for edge in bones] or [gap]
        style = {
            "linewidth": 2.2 * size,
            "linestyle": "-" if solid else (0, (2.0, 1.0)),
            "solid_capstyle": "round",
            "clip_on": False,
        }
        panel.plot(*np.concatenate(pieces, axis=1), color=color, label=name, zorder=2, **style)
        panel.plot(
            *joints[:, list(members)],
            color=color,
            linestyle="none",
            marker="o",
            markersize=3.6 * size,
            markeredgewidth=size,
            clip_on=False,
            markerfacecolor=color if solid else "white",
            zorder=3,
        )
