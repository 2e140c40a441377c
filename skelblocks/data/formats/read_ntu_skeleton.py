"""The owners' text files of NTU RGB+D 60 and 120.

Axes: c coordinates, t frames, v joints, b bodies.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.with_remedy import EXTRACT, with_remedy

JOINTS = 25
_HEADER, _JOINT = 10, 12  # numbers in a body's first line, and in a joint's
_BLOCK = 2 + JOINTS  # lines of a body in one frame
_LONGEST = 500  # characters of a line; below 2 * 256, so that the numbers of one can be counted in a byte
_GROWTH, _SLACK = 16, 2**20  # the array may take this many times the file's bytes, or this number of bytes
_TEXT = bytes((9, 10, 13, *range(32, 127)))
_RANGES = {"setup": 32, "camera": 3, "subject": 106, "replication": 2, "action": 120}
_NAME = re.compile("".join(f"{letter}([0-9]{{3}})" for letter in "SCPRA"))


@explain_arguments
def parse_ntu_name(name: str) -> dict[str, int]:
    """Read where a clip comes from off its name.

    Args:
        name: As the owners give it, without folder and suffix: ``"S001C002P003R002A013"``.

    Returns:
        ``setup`` 1 to 32, ``camera`` 1 to 3, ``subject`` 1 to 106, ``replication`` 1 or 2, ``action`` 1 to 120, in this
        order. The label is ``action - 1``.

    Raises:
        ValueError: Another form, or a number outside its range.

    Example:
        >>> parse_ntu_name("S001C002P003R002A013")
        {'setup': 1, 'camera': 2, 'subject': 3, 'replication': 2, 'action': 13}
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"name: expected the form 'S001C002P003R002A013', got {name!r}")
    origin = dict(zip(_RANGES, map(int, match.groups()), strict=True))
    for key, value in origin.items():
        if not 1 <= value <= _RANGES[key]:
            raise ValueError(f"name: expected a {key} in 1..{_RANGES[key]}, got {value} in {name!r}")
    return origin


@explain_arguments
@with_remedy(EXTRACT)
def read_ntu_skeleton(path: str | os.PathLike[str]) -> RawClip:
    """Read one clip of NTU RGB+D 60 or 120 from its owners' ``.skeleton`` text.

    The file counts its frames; each frame counts its bodies; each body has a line of 10 numbers, the tracker's id
    first, a line with the joint count, 25, and 25 lines of 12 numbers, of which the first three are x, y, z in meters.
    The other nine are counted, not read, whatever stands there.

    A body is followed through the frames by its id. Should a frame list one id twice, the second of them is followed as
    a body of its own, by id and count.

    Args:
        path: The file, named as by its owners.

    Returns:
        The clip, bodies in order of first appearance, in a frame by the order of the file, with ``order`` set. Frames
        without a person are kept; where no person is ever seen, b is 0.

    Raises:
        ClipFormatError: The file or its name is of another form, or holds a coordinate that is not a finite number;
            with the line. Also where bodies and frames make up an array much larger than the file.
        OSError: The file cannot be read.

    Example:
        >>> import tempfile
        >>> from skelblocks.testing import write_ntu_skeleton
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/S001C002P003R002A013.skeleton"
        ...     _ = write_ntu_skeleton(path, persons=2, frames=40, seed=0)
        ...     clip = read_ntu_skeleton(path)
        >>> clip.x.shape, clip.seen.shape, clip.label, clip.origin["subject"]
        ((3, 40, 25, 2), (40, 2), 12, 3)
    """
    path = Path(path)
    try:
        origin = parse_ntu_name(path.stem)
    except ValueError as error:
        raise ClipFormatError(path, str(error)) from None
    lines = _Lines(path)
    counts = _walk(lines)
    first, frame, place = _entries(counts)
    _check_blocks(lines, first)
    body = _track(lines, first, place)
    t, b = len(counts), int(body.max(initial=-1)) + 1
    size = 4 * 3 * t * JOINTS * b
    if size > max(_GROWTH * len(lines.data), _SLACK):
        raise lines.error(f"expected an array of at most {_GROWTH} times the file's size, got {t} frames, {b} bodies")
    x = np.zeros((3, t, JOINTS, b), dtype=np.float32)
    x[:, frame, :, body] = _coordinates(lines, first).swapaxes(1, 2)
    order = np.full((t, b), -1, dtype=np.int64)
    order[frame, body] = place
    return RawClip(path.stem, x, order >= 0, origin["action"] - 1, origin, order)


class _Lines:
    """The lines of a file: where each starts, and how many numbers it has. Lines are counted from 0, errors from 1."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path.read_bytes().rstrip(b" \t\r\n") + b"\n"
        if self.data == b"\n":
            raise self.error("expected a count of frames, got an empty file")
        self.text = np.frombuffer(self.data, dtype=np.uint8)
        ends = np.flatnonzero(self.text == 10)
        self.start = np.concatenate(([0], ends + 1))
        plain = len(ends) + self.data.count(b"\r") + self.data.count(b"\t")
        if not self.data.isascii() or np.count_nonzero(self.text < 32) != plain:
            other = self.data.translate(None, _TEXT)[0]
            line = self.data.count(b"\n", 0, self.data.index(other))
            raise self.error(f"expected text in ASCII, got the byte {other:#04x}", line)
        long = np.flatnonzero(np.diff(self.start) > _LONGEST)
        if len(long):
            raise self.error(f"expected lines of at most {_LONGEST} characters, got a longer one", int(long[0]))
        black = self.text > 32
        black[1:] &= self.text[:-1] <= 32  # where a number starts
        self.numbers = np.add.reduceat(black.view(np.uint8), self.start[:-1], dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, line: int) -> bytes:
        return self.data[self.start[line] : self.start[line + 1]]

    def integer(self, line: int, what: str, *, numbers: int = 1) -> int:
        """The first of a line's ``numbers``."""
        if self.numbers[line] != numbers:
            expected = f"a line of {numbers} numbers" if numbers > 1 else "one number"
            raise self.error(f"expected {what}, {expected}, got {self.numbers[line]}: {_shown(self[line])}", line)
        token = self[line].split(None, 1)[0]
        if not token.isdigit():
            raise self.error(f"expected {what}, an integer from 0, got {_shown(token)}", line)
        return int(token)

    def error(self, reason: str, line: int | None = None) -> ClipFormatError:
        return ClipFormatError(self.path, reason, line=None if line is None else line + 1)


