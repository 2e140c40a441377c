"""PKU-MMD, parts I and II: the text files of a video, cut into clips by its label file.

Axes: c coordinates, t frames, v joints, b bodies.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.clips.raw_clips import RawClips
from skelblocks.data.formats.with_remedy import EXTRACT, with_remedy

_NUMBERS = 150  # two bodies of 25 joints
_CLASSES = 51
_LARGEST = 1 << 28  # bytes; the owner's longest video has some ten million
_LABEL = re.compile(rb"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*,\s*(\d{1,9})\s*,\s*-?\d{1,9}\s*")
_VIDEO = re.compile(r"(?:(?P<video>\d{4})|A\d{2}N\d{2})-(?P<view>[LMR])")
_VIEWS = {"L": 1, "M": 2, "R": 3}


class PkuMmdVideo(RawClips):
    """The clips of one video, in the order of its label file.

    A label with frames outside the video raises :class:`~skelblocks.data.ClipFormatError` when its clip is read; the
    other clips can be read.

    Attributes:
        name: Name of the video, such as ``"0002-L"`` or ``"A01N01-L"``.
        x: The whole video, ``(3, t, 25, 2)`` float32.
        intervals: ``(action, start, end)`` of the clips, counted from 1, the end included.
    """

    def __init__(self, skeleton: Path, labels: Path) -> None:
        self.name, self._labels, self._origin = skeleton.stem, labels, _origin(skeleton)
        if labels.stem != skeleton.stem:
            raise ClipFormatError(labels, f"expected the labels of video {skeleton.stem!r}")
        self.x = _read_skeleton(skeleton)
        self.intervals = _read_labels(labels)

    def __len__(self) -> int:
        return len(self.intervals)

    @with_remedy("correct or remove this line of the labels")
    def read(self, index: int) -> RawClip:
        """One clip."""
        action, start, end = self.intervals[index]
        if not 1 <= start <= end <= self.x.shape[1]:
            reason = f"expected frames within the video, 1..{self.x.shape[1]}, got {start}..{end}"
            raise ClipFormatError(self._labels, reason, line=index + 1)
        x = self.x[:, start - 1 : end].copy()
        name = f"{self.name}_{action}_{index}"
        return RawClip(name, x, (x != 0).any(axis=(0, 2)), action - 1, {**self._origin, "action": action})


class PkuMmdSplit(NamedTuple):
    """The videos of the two parts of a protocol."""

    training: tuple[str, ...]
    validation: tuple[str, ...]


@explain_arguments
@with_remedy(EXTRACT)
def read_pku_mmd(skeleton: str | os.PathLike[str], *, labels: str | os.PathLike[str]) -> PkuMmdVideo:
    """Read a video of PKU-MMD and cut it into clips, from a label's first frame to its last.

    The released scripts take a body as absent where its 75 numbers sum to 0; here, where all of them are 0. They also
    keep the middle 300 frames of longer clips, and nothing is cut off here.

    Args:
        skeleton: ``0002-L.txt`` (part I) or ``A01N01-L.txt`` (part II): one line per frame, two bodies of 25 joints.
        labels: The file of the same name: ``action,start,end,confidence`` a line, frames counted from 1.

    Returns:
        A sequence of clips ``(3, t, 25, 2)`` named ``0002-L_17_0``: video, action, line of the label file from 0. The
        origin is ``action``, ``view`` (1 for L, 2 for M, 3 for R, as in the released scripts) and, in part I,
        ``video``; neither the names nor the files tell the subject. Labels are the action less 1, in both parts.

    Raises:
        FileNotFoundError: One of the files does not exist.
        ClipFormatError: Another name, a line that is not what it should be (with its number), or no line.

    Example:
        >>> import tempfile
        >>> from skelblocks.testing import write_pku_mmd
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     skeletons, labels, _ = write_pku_mmd(folder)
        ...     clips = read_pku_mmd(skeletons[0], labels=labels[0])
        >>> clips[1].name, clips[1].x.shape, clips[1].origin
        ('0002-L_2_1', (3, 25, 25, 2), {'video': 2, 'view': 1, 'action': 2})
    """
    return PkuMmdVideo(Path(skeleton), Path(labels))


@explain_arguments
@with_remedy(EXTRACT)
def read_pku_mmd_split(path: str | os.PathLike[str]) -> PkuMmdSplit:
    r"""Read ``cross-subject.txt``, ``cross-view.txt`` or part II's ``*_v2.txt``: a heading and a line of names, twice.

    The released scripts test on every video that is not in the training list; this also returns the file's own list.

    Raises:
        FileNotFoundError: The file does not exist.
        ClipFormatError: Other lines, a name that is no video's, or a video twice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "cross-view.txt")
        ...     _ = path.write_text("Training videos:\n0002-M, 0002-R,\nValidation videos:\n0002-L,\n")
        ...     read_pku_mmd_split(path)
        PkuMmdSplit(training=('0002-M', '0002-R'), validation=('0002-L',))
    """
    path = Path(path)
    lines = [(number, line.decode("ascii", "replace")) for number, line in _lines(path)]
    if len(lines) != 4 or any("-" in line for _, line in lines[::2]):
        raise ClipFormatError(path, f"expected a heading and a line of names, twice, got {len(lines)} lines")
    parts = []
    for number, line in lines[1::2]:
        names = [name.strip() for name in line.strip().rstrip(",").split(",")]
        wrong = next((name for name in names if _VIDEO.fullmatch(name) is None), None)
        if wrong is not None:
            raise ClipFormatError(path, f"expected names such as 0002-L or A01N01-L, got {wrong[:40]!r}", line=number)
        parts.append(tuple(names))
    if len({name for part in parts for name in part}) != sum(map(len, parts)):
        raise ClipFormatError(path, "a video is listed twice")
    return PkuMmdSplit(*parts)


def _origin(path: Path) -> Mapping[str, int]:
    found = _VIDEO.fullmatch(path.stem)
    if found is None:
        raise ClipFormatError(path, "expected a name such as 0002-L.txt or A01N01-L.txt")
    video = {} if found["video"] is None else {"video": int(found["video"])}
    return {**video, "view": _VIEWS[found["view"]]}


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines; empty ones are accepted at the end alone."""
    if path.stat().st_size > _LARGEST:
        raise ClipFormatError(path, f"expected less than {_LARGEST} bytes, got {path.stat().st_size}")
    empty = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                empty = empty or number
            elif empty:
                raise ClipFormatError(path, "an empty line before the end", line=empty)
            else:
                yield number, line


