"""Clips as rows of frames, to compare them.

Axes: c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from skelblocks import layouts
from skelblocks._utils.checks import check_positive
from skelblocks.layouts import SkeletonLayout
from skelblocks.viz._bodies import Look, LookOptions, frames_shown
from skelblocks.viz._strips import Clip, Mask, Strip, see_all, strips_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def clip_strip(
    clip: Clip | Mapping[str, Clip],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    frames: int | Sequence[int] = 6,
    fps: float | None = None,
    hidden: Mask | Mapping[str, Mask] | None = None,
    title: str | None = None,
    **look: Unpack[LookOptions],
) -> Figure:
    """Draw frames of a clip side by side in a row, or of several clips in one row each.

    All clips have one scale, and each is drawn around its own middle.

    :func:`~skelblocks.viz.draw_skeleton` breaks a long row and draws larger.

    Args:
        clip: ``(c, t, v, m)``, or several by name. Persons and frames that are all zero are not drawn.
        layout: The skeleton: a name, a dict or a layout.
        frames: Number of frames of each clip, spread evenly up to the last one with a person in it, or a list of
            frames.
        fps: Frames per second, to label the frames with times in seconds. Default: frame numbers.
        hidden: Joints to draw in gray, ``(t, v)`` or ``(t, v, m)`` boolean; for several clips, by name.
        title: Title of the figure.
        **look: ``color_by``, ``axes``, ``view``, ``flip_vertical`` and ``image_size``, as in
            :func:`~skelblocks.viz.draw_skeleton`.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing.
        TypeError: A clip does not hold numbers, several clips are not in a dict, ``hidden`` is not boolean, or it is a
            dict although the clip is not.
        ValueError: The axes or joints are not the layout's, ``axes`` or ``frames`` do not exist, ``color_by`` or a name
            in ``hidden`` is unknown, ``hidden`` has another shape, a clip is empty, a number is not finite, or ``fps``
            is not positive.

    Example:
        >>> import torch
        >>> clips = {"before": torch.randn(3, 50, 25, 2), "after": torch.randn(3, 50, 25, 2)}
        >>> figure = clip_strip(clips, layout="ntu-rgb+d", frames=4, fps=30)
        >>> [panel.get_xlabel() for panel in figure.axes[4:]]
        ['0.00 s', '0.53 s', '1.10 s', '1.63 s']
    """
    if fps is not None:
        check_positive(fps, name="fps")
    style = Look(layouts.get(layout), **look)
    seen = see_all(clip, style, hidden)
    strips = [Strip(name, bodies, frames_shown(frames, bodies.present)) for name, bodies in seen.items()]
    return strips_figure(strips, style, fps=fps, title=title)
