"""The text of a BVH file: a tree of joints, their channels, and a row of numbers for each frame.

Axes: t frames, v joints, k channels.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.formats.numbered_lines import NumberedLines, shown

_LARGEST = 1 << 29  # bytes; half an hour of 75 joints at 120 frames per second
_MOST_JOINTS, _MOST_LEVELS = 1000, 200
_LONGEST_NAME = 200
_GROWTH, _SLACK = 16, 1 << 20  # the coordinates may take this many times the file's bytes, or this number of bytes
_PIECES = re.compile(r"[{}]|[^{}]+")


class BvhFile(NamedTuple):
    """What a BVH file says, with end sites as joints without channels.

    Attributes:
        names: The joints' names, parents before children; an end site has the name of its joint and ``_end``.
        parents: For each joint the place of its parent, -1 for the root.
        offsets: ``(v, 3)``, where each joint rests, counted from its parent, in the file's unit.
        channels: For each joint its channels in the file's order, such as ``("Xposition", "Zrotation")``.
        is_end: ``(v,)``, true for end sites.
        values: ``(t, k)``, the channels of all joints in order; angles in degrees.
        frame_time: The seconds of a frame, as written.
    """

    names: list[str]
    parents: list[int]
    offsets: NDArray[np.float64]
    channels: list[tuple[str, ...]]
    is_end: NDArray[np.bool_]
    values: NDArray[np.float64]
    frame_time: str


def parse_bvh(path: Path) -> BvhFile:
    """Read a BVH file as it is: nothing turned, scaled or left out.

    Args:
        path: The file.

    Returns:
        Its skeleton and its numbers.

    Raises:
        ClipFormatError: The file is no BVH, breaks off, is larger than 512 MB, or holds a number that is not finite;
            with the line.
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    if size > _LARGEST:
        raise ClipFormatError(path, f"expected a BVH file of at most {_LARGEST} bytes, got {size}")
    with path.open("rb") as file:
        return _Parser(size, NumberedLines(path, file)).parse()


