"""What the pictures share: clips of synthetic motion, and how a script writes its pictures.

Every script of this folder draws the pictures of a page or two into ``docs/pictures``, which the repository keeps:
``python docs/gallery/pool.py`` draws all of that script's pictures, ``python docs/gallery/pool.py --only pool_persons``
some of them. ``draw.py`` runs all scripts and compares what they draw with the repository's pictures. The scripts need
the extras ``viz`` and ``eval``.

A picture is a card with a white background of its own, so that it reads on light and on dark pages. Pages show it about
600 pixels wide. A figure is therefore at most 9 inches wide, and its text at least 8 points high.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageSequence
from torch import Tensor

from skelblocks.data import synthetic_motion

LAYOUT = "ntu-rgb+d"
FOLDER = Path(__file__).parents[1] / "pictures"
WIDEST = 9.0  # inches
DPI = 130
FILM = 440  # pixels, the width of a film
COLORS = 96  # of a file's palette; with fewer, thin lines lose their smooth edges


def clips() -> Tensor:
    """Clips (N, C, T, V, M) of eight kinds of motion, three of each, by one person each."""
    return synthetic_motion(LAYOUT, classes=8, subjects=3, views=1, frames=32, occlusion=0.0, seed=1).x


def write(*figures: Callable[[], Figure], films: tuple[Callable[[Path], Figure], ...] = ()) -> None:
    """Write a picture for each function, under the function's name and from the same random state.

    Args:
        figures: Functions that return a figure.
        films: Functions that write a GIF to a path themselves.
    """
    known = [make.__name__ for make in (*figures, *films)]
    parser = argparse.ArgumentParser(description="Draw pictures of the documentation.")
    parser.add_argument("--into", type=Path, default=FOLDER, help="folder for the pictures (default: docs/pictures)")
    parser.add_argument("--only", nargs="+", choices=known, metavar="NAME", help=f"some of: {', '.join(known)}")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    chosen = options.only or known
    for make in figures:
        if make.__name__ in chosen:
            torch.manual_seed(0)
            save(make(), options.into / f"{make.__name__}.png")
    for film in films:
        if film.__name__ in chosen:
            torch.manual_seed(0)
            film(options.into / f"{film.__name__}.gif")
            shrink(options.into / f"{film.__name__}.gif")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a small file: a palette of colors, and nothing that differs from run to run."""
    if figure.get_figwidth() > WIDEST:
        raise ValueError(
            f"{path.stem}: expected a figure of at most {WIDEST:g} inches, got {figure.get_figwidth():.1f}; "
            "its text would be too small on a page"
        )
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, facecolor="white")
    save_small(Image.open(drawn).convert("RGB"), path)


def save_small(picture: Image.Image, path: Path) -> None:
    """Write a picture with a palette of colors."""
    # The most frequent colors, which fill areas, stay as they are; the others stand for thin lines and smooth edges.
    colors, where, counts = np.unique(
        np.asarray(picture).reshape(-1, 3), axis=0, return_inverse=True, return_counts=True
    )
    frequent = colors[np.argsort(-counts, kind="stable")[: COLORS // 2]]
    rare = picture.quantize(COLORS // 2, method=Image.Quantize.MAXCOVERAGE).getpalette()
    palette = np.concatenate([frequent, np.reshape(rare, (-1, 3))[: COLORS // 2]]).astype(np.uint8)
    away = ((colors[:, None].astype(np.int64) - palette) ** 2).sum(axis=2)
    nearest = away.argmin(axis=1).astype(np.uint8)[where.reshape(picture.height, picture.width)]
    small = Image.fromarray(nearest)
    small.putpalette(palette.tobytes())
    small.save(path, optimize=True)


def shrink(path: Path) -> None:
    """Make the frames of a GIF as wide as pages show them, with few colors."""
    with Image.open(path) as film:
        times, frames = [], []
        for frame in ImageSequence.Iterator(film):
            times.append(frame.info["duration"])
            frames.append(frame.convert("RGB").resize((FILM, round(FILM * film.height / film.width)), Image.LANCZOS))
    palette = frames[0].quantize(64, method=Image.Quantize.MAXCOVERAGE)
    small = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    small[0].save(path, save_all=True, append_images=small[1:], duration=times, loop=0, optimize=True)
