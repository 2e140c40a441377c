"""Write small sets of smooth motion in the formats of raw data sets, for tests and for trying out a preparation.

The motion means nothing and resembles no recording; :func:`~skelblocks.data.synthetic_motion` makes motion to learn
from. Axes: c coordinates, t frames, v joints, b bodies.
"""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

_UCLA_ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)


def write_position_pair(
    folder: str | os.PathLike[str], *, clips: int = 8, frames: int = 60, seed: int = 0
) -> tuple[Path, Path]:
    """Write ``train_position.npy`` ``(n, 3, t, 25, 2)`` and ``train_label.pkl``, as the released preprocessing does.

    Every clip ends in zeros, another number of them each; two in three have one body alone.

    Args:
        folder: Folder to write to; created if it does not exist.
        clips: n.
        frames: t, at least 20.
        seed: Random seed.

    Returns:
        The two paths, for :func:`~skelblocks.data.read_position_pair`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in write_position_pair(folder)]
        ['train_position.npy', 'train_label.pkl']
    """
    folder, generator = _folder(folder), np.random.default_rng(seed)
    x = np.zeros((clips, 3, frames, 25, 2), dtype=np.float32)
    for i in range(clips):
        length = frames - 3 - i % 11
        x[i, :, :length, :, : _bodies(i)] = _motion(generator, length, 25, _bodies(i))
    position, labels = folder / "train_position.npy", folder / "train_label.pkl"
    np.save(position, x)
    names = [f"{_ntu_name(i)}.skeleton" for i in range(clips)]
    labels.write_bytes(pickle.dumps((names, [_action(i) - 1 for i in range(clips)])))
    return position, labels