def _walk(lines: _Lines) -> list[int]:
    """The number of bodies in each frame."""
    frames = lines.integer(0, "the count of frames")
    if len(lines) == 1:
        raise lines.error("expected frames after their count, got the end of the file", 0)
    if not 1 <= frames < len(lines):
        raise lines.error(f"expected 1..{len(lines) - 1} frames for {len(lines)} lines, got {frames}", 0)
    counts: list[int] = []
    line = 1
    try:
        for frame in range(frames):
            if line >= len(lines):
                raise lines.error(f"expected frame {frame + 1} of {frames}, got the end of the file", line)
            bodies = lines.integer(line, "the count of bodies")
            left = len(lines) - line - 1
            if bodies * _BLOCK > left:
                raise lines.error(f"expected {bodies} bodies of {_BLOCK} lines, got {left} lines to the end", line)
            counts.append(bodies)
            line += 1 + bodies * _BLOCK
        if line < len(lines):
            raise lines.error(f"expected the end of the file after {frames} frames, got {_shown(lines[line])}", line)
    except ClipFormatError:
        _check_blocks(lines, _entries(counts)[0])  # what is wrong may have begun in an earlier frame
        raise
    return counts


def _entries(counts: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For each body in each frame: its first line, the frame, its place in the frame's list."""
    bodies = np.array(counts, dtype=np.int64)
    frame = np.repeat(np.arange(len(bodies)), bodies)
    entry = np.arange(len(frame))
    return 2 + frame + _BLOCK * entry, frame, entry - (np.cumsum(bodies) - bodies)[frame]


def _check_blocks(lines: _Lines, first: NDArray[np.int64]) -> None:
    """Raise for the first line that has not as many numbers as its place asks for, or another joint count."""
    rows = first[:, None] + np.arange(_BLOCK)
    right = lines.numbers[rows] == np.array([_HEADER, 1] + [_JOINT] * JOINTS)
    right[:, 1] &= np.array([lines[line].strip() == b"%d" % JOINTS for line in rows[:, 1]], dtype=np.bool_)
    if not right.all():
        line, part = int(rows[~right][0]), int(np.nonzero(~right)[1][0])
        what = (f"a body's first line, {_HEADER} numbers", f"the joint count, {JOINTS}", f"a joint, {_JOINT} numbers")
        got = f"{lines.numbers[line]} of them: {_shown(lines[line])}"
        raise lines.error(f"expected {what[min(part, 2)]}, got {got}", line)


def _track(lines: _Lines, first: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The column of each entry's body."""
    columns: dict[tuple[int, int], int] = {}
    twins: dict[int, int] = {}
    body = []
    for line, place in zip(first.tolist(), order.tolist(), strict=True):
        identity = lines.integer(line, "the id of a body", numbers=_HEADER)
        if identity >= 2**64:
            raise lines.error(f"expected the id of a body, an integer of 64 bits, got {identity}", line)
        twins = twins if place else {}
        twin = twins[identity] = twins.get(identity, -1) + 1
        body.append(columns.setdefault((identity, twin), len(columns)))
    return np.array(body, dtype=np.int64)


def _coordinates(lines: _Lines, first: NDArray[np.int64]) -> NDArray[np.float32]:
    """``(entries, v, c)``."""
    tokens: list[bytes] = []
    bounds = lines.start[first + 2].tolist(), lines.start[first + _BLOCK].tolist()
    for start, end in zip(*bounds, strict=True):
        for text in lines.data[start : end - 1].split(b"\n"):
            x, y, z, _ = text.split(None, 3)
            tokens += x, y, z
    with np.errstate(over="ignore"):
        try:
            xyz = np.array(tokens, dtype=np.float64).astype(np.float32)
        except ValueError:
            xyz = np.array(np.nan, dtype=np.float32)
        if not np.isfinite(xyz).all() or (b"_" in lines.data and b"_" in b"".join(tokens)):
            place = next(i for i, token in enumerate(tokens) if not _is_coordinate(token))
            entry, joint = divmod(place // 3, JOINTS)
            line = int(first[entry]) + 2 + joint
            raise lines.error(f"expected a finite {'xyz'[place % 3]} in meters, got {_shown(tokens[place])}", line)
    return xyz.reshape(-1, JOINTS, 3)


def _is_coordinate(token: bytes) -> bool:
    try:
        return b"_" not in token and bool(np.isfinite(np.float32(float(token))))
    except ValueError:
        return False


def _shown(text: bytes) -> str:
    text = text.strip()
    return repr((text if len(text) <= 40 else text[:37] + b"...").decode("ascii"))
