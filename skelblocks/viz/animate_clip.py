"""Write clips as films.

Axes: c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack

from skelblocks import layouts
from skelblocks._utils.checks import check_positive
from skelblocks._utils.optional import require
from skelblocks._utils.whole_file import whole_file
from skelblocks.layouts import SkeletonLayout
from skelblocks.viz._bodies import Bodies, Look, LookOptions, add_legend, draw_frame, set_panel
from skelblocks.viz._strips import LEGEND, Clip, Mask, Strip, see_all, strip_windows, time_label
from skelblocks.viz._style import INK, finished, name_of, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picture = NDArray[np.uint8]

_HEIGHT = 3.4  # inches
_FASTEST_GIF = 50  # frames per second: the format counts hundredths, and viewers slow down below two


def animate_clip(
    clip: Clip | Mapping[str, Clip],
    path: str | os.PathLike[str],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    fps: float = 30.0,
    hidden: Mask | Mapping[str, Mask] | None = None,
    title: str | None = None,
    **look: Unpack[LookOptions],
) -> Figure:
    """Write a clip, or several side by side, as a film: GIF or MP4, by the path's suffix.

    A film ends at the last frame with a person. If several clips differ in length, the shorter ones are empty at the
    end. All frames and clips have the same scale, and the view does not move. The file is written atomically, and
    replaces an existing file.

    Args:
        clip: ``(c, t, v, m)``, or several by name. Persons and frames that are all zero are not drawn.
        path: File to write, ending in ``.gif`` or ``.mp4``. A GIF repeats.
        layout: The skeleton: a name, a dict or a layout.
        fps: Frames per second; up to 50 in a GIF. 30 is what Kinect films at.
        hidden: Joints to draw in gray, ``(t, v)`` or ``(t, v, m)`` boolean; for several clips, by name.
        title: Title of the figure.
        **look: ``color_by``, ``axes``, ``view``, ``flip_vertical`` and ``image_size``, as in
            :func:`~skelblocks.viz.draw_skeleton`.

    Returns:
        The figure with the first frame. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing; for GIF, pillow; for MP4, imageio-ffmpeg.
        FileNotFoundError: The path's folder does not exist.
        TypeError: As for :func:`~skelblocks.viz.clip_strip`.
        ValueError: The suffix is neither ``.gif`` nor ``.mp4``, ``fps`` is out of range, or as for
            :func:`~skelblocks.viz.clip_strip`.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     figure = animate_clip(torch.randn(3, 4, 15, 1), Path(folder) / "clip.gif", layout="sbu")
        ...     [file.name for file in Path(folder).iterdir()]
        ['clip.gif']
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path: expected the name of a file, got {path!r}; pass for instance 'clip.gif'")
    path = Path(path)
    writers: dict[str, Callable[[Callable[[], Iterator[Picture]], Path, float], None]]
    writers = {".gif": _write_gif, ".mp4": _write_mp4}
    if path.suffix.lower() not in writers:
        raise ValueError(f"path: expected a name that ends in .gif or .mp4, got {path.name!r}; rename it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: the folder {str(path.parent)!r} does not exist; create it first")
    check_positive(fps, name="fps")
    if path.suffix.lower() == ".gif" and fps > _FASTEST_GIF:
        raise ValueError(f"fps: expected at most {_FASTEST_GIF} in a GIF, got {fps}; write an .mp4")
    style = Look(layouts.get(layout), **look)
    seen = see_all(clip, style, hidden)
    frames = 1 + max(int(np.flatnonzero(bodies.present.any(axis=1))[-1]) for bodies in seen.values())
    figure, draw = _stage(seen, style, fps=fps, title=title)

    def pictures() -> Iterator[Picture]:
        for frame in range(frames):
            yield draw(frame)

    with whole_file(path) as place:
        writers[path.suffix.lower()](pictures, place, fps)
    draw(0)
    return figure


def _stage(
    seen: Mapping[str, Bodies], look: Look, *, fps: float, title: str | None
) -> tuple[Figure, Callable[[int], Picture]]:
    """A figure with a panel a clip, and what draws a frame in all of them and gives the pixels."""
    strips = [Strip(name, bodies, np.flatnonzero(bodies.present.any(axis=1)).tolist()) for name, bodies in seen.items()]
    windows = strip_windows(strips)
    persons = sorted({int(m) for bodies in seen.values() for m in np.flatnonzero(bodies.present.any(axis=0))})
    span = windows[0][1] - windows[0][0]
    width = _HEIGHT * float(np.clip(span[0] / span[1], 0.5, 1.6))
    figure = new_figure(width=max(width * len(seen), 2) + LEGEND, height=_HEIGHT + (1.0 if title else 0.6), title=title)
    panels: list[Any] = [figure.add_subplot(1, len(seen), i + 1) for i in range(len(seen))]
    for panel, strip, window in zip(panels, strips, windows, strict=True):
        set_panel(panel, window)
        panel.set_title(name_of(strip.name), fontsize=10, color=INK)
        panel.set_xlabel(time_label(0, fps), fontsize=9, color=INK)
    add_legend(figure, look, persons, hidden=any(_hides(strip.bodies) for strip in strips))
    finished(figure)
    canvas = require("matplotlib.backends.backend_agg", extra="viz").FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")  # the panels are in place, and a film must not shake

    def draw(frame: int) -> Picture:
        for panel, bodies in zip(panels, seen.values(), strict=True):
            for line in list(panel.lines):
                line.remove()
            if frame < len(bodies.present):
                draw_frame(panel, bodies, frame, look, persons=persons)
            panel.set_xlabel(time_label(frame, fps))
        canvas.draw()
        pixels: Picture = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        return pixels

    return figure, draw


def _hides(bodies: Bodies) -> bool:
    return bool((bodies.hidden & bodies.present[:, None]).any())


def _write_gif(pictures: Callable[[], Iterator[Picture]], path: Path, fps: float) -> None:
    image = require("PIL.Image", extra="viz")
    # One palette for all frames, or the colors would flicker. The first picture has the legend, with every color.
    palette = None
    paletted = []
    for picture in pictures():
        frame = image.fromarray(picture)
        if palette is None:
            palette = frame.quantize(255, method=image.Quantize.MAXCOVERAGE)  # white stays white
        paletted.append(frame.quantize(palette=palette, dither=image.Dither.NONE))
    # Whole hundredths of a second, as the format has them, without the error adding up.
    ends = [round(100 * (i + 1) / fps) for i in range(len(paletted))]
    times = [10 * (end - start) for start, end in zip([0, *ends], ends, strict=False)]
    paletted[0].save(
        path, format="GIF", save_all=True, append_images=paletted[1:], duration=times, loop=0, optimize=False
    )


def _write_mp4(pictures: Callable[[], Iterator[Picture]], path: Path, fps: float) -> None:
    ffmpeg = require("imageio_ffmpeg", extra="viz")
    writer = None
    try:
        for picture in pictures():
            # Colors are kept for two by two pixels, so that both sizes must be even.
            even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
            if writer is None:
                size = (even.shape[1], even.shape[0])
                writer = ffmpeg.write_frames(
                    str(path), size, fps=fps, codec="libx264", quality=7, macro_block_size=1, ffmpeg_log_level="error"
                )
                writer.send(None)
            writer.send(np.ascontiguousarray(even))
    finally:
        if writer is not None:
            writer.close()
