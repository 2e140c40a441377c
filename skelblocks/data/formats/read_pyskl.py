"""pyskl's pickles of a whole set, and its order of axes.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.clips.raw_clips import RawClips
from skelblocks.data.formats.read_position_pair import check_label, origin_of
from skelblocks.data.formats.with_remedy import with_remedy
from skelblocks.data.pickles.restricted_pickle import load_restricted

_JOINTS = {3: 25, 2: 17}  # Kinect v2 in space, COCO in pictures


class PysklClips(RawClips):
    """The annotations of a pyskl file as clips.

    A damaged clip raises :class:`~skelblocks.data.ClipFormatError` when it is read; the other clips can be read.

    Attributes:
        names: ``frame_dir`` of the clips.
        splits: Names by part, such as ``"xsub_train"``, as the file lists them; empty if it has none.
    """

    def __init__(self, path: Path, joints: int | None, score: bool) -> None:
        self._path, self._joints, self._score = path, joints, score
        loaded = load_restricted(path)
        annotations = loaded.get("annotations") if isinstance(loaded, dict) else loaded
        if not isinstance(annotations, list) or not annotations:
            raise ClipFormatError(path, "expected a dict with a list of annotations, or that list, not empty")
        for i, one in enumerate(annotations):
            if not isinstance(one, dict) or not _is_name(one.get("frame_dir")):
                raise ClipFormatError(path, f"annotation {i}: expected a dict with a frame_dir of 1 to 255 characters")
        self._annotations: list[dict[str, Any]] = annotations
        self.names = tuple(str(one["frame_dir"]) for one in annotations)
        if len(set(self.names)) != len(self.names):
            raise ClipFormatError(path, "two annotations have the same frame_dir")
        self.splits = _splits(loaded.get("split", {}) if isinstance(loaded, dict) else {}, path)

    def __len__(self) -> int:
        return len(self.names)

    @with_remedy("download the file again, or save the clips with numpy.savez")
    def read(self, index: int) -> RawClip:
        """One clip."""
        one, name = self._annotations[index], self.names[index]
        check_label(one.get("label"), self._path, name)
        keypoint = self._array(one, "keypoint", name)
        if keypoint.ndim != 4 or keypoint.shape[3] not in _JOINTS or 0 in keypoint.shape:
            raise self._wrong(name, f"expected keypoint (m, t, v, c) with c 2 or 3, got shape {keypoint.shape}")
        joints = _JOINTS[keypoint.shape[3]] if self._joints is None else self._joints
        if keypoint.shape[2] != joints:
            raise self._wrong(
                name,
                f"expected {joints} joints, got {keypoint.shape[2]}; say joints={keypoint.shape[2]}, or when the "
                "set is prepared, name a layout with as many joints, layout= (--layout)",
            )
        frames = one.get("total_frames")
        if isinstance(frames, bool) or not isinstance(frames, int | np.integer) or frames != keypoint.shape[1]:
            raise self._wrong(name, f"expected total_frames to be the {keypoint.shape[1]} frames of keypoint")
        seen = (keypoint != 0).any(axis=(2, 3)).T
        if keypoint.shape[3] == 2 and self._score:
            score = self._array(one, "keypoint_score", name)
            if score.shape != keypoint.shape[:3]:
                raise self._wrong(name, f"expected keypoint_score {keypoint.shape[:3]}, got shape {score.shape}")
            keypoint = np.concatenate([keypoint, score[..., None] * seen.T[..., None, None]], axis=3)
        return RawClip(name, from_pyskl(keypoint), seen, int(one["label"]), origin_of(name))

    def _array(self, one: Mapping[str, Any], key: str, name: str) -> NDArray[np.float32]:
        array = one.get(key)
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            hint = "; Kinetics keeps its keypoints in other files, which are not read" if "raw_file" in one else ""
            raise self._wrong(name, f"expected a floating-point array {key}{hint}")
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise self._wrong(name, f"NaN, infinite or too large numbers in {key}")
        return array

    def _wrong(self, name: str, reason: str) -> ClipFormatError:
        return ClipFormatError(self._path, f"clip {name!r}: {reason}")


@explain_arguments
@with_remedy("download the file again, or save the clips with numpy.savez")
def read_pyskl(path: str | os.PathLike[str], *, joints: int | None = None, score: bool = True) -> PysklClips:
    """Read a pyskl pickle: a dict of ``annotations`` and ``split``, or the list of annotations alone.

    The file is read whole, through :func:`~skelblocks.data.load_restricted`.

    Args:
        path: Such as ``ntu60_3danno.pkl`` or ``ntu60_hrnet.pkl``.
        joints: v. Default: 25 where keypoints have three coordinates (Kinect v2), 17 where they have two (COCO).
        score: For keypoints in pictures, whether ``keypoint_score`` becomes the third channel, as pyskl's own loader
            feeds it to a graph network.

    Returns:
        A sequence of clips ``(c, t, v, m)`` with ``names`` and ``splits``; ``seen`` is where any coordinate of a body
        is not zero. Names of NTU RGB+D give the origin.

    Raises:
        FileNotFoundError: The file does not exist.
        ClipFormatError: The file holds something else, or, when a clip is read, its annotation is incomplete.

    Example:
        >>> import tempfile
        >>> from skelblocks.testing import write_pyskl
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     clips = read_pyskl(write_pyskl(folder, clips=4))
        >>> clips[0].x.shape, clips.splits["xsub_val"]
        ((3, 27, 25, 1), ('S001C003P003R001A003', 'S001C001P001R001A004'))
    """
    return PysklClips(Path(path), joints, score)


@explain_arguments
def to_pyskl(x: NDArray[Any]) -> NDArray[Any]:
    """Clips ``(..., c, t, v, m)`` as pyskl's keypoints ``(..., m, t, v, c)``, a copy.

    Raises:
        ValueError: Fewer than 4 axes.

    Example:
        >>> to_pyskl(np.zeros((8, 3, 50, 25, 2))).shape
        (8, 2, 50, 25, 3)
    """
    _check_axes(x, "x: expected (..., c, t, v, m)")
    return np.array(rearrange(x, "... c t v m -> ... m t v c"), order="C")


@explain_arguments
def from_pyskl(keypoint: NDArray[Any]) -> NDArray[Any]:
    """Pyskl's keypoints ``(..., m, t, v, c)`` as clips ``(..., c, t, v, m)``, a copy.

    Raises:
        ValueError: Fewer than 4 axes.

    Example:
        >>> from_pyskl(np.zeros((2, 50, 25, 3))).shape
        (3, 50, 25, 2)
    """
    _check_axes(keypoint, "keypoint: expected (..., m, t, v, c)")
    return np.array(rearrange(keypoint, "... m t v c -> ... c t v m"), order="C")


def _check_axes(x: NDArray[Any], expected: str) -> None:
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{expected}, got a masked array; fill what it hides from the frames around it")
    if x.ndim < 4:
        raise ValueError(f"{expected}, got shape {x.shape}")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


def _splits(split: Any, path: Path) -> dict[str, tuple[str, ...]]:
    if not isinstance(split, dict):
        raise ClipFormatError(path, f"expected split to be a dict of lists of names, got {type(split).__name__}")
    for part, names in split.items():
        if not _is_name(part) or not isinstance(names, list | tuple) or not all(map(_is_name, names)):
            raise ClipFormatError(path, "expected split to be a dict of lists of names")
    return {part: tuple(map(str, names)) for part, names in split.items()}
