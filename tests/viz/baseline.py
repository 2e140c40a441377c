"""Pictures compared with the ones kept under ``baseline/``.

``assert_looks_like(figure, "name")`` draws the figure and compares it with ``baseline/name.png``. After a wanted
change, ``SKELBLOCKS_REDRAW=1 python -m pytest tests/viz`` writes the pictures afresh; look at each before it is kept.

Another matplotlib or FreeType smooths edges otherwise and puts a glyph or a line a pixel further. So a pixel counts as
different only where its color lies outside those of the pixels around it, ``REACH`` away at most, by more than
``LEVELS`` of 256 in a channel, and a picture only with more than ``PIXELS`` of them. A bone, a point, a color or a
word that changes makes more; one letter of a small label may not: test texts by what they say.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).with_suffix("")
DPI = 64
REACH, LEVELS, PIXELS = 2, 48, 42
REDRAW = "SKELBLOCKS_REDRAW"


def pixels_of(figure):
    """A matplotlib figure as ``(h, w, 3)`` of uint8, the same on every machine but for the edges."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    before = figure.dpi
    figure.set_dpi(DPI)
    try:
        # Hinting moves glyphs to whole pixels, each FreeType in its own way.
        with matplotlib.rc_context({"text.hinting": "none", "text.antialiased": True}):
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            return np.asarray(canvas.buffer_rgba())[..., :3].copy()
    finally:
        figure.set_dpi(before)


def assert_inside(figure):
    """See that nothing of a figure that has been drawn lies outside it, labels for instance."""
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0) >= 0, box
    assert box.x1 <= width, box
    assert box.y1 <= height, box


def different(one, other):
    """Where two pictures ``(h, w, 3)`` of one size differ, ``(h, w)`` boolean."""
    one, other = one.astype(np.int16), other.astype(np.int16)
    return _beyond(one, other) | _beyond(other, one)


def _beyond(picture, reference):
    """Where no pixel of the reference within reach, nor a mixture of them, has the picture's color."""
    padded = np.pad(reference, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (2 * REACH + 1,) * 2, axis=(0, 1))
    low, high = around.min(axis=(-2, -1)), around.max(axis=(-2, -1))
    return (np.maximum(low - picture, picture - high) > LEVELS).any(axis=-1)


def assert_looks_like(figure, name, *, pixels=PIXELS):
    """See that a figure, or a picture ``(h, w, 3)`` of uint8, looks like the kept one of that name.

    At most ``pixels`` may differ: more where there is much small print.
    """
    drawn = figure if isinstance(figure, np.ndarray) else pixels_of(figure)
    path = FOLDER / f"{name}.png"
    if os.environ.get(REDRAW):
        _write(path, drawn)
        return
    assert path.exists(), f"{path} is not there: draw it with {REDRAW}=1"
    kept = _read(path)
    size, expected = drawn.shape[:2], kept.shape[:2]
    assert max(abs(a - b) for a, b in zip(size, expected, strict=True)) <= REACH, (
        f"{name}: {size} pixels, expected {expected}; kept and drawn: {_beside(kept, drawn)}"
    )
    height, width = np.minimum(size, expected)
    kept, drawn = kept[:height, :width], drawn[:height, :width]
    wrong = different(kept, drawn)
    assert wrong.sum() <= pixels, (
        f"{name}: {wrong.sum()} pixels differ, {pixels} may; kept, drawn and where they differ: "
        f"{_beside(kept, drawn, wrong)}; if that is wanted, {REDRAW}=1 draws it afresh"
    )


def _write(path, picture):
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    # A palette makes the file a third as large; it moves colors by less than LEVELS.
    small = Image.fromarray(picture).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def _read(path):
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _beside(*pictures):
    """The path of a picture of pictures above each other; differences in red."""
    from PIL import Image

    shown = [np.where(p[..., None], (255, 0, 0), 255).astype(np.uint8) if p.dtype == bool else p for p in pictures]
    width = max(p.shape[1] for p in shown)
    padded = [np.pad(p, ((0, 4), (0, width - p.shape[1]), (0, 0)), constant_values=200) for p in shown]
    path = Path(tempfile.mkdtemp(prefix="looks-like-")) / "difference.png"
    Image.fromarray(np.concatenate(padded)).save(path)
    return path


def waving(*, frames=8, persons=1):
    """Somebody in Kinect's 25 joints who waves, ``(3, frames, 25, persons)``: right, up, away, in meters."""
    still = np.zeros((25, 3))
    still[[0, 1, 20, 2, 3], :2] = [(0, 0), (0, 0.25), (0, 0.5), (0, 0.58), (0, 0.75)]
    for side, sign in ((4, -1), (8, 1)):
        still[side : side + 4, :2] = [(0.18 * sign, 0.48), (0.27 * sign, 0.24), (0.3 * sign, 0), (0.3 * sign, -0.08)]
    for tip, sign in ((21, -1), (23, 1)):
        still[[tip, tip + 1], :2] = [(0.31 * sign, -0.15), (0.23 * sign, -0.09)]
    for hip, sign in ((12, -1), (16, 1)):
        still[hip : hip + 3, :2] = [(0.1 * sign, -0.02), (0.12 * sign, -0.42), (0.13 * sign, -0.82)]
        still[hip + 3] = (0.16 * sign, -0.87, -0.12)
    clip = np.zeros((3, frames, 25, persons))
    for person in range(persons):
        for frame in range(frames):
            pose = still.copy()
            angle = 0.5 * np.sin(0.9 * frame + person) + 2.6 - 0.2 * person
            arm = [9, 10, 11, 23, 24]
            bent = pose[arm] - pose[8]
            turned = [np.cos(angle) * bent[:, 0] - np.sin(angle) * bent[:, 1], np.abs(bent[:, 1]) * 0.9]
            pose[arm, :2] = pose[8, :2] + np.stack(turned, axis=1)
            pose[[13, 14, 15], 2] += 0.04 * frame * np.array([0.4, 0.8, 0.8])
            clip[:, frame, :, person] = pose.T + np.array([[1.1], [0], [0.5]]) * person
    return clip
