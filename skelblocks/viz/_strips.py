"""Rows of frames, one for each clip, at one scale; several pictures are made of them.

Axes: c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks.viz._bodies import Bodies, Look, add_legend, draw_frame, groups_of, see, set_panel, window
from skelblocks.viz._style import INK, finished, name_of, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Clip = Tensor | NDArray[Any]
Mask = Tensor | NDArray[np.bool_]

LEGEND = 1.6  # inches at the right
_HEIGHT = 2.1  # of one frame, in inches
_ENTRY = 0.18  # of the legend
_NARROWEST = 0.65  # of a frame, for the text below it
_WIDEST = 7.0  # of a row of frames; with the legend, its text reads on a page 600 pixels wide


class Strip(NamedTuple):
    """A clip and the frames of it that are drawn in a row of this name."""

    name: str
    bodies: Bodies
    frames: list[int]


def see_all(
    clips: Clip | Mapping[str, Clip], look: Look, hidden: Mask | Mapping[str, Mask] | None
) -> dict[str, Bodies]:
    """See one clip, under the empty name, or several by name, each with its hidden joints."""
    if not isinstance(clips, Mapping):
        argument: object = clips
        if isinstance(argument, list | tuple):
            raise TypeError(
                f"clip: expected a clip (c, t, v, m), or a dict of several by name, got a {type(argument).__name__} of "
                f"{len(argument)}; pass for instance {{'first': clips[0], 'second': clips[1]}}"
            )
        if isinstance(hidden, Mapping):
            raise TypeError(
                "hidden: expected (t, v) or (t, v, m), as there is one clip, got a dict; pass the mask alone"
            )
        return {"": see(clips, look, hidden=hidden)}
    if not clips:
        raise ValueError("clip: expected at least one clip, got an empty dict")
    if hidden is not None and not isinstance(hidden, Mapping):
        raise TypeError(
            f"hidden: expected a dict of the clips' names, as there are several, got {type(hidden).__name__}"
        )
    masks = hidden or {}
    if unknown := sorted(set(masks) - set(clips)):
        raise ValueError(f"hidden: expected some of the clips' names, {', '.join(clips)}; got {', '.join(unknown)} too")
    return {name: see(one, look, hidden=masks.get(name), name=f"clip[{name!r}]") for name, one in clips.items()}


def time_label(frame: int, fps: float | None) -> str:
    """What stands below a frame."""
    return f"frame {frame}" if fps is None else f"{frame / fps:.2f} s"


def strip_windows(strips: Sequence[Strip]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """For each strip the corners of what its frames show: all of one size, each around its own middle."""
    corners = [window(s.bodies, s.frames) for s in strips]
    half = np.max([high - low for low, high in corners], axis=0) / 2
    return [((low + high) / 2 - half, (low + high) / 2 + half) for low, high in corners]


def panel_size(strips: Sequence[Strip]) -> tuple[float, float]:
    """Width and height of one frame, in inches; many frames are smaller."""
    low, high = strip_windows(strips)[0]
    width = _HEIGHT * float(np.clip((high - low)[0] / (high - low)[1], 0.4, 1.6))
    columns = max(len(strip.frames) for strip in strips)
    shrunk = min(1.0, max(_WIDEST, _NARROWEST * columns) / (width * columns))
    return shrunk * width, shrunk * _HEIGHT


def strips_figure(strips: Sequence[Strip], look: Look, *, fps: float | None, title: str | None) -> Figure:
    """A figure of strips and nothing else."""
    columns = max(len(strip.frames) for strip in strips)
    width, height = panel_size(strips)
    entries = len(groups_of(look)[0]) + 3  # of the legend, with two persons and hidden joints
    figure = new_figure(
        width=max(width * columns, 2) + LEGEND + 0.3,
        height=max((height + 0.15) * len(strips), _ENTRY * entries) + (0.7 if title else 0.3),
        title=title,
    )
    draw_strips(figure, figure.add_gridspec(len(strips), columns), strips, look, fps=fps, size=height / 3)
    return finished(figure)


def draw_strips(
    figure: Figure, grid: Any, strips: Sequence[Strip], look: Look, *, fps: float | None, size: float
) -> None:
    """Fill a grid of as many rows as strips, and say below each frame, or each column, when it is."""
    windows = strip_windows(strips)
    persons = sorted({int(m) for s in strips for m in np.flatnonzero(s.bodies.present[s.frames].any(axis=0))})
    alike = all(strip.frames == strips[0].frames for strip in strips)
    for row, strip in enumerate(strips):
        for column, frame in enumerate(strip.frames):
            panel = figure.add_subplot(grid[row, column])
            draw_frame(panel, strip.bodies, frame, look, persons=persons, size=size)
            set_panel(panel, windows[row])
            if len(strip.bodies.present) > 1 and (not alike or row == len(strips) - 1):
                panel.set_xlabel(time_label(frame, fps), fontsize=9, color=INK)
            if column == 0:
                panel.set_ylabel(fill(name_of(strip.name), 24), fontsize=9, color=INK)
    add_legend(figure, look, persons, hidden=any(_hides(strip) for strip in strips))


def _hides(strip: Strip) -> bool:
    return bool((strip.bodies.hidden & strip.bodies.present[:, None])[strip.frames].any())