def _read_skeleton(path: Path) -> NDArray[np.float32]:
    frames = []
    for number, line in _lines(path):
        numbers = line.split(None, _NUMBERS)
        if len(numbers) != _NUMBERS:
            got = f"{len(numbers)}" if len(numbers) < _NUMBERS else "more"
            raise ClipFormatError(path, f"expected {_NUMBERS} numbers, two bodies of 25 joints, got {got}", line=number)
        try:
            with np.errstate(over="ignore"):
                frames.append(np.array(list(map(float, numbers))).astype(np.float32))
        except ValueError:
            raise ClipFormatError(path, "something that is not a number", line=number) from None
        if not np.isfinite(frames[-1]).all() or b"_" in line:
            raise ClipFormatError(path, "a coordinate that is not a finite number", line=number)
    if not frames:
        raise ClipFormatError(path, "no frame in it")
    return np.ascontiguousarray(rearrange(np.stack(frames), "t (b v c) -> c t v b", b=2, v=25))


def _read_labels(path: Path) -> tuple[tuple[int, int, int], ...]:
    intervals = []
    for number, line in _lines(path):
        found = _LABEL.fullmatch(line)
        if found is None:
            raise ClipFormatError(path, "expected action,start,end,confidence, four integers", line=number)
        action, start, end = map(int, found.groups())
        if not 1 <= action <= _CLASSES:
            raise ClipFormatError(path, f"expected an action in 1..{_CLASSES}, got {action}", line=number)
        intervals.append((action, start, end))
    if not intervals:
        raise ClipFormatError(path, "no label in it")
    return tuple(intervals)
