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
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.layouts import SkeletonLayout
from skelblocks.viz._bodies import ColorBy, Look, add_legend, draw_frame, frames_shown, see, set_panel, window
from skelblocks.viz._style import INK, finished, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEIGHT = 3.0  # of one frame, in inches
_WIDEST = 13.0  # of a row of frames


@explain_arguments
def draw_skeleton(
    clip: Tensor | NDArray[Any],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    frames: int | Sequence[int] = 6,
    color_by: ColorBy | None = "body",
    axes: Sequence[int] = (0, 1),
    view: tuple[float, float] = (30.0, 15.0),
    flip_vertical: bool = False,
    image_size: tuple[float, float] | None = None,
    hidden: Tensor | NDArray[np.bool_] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw some frames of a clip side by side, at one scale.

    Args:
        clip: ``(c, t, v, m)``, or one frame ``(c, v, m)``. From a batch, pass ``clips[i]``. Persons and frames that are
            all zero are not drawn.
        layout: The skeleton: a name, a dict or a layout.
        frames: Number of frames, spread evenly up to the last one with a person in it, or a list of frames.
        color_by: ``"body"`` or ``"part"`` gives each body or part of the layout a color, and draws the second person
            dashed and hollow. None gives each person a color.
        axes: The coordinates that point to the right and up, or with three, to the right, away and up: ``(0, 2, 1)``
            for Kinect coordinates.
        view: With three axes, the point of view: degrees to the right and degrees above. Near parts of the body are not
            drawn larger.
        flip_vertical: Whether the last of the axes counts downwards, as image coordinates do.
        image_size: Width and height of the picture, in pixels. The panels then show the whole picture, with its aspect
            ratio, and y counts downwards. By default they are just large enough for the persons.
        hidden: Joints to draw in gray, such as joints that a mask hides: boolean ``(t, v)``, or ``(t, v, m)`` if
            persons differ.
        title: Title of the figure.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing.
        TypeError: The clip does not hold numbers, or ``hidden`` is not boolean.
        ValueError: The axes or joints are not the layout's, ``axes`` or ``frames`` do not exist, ``color_by`` is
            unknown, ``image_size`` is not two numbers above 0 or is given with three axes, ``hidden`` has another
            shape, the clip is empty, or a number is not finite.

    Example:
        >>> import torch
        >>> figure = draw_skeleton(torch.randn(3, 50, 25, 2), layout="ntu-rgb+d", frames=4)
        >>> len(figure.axes)
        4
    """
    look = Look(layouts.get(layout), color_by, axes, view, flip_vertical, image_size)
    bodies = see(clip, look, hidden=hidden)
    shown = frames_shown(frames, bodies.present)
    persons = np.flatnonzero(bodies.present[shown].any(axis=0)).tolist()
    corners = window(bodies, shown)
    span = corners[1] - corners[0]
    width = _HEIGHT * float(np.clip(span[0] / span[1], 0.45, 1.6))
    columns = max(1, min(len(shown), int(_WIDEST / width)))
    rows = -(-len(shown) // columns)
    columns = -(-len(shown) // rows)
    figure = new_figure(
        width=max(width * columns, 2) + 1.6, height=_HEIGHT * rows + (0.6 if title else 0.2), title=title
    )
    for place, frame in enumerate(shown):
        panel = figure.add_subplot(rows, columns, place + 1)
        draw_frame(panel, bodies, frame, look, persons=persons)
        set_panel(panel, corners)
        if len(bodies.present) > 1:
            panel.set_title(f"frame {frame}", fontsize=9, color=INK, y=-0.1)
    add_legend(figure, look, persons, hidden=bool((bodies.hidden & bodies.present[:, None])[shown].any()))
    return finished(figure)
