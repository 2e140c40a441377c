"""The text of an ASF file: the bones of an Acclaim skeleton, as CMU's and HDM05's recordings have them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.formats.numbered_lines import NumberedLines, shown

LARGEST_ASF = 1 << 22  # bytes; CMU's have 8 thousand
_MOST_BONES = 1000
_NAME = re.compile(r"[^\s:#]{1,100}")
_TURNS, _SHIFTS = ("rx", "ry", "rz"), ("tx", "ty", "tz")
ROOT = "root"


@dataclass
class AsfBone:
    """A bone, which ends in the joint of its name; the root is a bone of length 0.

    Attributes:
        name: Its name.
        direction: Where it points at rest, in the world, a unit vector.
        length: In the file's unit.
        axis: Three angles in radians that turn the world's axes into the bone's own.
        axis_order: The axes of these angles, the one that is applied first coming first.
        channels: The numbers that a frame has for it, such as ``("rx", "rz")``, in their order.
        position: Where the root rests; of other bones zero.
    """

    name: str
    direction: tuple[float, ...] = (0.0, 0.0, 0.0)
    length: float = 0.0
    axis: tuple[float, ...] = (0.0, 0.0, 0.0)
    axis_order: str = "XYZ"
    channels: tuple[str, ...] = ()
    position: tuple[float, ...] = (0.0, 0.0, 0.0)


@dataclass
class AsfFile:
    """What an ASF file says.

    Attributes:
        bones: In the file's order, the root first.
        parents: For each bone the name of the one that it hangs on; the root has none.
        degrees: Whether angles are in degrees, of frames too unless they say something else.
    """

    bones: dict[str, AsfBone] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    degrees: bool = True


def parse_asf(path: Path) -> AsfFile:
    """Read the skeleton of an ASF file, whatever the encoding of its header.

    Args:
        path: The file.

    Returns:
        Its bones.

    Raises:
        ClipFormatError: The file is no ASF, or its bones make no tree; with the line.
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    if size > LARGEST_ASF:
        raise ClipFormatError(path, f"expected an ASF file of at most {LARGEST_ASF} bytes, got {size}")
    return _Parser(NumberedLines(path, path.read_bytes().splitlines())).parse()


class _Parser:
    def __init__(self, lines: NumberedLines) -> None:
        self.lines = lines
        self.asf = AsfFile()
        self.parents: dict[str, str] = {}
        self.bone: AsfBone | None = None  # the one between begin and end

    def parse(self) -> AsfFile:
        section = ""
        self.asf.bones[ROOT] = AsfBone(ROOT)
        for line in self.lines:
            words = line.partition("#")[0].split()
            if not words:
                continue
            if words[0].startswith(":"):
                section = words[0].lower()
            elif section == ":units" and words[0].lower() == "angle":
                self.asf.degrees = self.is_degrees(words[1:])
            elif section == ":root":
                self.root(words[0].lower(), words[1:])
            elif section == ":bonedata":
                self.bone_line(words[0].lower(), words[1:])
            elif section == ":hierarchy":
                self.hierarchy(words)
        if len(self.asf.bones) < 2:
            self.lines.fail("expected an ASF file with :root, :bonedata and :hierarchy, got no bones")
        self.check_tree()
        self.asf.parents = self.parents
        if self.asf.degrees:
            for bone in self.asf.bones.values():
                bone.axis = tuple(map(math.radians, bone.axis))
        return self.asf

    def is_degrees(self, words: list[str]) -> bool:
        if len(words) != 1 or words[0].lower()[:3] not in ("deg", "rad"):
            self.lines.fail(f"expected angle deg or rad, got {shown(' '.join(words))}")
        return words[0].lower().startswith("deg")

    def root(self, word: str, rest: list[str]) -> None:
        root = self.asf.bones[ROOT]
        if word == "order":
            root.channels = self.channels(rest)
        elif word == "axis":
            root.axis_order = self.axis_order(rest)
        elif word == "position":
            root.position = self.numbers(rest, 3, word)
        elif word == "orientation":
            root.axis = self.numbers(rest, 3, word)

    def bone_line(self, word: str, rest: list[str]) -> None:
        if word == "begin":
            if self.bone is not None:
                self.lines.fail("expected the end of the bone before the next one begins")
            self.bone = AsfBone("")
        elif self.bone is None:
            self.lines.fail(f"expected begin before a bone's {shown(word)}")
        elif word == "end":
            if not self.bone.name:
                self.lines.fail("expected a bone to have a name")
            self.bone = None
        elif word == "name":
            self.name_bone(rest)
        elif word == "direction":
            direction = self.numbers(rest, 3, word)
            norm = math.hypot(*direction)
            if not norm > 0:
                self.lines.fail("expected a direction of some length, got 0 0 0")
            self.bone.direction = tuple(each / norm for each in direction)
        elif word == "length":
            self.bone.length = self.numbers(rest, 1, word)[0]
        elif word == "axis":
            self.bone.axis, self.bone.axis_order = self.numbers(rest[:3], 3, word), self.axis_order(rest[3:])
        elif word == "dof":
            self.bone.channels = self.channels(rest)
            if set(self.bone.channels) - set(_TURNS):
                self.lines.fail(f"expected a bone's dof to be of rx, ry and rz, got {shown(' '.join(rest))}")

    def name_bone(self, words: list[str]) -> None:
        assert self.bone is not None
        if len(words) != 1 or not _NAME.fullmatch(words[0]) or not words[0].isprintable() or self.bone.name:
            self.lines.fail(f"expected one name for a bone, got {shown(' '.join(words))}")
        if words[0] in self.asf.bones or len(self.asf.bones) > _MOST_BONES:
            self.lines.fail(f"expected at most {_MOST_BONES} bones with names of their own, got another {words[0]!r}")
        self.bone.name = words[0]
        self.asf.bones[words[0]] = self.bone

    def hierarchy(self, words: list[str]) -> None:
        if words[0] in ("begin", "end"):
            return
        for word in words:
            if word not in self.asf.bones:
                self.lines.fail(f"expected the bones of :bonedata in :hierarchy, got {shown(word)}")
        for child in words[1:]:
            if child in self.parents or child == ROOT:
                self.lines.fail(f"expected each bone below one other, got {child!r} again")
            self.parents[child] = words[0]

    def check_tree(self) -> None:
        for name in self.asf.bones:
            above, seen = name, {name}
            while above != ROOT:
                above = self.parents.get(above, "")
                if above in seen or not above:
                    self.lines.fail(f"expected :hierarchy to lead from root to every bone, got none to {name!r}")
                seen.add(above)

    def channels(self, words: list[str]) -> tuple[str, ...]:
        found = tuple(word.lower() for word in words)
        if set(found) - {*_TURNS, *_SHIFTS} or len(set(found)) != len(found):
            self.lines.fail(f"expected channels such as rx and tz, each once, got {shown(' '.join(words))}")
        return found

    def axis_order(self, words: list[str]) -> str:
        order = "".join(words).upper()
        if sorted(order) != ["X", "Y", "Z"]:
            self.lines.fail(f"expected an order of axes such as XYZ, got {shown(' '.join(words))}")
        return order

    def numbers(self, words: list[str], count: int, what: str) -> tuple[float, ...]:
        return tuple(self.lines.numbers(words, count, what))