def write_pyskl(
    folder: str | os.PathLike[str], *, clips: int = 8, flat: bool = False, split: bool = True, seed: int = 0
) -> Path:
    """Write ``set.pkl``, a pyskl pickle: its dict of annotations and of an ``xsub`` split.

    Args:
        folder: Folder to write to; created if it does not exist.
        clips: How many annotations, of 27 frames and more.
        flat: 17 keypoints in a picture with their score, not 25 in space.
        split: False writes the list of annotations alone.
        seed: Random seed.

    Returns:
        The path, for :func:`~skelblocks.data.read_pyskl`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_pyskl(folder).name
        'set.pkl'
    """
    folder, generator = _folder(folder), np.random.default_rng(seed)
    annotations: list[dict[str, object]] = []
    for i in range(clips):
        x = rearrange(_motion(generator, 27 + i, 17 if flat else 25, _bodies(i)), "c t v m -> m t v c")
        one = {"frame_dir": _ntu_name(i), "label": _action(i) - 1, "total_frames": x.shape[1], "keypoint": x}
        if flat:
            one["keypoint"] = (x[..., :2] * 200 + 500).astype(np.float16)
            one["keypoint_score"] = generator.uniform(0.3, 1, x.shape[:3]).astype(np.float16)
            one["img_shape"] = one["original_shape"] = (1080, 1920)
        annotations.append(one)
    names = [_ntu_name(i) for i in range(clips)]
    parts = {"xsub_train": names[: clips // 2], "xsub_val": names[clips // 2 :]}
    path = folder / "set.pkl"
    path.write_bytes(pickle.dumps({"split": parts, "annotations": annotations} if split else annotations))
    return path


def write_nw_ucla(folder: str | os.PathLike[str], *, clips: int = 10, seed: int = 0) -> list[Path]:
    """Write JSON files of NW-UCLA, one action each.

    Args:
        folder: Folder to write to; created if it does not exist.
        clips: How many files.
        seed: Random seed.

    Returns:
        The paths, for :func:`~skelblocks.data.read_nw_ucla`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in write_nw_ucla(folder, clips=2)]
        ['a01_s01_e00_v01.json', 'a02_s01_e00_v02.json']
    """
    folder, generator = _folder(folder), np.random.default_rng(seed)
    paths = []
    for i in range(clips):
        action = _UCLA_ACTIONS[i % 10]
        name = f"a{action:02}_s{i // 10 % 10 + 1:02}_e{i // 100:02}_v{i % 3 + 1:02}"
        skeletons = rearrange(_motion(generator, 20 + i % 30, 20, 1), "c t v 1 -> t v c").round(6).tolist()
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(json.dumps({"file_name": name, "skeletons": skeletons, "label": i % 10 + 1}))
    return paths


def write_pku_mmd(
    folder: str | os.PathLike[str], *, part: int = 1, videos: int = 2, clips: int = 3, seed: int = 0
) -> tuple[list[Path], list[Path], Path]:
    """Write videos of PKU-MMD with their labels, from three sides each, and a cross-view split.

    The second body is there in every other clip, and between two clips pass five frames.

    Args:
        folder: Folder to write to; created if it does not exist.
        part: 1 names videos ``0002-L``, 2 ``A01N01-L``.
        videos: How many, three files each.
        clips: How many in a video.
        seed: Random seed.

    Returns:
        Skeleton files and label files, for :func:`~skelblocks.data.read_pku_mmd`, and the split file.

    Raises:
        ValueError: ``part`` is not 1 or 2.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     skeletons, labels, split = write_pku_mmd(folder, part=2, videos=1)
        >>> skeletons[2].parts[-2:], labels[2].parts[-2:], split.name
        (('skeleton', 'A01N01-R.txt'), ('label', 'A01N01-R.txt'), 'cross-view_v2.txt')
    """
    if part not in (1, 2):
        raise ValueError(f"part: expected 1 or 2, got {part}")
    folder, generator = _folder(folder), np.random.default_rng(seed)
    skeletons, labels, sides = [], [], {side: list[str]() for side in "LMR"}
    for i in range(videos * 3):
        name = (f"{i // 3 + 2:04}" if part == 1 else f"A01N{i // 3 + 1:02}") + f"-{'LMR'[i % 3]}"
        sides[name[-1]].append(name)
        x = _motion(generator, 30 * clips, 25, 2)
        for j in range(1, clips, 2):
            x[:, 30 * j : 30 * j + 30, :, 1] = 0
        rows = rearrange(x, "c t v m -> t (m v c)")
        skeletons.append(_folder(folder / "skeleton") / f"{name}.txt")
        skeletons[-1].write_text("".join(" ".join(f"{value:.6f}" for value in row) + "\n" for row in rows))
        labels.append(_folder(folder / "label") / f"{name}.txt")
        labels[-1].write_text("".join(f"{j % 51 + 1},{30 * j + 1},{30 * j + 25},2\n" for j in range(clips)))
    split = folder / ("cross-view.txt" if part == 1 else "cross-view_v2.txt")
    split.write_text(
        f"Training videos:\n{', '.join(sides['M'] + sides['R'])},\nValidation videos:\n{', '.join(sides['L'])},\n"
    )
    return skeletons, labels, split


def _motion(generator: np.random.Generator, frames: int, joints: int, bodies: int) -> NDArray[np.float32]:
    """Joints that swing about places of their own, ``(3, t, v, b)``, nowhere zero."""
    rest = generator.uniform(0.5, 1.5, (3, 1, joints, bodies)) + np.array([0.0, 0.0, 2.0])[:, None, None, None]
    phase = generator.uniform(0, 2 * np.pi, (3, 1, joints, bodies))
    time = np.arange(frames)[None, :, None, None] * generator.uniform(0.1, 0.3)
    motion: NDArray[np.float64] = rest + 0.2 * np.sin(time + phase)
    return motion.astype(np.float32)


def _bodies(i: int) -> int:
    return 2 if i % 3 == 2 else 1


def _action(i: int) -> int:
    return i % 60 + 1


def _ntu_name(i: int) -> str:
    return f"S001C{i % 3 + 1:03}P{i % 3 + 1:03}R{i // 60 + 1:03}A{_action(i):03}"


def _folder(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    return path