class _Parser:
    def __init__(self, size: int, lines: NumberedLines) -> None:
        self.size, self.lines = size, lines
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float]] = []
        self.channels: list[tuple[str, ...]] = []
        self.is_end: list[bool] = []
        self.open: list[int] = []  # the joints between whose braces the line is

    def next_line(self) -> str | None:
        """The next line that is not blank; None at the end of the file."""
        return next(filter(None, self.lines), None)

    def parse(self) -> BvhFile:
        first = self.next_line()
        if first is None or first.upper() != "HIERARCHY":
            self.lines.fail(f"expected a BVH file, which begins with HIERARCHY, got {shown(first)}")
        self.hierarchy()
        values, frame_time = self.motion()
        offsets = np.array(self.offsets, dtype=np.float64)
        is_end = np.array(self.is_end, dtype=np.bool_)
        return BvhFile(self.names, self.parents, offsets, self.channels, is_end, values, frame_time)

    def hierarchy(self) -> None:
        """The joints, up to and including the line MOTION."""
        waiting = False  # whether a brace must open
        while (line := self.next_line()) is not None:
            if line.upper() == "MOTION":
                if self.open or waiting or not self.names:
                    self.lines.fail("expected the hierarchy to be complete before MOTION; a brace is not closed")
                return
            for piece in map(str.strip, _PIECES.findall(line)):
                if piece == "{":
                    if not waiting:
                        self.lines.fail("expected a brace to open only after ROOT, JOINT or End Site")
                    self.open.append(len(self.names) - 1)
                    waiting = False
                elif waiting:
                    self.lines.fail(f"expected an opening brace after {self.names[-1]!r}, got {shown(piece)}")
                elif piece == "}":
                    self.close()
                elif piece:
                    waiting = self.statement(piece)
        self.lines.fail("expected MOTION after the hierarchy, got the end of the file")

    def statement(self, piece: str) -> bool:
        """One line of the hierarchy; whether a brace must follow."""
        word, _, rest = piece.replace("\t", " ").partition(" ")
        word, rest = word.upper(), rest.strip()
        if word in ("ROOT", "JOINT"):
            self.joint(rest, is_root=word == "ROOT")
        elif word == "END" and rest.upper() == "SITE":
            if not self.open:
                self.lines.fail("expected an End Site inside a joint")
            self.add(f"{self.names[self.open[-1]]}_end", is_end=True)
        elif word == "OFFSET":
            joint = self.inside("OFFSET")
            if self.offsets[joint]:
                self.lines.fail(f"expected one OFFSET for {self.names[joint]!r}, got a second one")
            self.offsets[joint] = self.lines.numbers(rest.split(), 3, "OFFSET")
            return False
        elif word == "CHANNELS":
            self.set_channels(self.inside("CHANNELS"), rest.split())
            return False
        else:
            self.lines.fail(f"expected ROOT, JOINT, End Site, OFFSET, CHANNELS or a brace, got {shown(piece)}")
        return True

    def joint(self, name: str, *, is_root: bool) -> None:
        if is_root and self.names:
            self.lines.fail("expected one ROOT, got a second one; write one file for each skeleton")
        if not is_root and not self.open:
            self.lines.fail("expected JOINT inside another joint's braces")
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            self.lines.fail(f"expected a printable name of 1 to {_LONGEST_NAME} characters, got {shown(name)}")
        self.add(name, is_end=False)

    def add(self, name: str, *, is_end: bool) -> None:
        if len(self.names) == _MOST_JOINTS or len(self.open) == _MOST_LEVELS:
            self.lines.fail(f"expected at most {_MOST_JOINTS} joints on {_MOST_LEVELS} levels, got more")
        if self.open and self.is_end[self.open[-1]]:
            self.lines.fail("expected nothing but OFFSET inside an End Site")
        taken, plain, count = set(self.names), name, 1
        while name in taken:  # several end sites of a joint, or exporters that give a name twice
            count += 1
            name = f"{plain}_{count}"
        self.names.append(name)
        self.parents.append(self.open[-1] if self.open else -1)
        self.offsets.append([])
        self.channels.append(())
        self.is_end.append(is_end)

    def inside(self, what: str) -> int:
        if not self.open:
            self.lines.fail(f"expected {what} inside a joint's braces")
        return self.open[-1]

    def close(self) -> None:
        if not self.open:
            self.lines.fail("expected no closing brace here; none is open")
        joint = self.open.pop()
        if not self.offsets[joint]:
            self.lines.fail(f"expected an OFFSET for {self.names[joint]!r} before its closing brace")

    def set_channels(self, joint: int, words: list[str]) -> None:
        name, line = self.names[joint], " ".join(words)
        if self.channels[joint] or self.is_end[joint]:
            self.lines.fail(f"expected one CHANNELS for a joint and none for an End Site, got another for {name!r}")
        if not words or not words[0].isdecimal() or len(words[0]) > 3 or int(words[0]) != len(words) - 1:
            self.lines.fail(f"expected CHANNELS, a count and as many names, got {shown(line)}")
        channels = tuple(word[:1].upper() + word[1:].lower() for word in words[1:])
        positions = [channel for channel in channels if channel in ("Xposition", "Yposition", "Zposition")]
        rotations = [channel for channel in channels if channel in ("Xrotation", "Yrotation", "Zrotation")]
        if len(positions) + len(rotations) != len(channels):
            self.lines.fail(f"expected channels such as Xposition and Zrotation, got {shown(line)}")
        if len(set(positions)) != len(positions) or len(rotations) > 3:
            self.lines.fail(
                f"expected each position once and at most three rotations, got {shown(' '.join(words[1:]))}"
            )
        self.channels[joint] = channels

    def motion(self) -> tuple[NDArray[np.float64], str]:
        """The rows of numbers, and the seconds of a frame."""
        count = self.setting("Frames")
        if not count.isdecimal() or len(count) > 12 or int(count) < 1:
            self.lines.fail(f"expected Frames: and an integer from 1, got {shown(count)}")
        frames = int(count)
        frame_time = self.setting("Frame Time")
        seconds = self.lines.numbers(frame_time.split(), 1, "Frame Time")[0]
        if not 0 < seconds < 1e6:
            self.lines.fail(f"expected Frame Time: and a number of seconds above 0, got {shown(frame_time)}")
        width = sum(map(len, self.channels))
        self.check_size(frames, width)
        values = np.empty((frames, width), dtype=np.float64)
        for frame in range(frames):
            line = self.next_line()
            if line is None:
                self.lines.fail(f"expected {frames} frames, got the end of the file after {frame}")
            values[frame] = self.lines.numbers(line.split(), width, f"frame {frame}")
        if (line := self.next_line()) is not None:
            self.lines.fail(f"expected the end of the file after {frames} frames, got {shown(line)}")
        return values, frame_time

    def check_size(self, frames: int, width: int) -> None:
        """Raise where the arrays would be much larger than the file."""
        if width == 0:
            self.lines.fail("expected channels, got a skeleton without any")
        if 2 * frames * width > self.size:
            self.lines.fail(
                f"expected {frames} frames of {width} numbers, got a file of {self.size} bytes, which is too short"
            )
        if 12 * frames * len(self.names) > max(_GROWTH * self.size, _SLACK):
            self.lines.fail(
                f"expected coordinates of at most {_GROWTH} times the file's size, got {len(self.names)} joints"
            )

    def setting(self, name: str) -> str:
        line = self.next_line()
        found = re.fullmatch(rf"{name.replace(' ', chr(92) + 's+')}\s*:\s*(.*)", line or "", re.IGNORECASE)
        if found is None:
            self.lines.fail(f"expected {name}: and a number, got {shown(line)}")
        return found[1]
