"""Clips in space from which a student learns from its teacher.

Axes: n samples, c coordinates (3), t frames, v joints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.augment.spatial_flip import spatial_flip
from skelblocks.clips.person_mask import person_mask
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data import ArrayDataset, PreparedSet, motion_batches
from skelblocks.data.synthetic.body_model import body_layout
from skelblocks.layouts import SkeletonLayout
from skelblocks.training.order import derive_seed


class Motion(NamedTuple):
    """Clips ``(n, 3, t, v, 1)`` of one person each, in meters, y up, not centered, with their skeleton."""

    clips: Tensor
    layout: SkeletonLayout


def open_motion(path: str, *, frames: int) -> Motion:
    """Open recorded motion, with every person of every clip as a separate, resampled clip.

    Args:
        path: An ``.npz`` or ``.npy`` file, see :meth:`ArrayDataset.from_file <skelblocks.data.ArrayDataset.from_file>`,
            or a prepared set. ``"clips.npz@nw-ucla"`` names the skeleton of a file that does not name its joints.
        frames: Frames per clip.

    Returns:
        The clips of all parts of the set. Labels are not read.

    Raises:
        FileNotFoundError: The file or folder does not exist.
        ValueError: The clips are not in space, or show no person.

    Example:
        >>> open_motion("no-such-file.npz", frames=50)
        Traceback (most recent call last):
        ...
        FileNotFoundError: motion: there is no file or folder 'no-such-file.npz'; give "synthetic", an .npz file or a
        prepared set
    """
    place, layout = _place_and_layout(path)
    if not place.exists():
        raise FileNotFoundError(
            f'motion: there is no file or folder {escape(path)!r}; give "synthetic", an .npz file or a prepared set'
        )
    dataset: ArrayDataset | PreparedSet
    if place.is_dir():
        dataset = PreparedSet(place)
        x = torch.stack([dataset[i].clip for i in range(len(dataset))])
        x = ArrayDataset(x.numpy(), layout=dataset.layout, preprocessing=_raw(frames)).as_tensor()
    else:
        dataset = ArrayDataset.from_file(place, layout=layout, preprocessing=_raw(frames))
        x = dataset.as_tensor()
    if x.shape[1] != 3:
        raise ValueError(
            f"motion: expected clips with 3 coordinates, got {x.shape[1]} in {escape(path)!r}; the teacher needs "
            "depth, so choose another set"
        )
    seen = person_mask(x)
    if not seen.any():
        raise ValueError(
            f"motion: expected a visible person, but all clips of {escape(path)!r} are zero; choose another set"
        )
    alone = rearrange(x, "n c t v m -> n m c t v")[seen]
    return Motion(alone[..., None].float(), dataset.layout)


def _place_and_layout(path: str) -> tuple[Path, SkeletonLayout | None]:
    name, at, layout = path.rpartition("@")
    if not at or Path(path).exists():
        return Path(path), None
    return Path(name), layouts.get_or_load(layout)


def _raw(frames: int) -> Preprocessing:
    return Preprocessing(frames=frames, center=None)


def motion_stream(
    sources: Sequence[str], *, batch_size: int, frames: int, seed: int, device: torch.device | str = "cpu"
) -> Iterator[tuple[Motion, ...]]:
    """Yield batches without end, with an equal number of clips from every source.

    A recorded set is reshuffled after each pass, and half of its clips are mirrored. Synthetic clips never repeat.

    Args:
        sources: ``"synthetic"``, or paths for :func:`open_motion`.
        batch_size: Clips per batch, over all sources.
        frames: Frames per clip.
        seed: Random seed.
        device: Device of the clips.

    Yields:
        One :class:`Motion` per source, with ``batch_size`` clips in total.

    Raises:
        ValueError: The batch has fewer clips than there are sources.

    Example:
        >>> (motion,) = next(motion_stream(["synthetic"], batch_size=4, frames=20, seed=0))
        >>> motion.clips.shape, motion.layout.name
        (torch.Size([4, 3, 20, 41, 1]), 'synthetic-body')
    """
    if batch_size < len(sources):
        raise ValueError(
            f"batch_size: expected at least one clip from each of the {len(sources)} sources, got {batch_size}; raise "
            "it"
        )
    shares = [batch_size // len(sources) + (i < batch_size % len(sources)) for i in range(len(sources))]
    streams = [
        _synthetic(share, frames, seed=derive_seed(seed, i), device=device)
        if source == "synthetic"
        else _recorded(open_motion(source, frames=frames), share, seed=derive_seed(seed, i), device=device)
        for i, (source, share) in enumerate(zip(sources, shares, strict=True))
    ]
    while True:
        yield tuple(next(stream) for stream in streams)


def _synthetic(count: int, frames: int, *, seed: int, device: torch.device | str) -> Iterator[Motion]:
    layout = body_layout()  # the full body, so that every skeleton finds its joints
    for clips in motion_batches(batch_size=count, layout=layout, frames=frames, seed=seed, device=device):
        yield Motion(clips, layout)


def _recorded(motion: Motion, count: int, *, seed: int, device: torch.device | str) -> Iterator[Motion]:
    generator = torch.Generator().manual_seed(seed)
    waiting = torch.zeros(0, dtype=torch.int64)
    while True:
        while len(waiting) < count:
            waiting = torch.cat((waiting, torch.randperm(len(motion.clips), generator=generator)))
        rows, waiting = waiting[:count], waiting[count:]
        mirrored = torch.rand(count, generator=generator) < 0.5
        clips = spatial_flip(motion.clips[rows], mirrored, layout=motion.layout, mirror_axis=0)
        yield Motion(clips.to(device), motion.layout)
