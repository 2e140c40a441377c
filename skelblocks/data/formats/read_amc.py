"""Motion capture in pairs of ASF and AMC files: the skeleton in the one, the frames in the other.

Axes: c coordinates, t frames, v joints, k channels.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from skelblocks._utils.checks import check_positive
from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.asf_file import ROOT, AsfBone, AsfFile, parse_asf
from skelblocks.data.formats.forward_kinematics import Floats, frame_blocks, joint_positions, rotation_matrices
from skelblocks.data.formats.numbered_lines import NumberedLines, finite_number, shown
from skelblocks.data.formats.with_remedy import with_remedy
from skelblocks.layouts import SkeletonLayout, from_hierarchy

_LARGEST = 1 << 29  # bytes
_GROWTH, _SLACK = 16, 1 << 20  # the coordinates may take this many times the file's bytes, or this number of bytes
_SIDE = "lhipjoint lfemur ltibia lfoot ltoes"
_ARM = "lclavicle lhumerus lradius lwrist lhand lfingers lthumb"
_CMU_BONES = [
    *f"root {_SIDE} {_SIDE.replace(' l', ' r').replace('lhip', 'rhip')}".split(),
    *("lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head"),
    *f"{_ARM} {_ARM.replace(' l', ' r').replace('lclavicle', 'rclavicle')}".split(),
]


def looks_like_asf(head: bytes) -> bool:
    r"""Whether a file that begins with these bytes is an ASF file.

    Example:
        >>> looks_like_asf(b"# made by hand\n:version 1.10\n:name VICON"), looks_like_asf(b":DEGREES\n1")
        (True, False)
    """
    words = _words(head)
    return bool(words) and words[0].startswith(":") and bool({":root", ":bonedata", ":units", ":version"} & {*words})


def looks_like_amc(head: bytes) -> bool:
    r"""Whether a file that begins with these bytes is an AMC file.

    Example:
        >>> looks_like_amc(b"#!OML:ASF\n:FULLY-SPECIFIED\n:DEGREES\n1\nroot 0 0 0"), looks_like_amc(b"{}")
        (True, False)
    """
    words = _words(head)
    while words and words[0].startswith(":"):
        words.pop(0)
    return len(words) > 2 and words[0].isdecimal() and finite_number(words[1]) is None and not looks_like_asf(head)


def _words(head: bytes) -> list[str]:
    lines = [line.partition("#")[0] for line in head[:4096].decode("latin-1").lower().split("\n")]
    return [word for line in lines for word in line.split()[:2]]


@explain_arguments
@with_remedy("export the motion as ASF and AMC again")
def read_amc(
    path: str | os.PathLike[str],
    *,
    skeleton: str | os.PathLike[str] | None = None,
    fps: float | None = None,
    unit_scale: float = 1.0,
) -> list[RawClip]:
    r"""Read an AMC file with its ASF file: the positions of the bones' ends in the world.

    The joints are the root and the end of each bone, in the order of the ASF file. Of CMU's and HDM05's skeleton these
    are the layout ``hdm05``; of others the layout is :func:`skelblocks.layouts.from_hierarchy` of the tree, named
    ``asf-`` and the number of joints.

    Args:
        path: The AMC file.
        skeleton: Its ASF file. Default: the one in the same folder whose name the AMC file's begins with, such as
            ``02.asf`` for ``02_01.amc``, or the only one.
        fps: Frames per second, which the files do not say. CMU's and HDM05's recordings have 120, some of CMU's 60.
        unit_scale: Factor for the coordinates. With 0.056444, coordinates of CMU and HDM05 are in meters.

    Returns:
        One clip ``(3, t, v, 1)``, y up, with every joint seen.

    Raises:
        ClipFormatError: A file is damaged or of another form, with the line, or there is no ASF file.
        OSError: A file cannot be read.
        TypeError: ``fps`` or ``unit_scale`` is not a number.
        ValueError: ``fps`` or ``unit_scale`` is not above 0.

    Example:
        >>> import tempfile
        >>> asf = '''
        ... :units
        ...   angle deg
        ... :root
        ...   order TX TY TZ RX RY RZ
        ... :bonedata
        ...   begin
        ...     name arm
        ...     direction 1 0 0
        ...     length 3
        ...     axis 0 0 0 XYZ
        ...     dof rz
        ...   end
        ... :hierarchy
        ...   begin
        ...     root arm
        ...   end
        ... '''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = open(f"{folder}/1.asf", "w").write(asf)
        ...     _ = open(f"{folder}/1_01.amc", "w").write(":DEGREES\n1\nroot 0 5 0 0 0 0\narm 90\n")
        ...     [clip] = read_amc(f"{folder}/1_01.amc")
        >>> clip.x[:, 0, 1, 0].round(3).tolist(), clip.layout.joints
        ([0.0, 8.0, 0.0], ('root', 'arm'))
    """
    path = Path(path)
    if fps is not None:
        check_positive(fps, name="fps")
    check_positive(unit_scale, name="unit_scale")
    size = path.stat().st_size
    if size > _LARGEST:
        raise ClipFormatError(path, f"expected an AMC file of at most {_LARGEST} bytes, got {size}")
    asf = parse_asf(find_asf(path) if skeleton is None else Path(skeleton))
    with path.open("rb") as file:
        values = _Frames(size, asf, NumberedLines(path, file)).parse()
    x = np.empty((3, len(values), len(asf.bones), 1), dtype=np.float32)
    for block in frame_blocks(len(values), len(asf.bones)):
        x[:, block, :, 0] = rearrange(unit_scale * amc_positions(asf, values[block]), "t v c -> c t v")
    seen = np.ones((len(values), 1), dtype=np.bool_)
    return [RawClip(path.stem, x, seen, -1, {}, layout=_layout(asf), fps=None if fps is None else float(fps))]


def find_asf(path: Path) -> Path:
    """The ASF file of an AMC file.

    Raises:
        ClipFormatError: There is none in its folder, or several of which none has a name that fits.
    """
    found = sorted(each for each in path.parent.iterdir() if each.suffix.lower() == ".asf")
    fitting = [each for each in found if path.stem.lower().startswith(each.stem.lower())]
    if fitting:
        return max(fitting, key=lambda each: len(each.stem))
    if len(found) == 1:
        return found[0]
    got = ", ".join(escape(each.name) for each in found[:5]) or "none"
    raise ClipFormatError(
        path, f"expected the ASF file of its skeleton beside it, got {got}; pass read_amc(..., skeleton='the.asf')"
    )


def amc_positions(asf: AsfFile, values: Floats) -> Floats:
    """``(t, v, 3)``: where the root and the bones end, in float64, in the file's unit.

    A bone turns about its own axes, which its ``axis`` turned from the world's: by ``C R C^-1``. In ``C`` and in
    ``R`` the angle that comes first is applied first.

    Args:
        asf: The skeleton.
        values: ``(t, k)``: the channels of all bones in order, angles in radians.
    """
    shifts = np.zeros((len(values), len(asf.bones), 3))
    rotations = np.empty((*shifts.shape, 3))
    column = 0
    for place, bone in enumerate(asf.bones.values()):
        own = values[:, column : column + len(bone.channels)]
        column += len(bone.channels)
        turns = [at for at, channel in enumerate(bone.channels) if channel.startswith("r")][::-1]
        order = "".join(bone.channels[at][1].upper() for at in turns)
        axes = rotation_matrices(np.array(bone.axis)[::-1], bone.axis_order[::-1])
        rotations[:, place] = axes @ rotation_matrices(own[:, turns], order) @ axes.T
        shifts[:, place] = rotations[:, place] @ (bone.length * np.array(bone.direction)) + bone.position
        for at, channel in enumerate(bone.channels):
            if channel.startswith("t"):
                shifts[:, place, "xyz".index(channel[1])] += own[:, at]
    names = list(asf.bones)
    order_of_tree = _parents_first(asf)
    parents = [
        order_of_tree.index(names.index(asf.parents[names[i]])) if names[i] != ROOT else -1 for i in order_of_tree
    ]
    positions = np.empty_like(shifts)
    positions[:, order_of_tree] = joint_positions(parents, shifts[:, order_of_tree], rotations[:, order_of_tree])
    return positions


def _parents_first(asf: AsfFile) -> list[int]:
    """The places of the bones, each after the one that it hangs on, whatever the file's order."""
    names, order = list(asf.bones), [0]
    children: dict[str, list[int]] = {}
    for child, parent in asf.parents.items():
        children.setdefault(parent, []).append(names.index(child))
    for place in order:  # grows on the way
        order += children.get(names[place], [])
    return order


def _layout(asf: AsfFile) -> str | SkeletonLayout:
    names = list(asf.bones)
    if names == _CMU_BONES:
        return "hdm05"
    parents = [names.index(asf.parents[name]) if name != ROOT else -1 for name in names]
    return from_hierarchy(parents, names, name=f"asf-{len(names)}")


class _Frames:
    """The numbers of an AMC file, a row for each frame."""

    def __init__(self, size: int, asf: AsfFile, lines: NumberedLines) -> None:
        self.size, self.lines = size, lines
        self.asf, self.degrees = asf, asf.degrees
        self.columns: dict[str, tuple[AsfBone, slice]] = {}
        self.turns = np.array([channel[0] == "r" for bone in asf.bones.values() for channel in bone.channels], bool)
        self.width = 0
        for bone in asf.bones.values():
            if bone.channels:
                self.columns[bone.name] = bone, slice(self.width, self.width + len(bone.channels))
                self.width += len(bone.channels)

    def parse(self) -> NDArray[np.float64]:
        rows: list[NDArray[np.float64]] = []
        missing: set[str] = set()
        number = None
        for line in self.lines:
            words = line.partition("#")[0].split()
            if not words:
                continue
            if words[0].startswith(":"):
                self.header(words[0].lower(), is_first=number is None)
            elif len(words) == 1 and words[0].isdecimal():
                number = self.frame(words[0], number, missing)
                rows.append(np.zeros(self.width))
                self.check_size(len(rows))
                missing = set(self.columns)
            elif number is None:
                self.lines.fail(f"expected the number of a frame, got {shown(' '.join(words))}")
            else:
                self.bone(words, rows[-1], missing)
        self.frame("end", number, missing)
        values = np.stack(rows)
        return np.where(self.turns, np.radians(values), values) if self.degrees else values

    def header(self, word: str, *, is_first: bool) -> None:
        if not is_first:
            self.lines.fail(f"expected {shown(word)} before the first frame")
        if word in (":degrees", ":radians"):
            self.degrees = word == ":degrees"

    def frame(self, word: str, number: int | None, missing: set[str]) -> int:
        """The number of the frame that begins, after the one before is found to be complete."""
        if missing:
            self.lines.fail(f"frame {number}: expected numbers for {escape(sorted(missing)[0])!r}, got none")
        if word == "end":
            if number is None:
                self.lines.fail("expected frames, got the end of the file")
            return number
        if len(word) > 12 or (number is not None and int(word) != number + 1):
            self.lines.fail(f"expected frame {'' if number is None else number + 1}, got {shown(word)}")
        return int(word)

    def bone(self, words: list[str], row: NDArray[np.float64], missing: set[str]) -> None:
        if words[0] not in missing:
            why = "a second line" if words[0] in self.columns else "a name that has no dof in the ASF file"
            self.lines.fail(f"expected one line for each bone, got {why}: {shown(' '.join(words))}")
        bone, columns = self.columns[words[0]]
        row[columns] = self.lines.numbers(words[1:], len(bone.channels), repr(escape(bone.name)))
        missing.discard(bone.name)

    def check_size(self, frames: int) -> None:
        if 12 * frames * len(self.asf.bones) > max(_GROWTH * self.size, _SLACK):
            self.lines.fail(
                f"expected coordinates of at most {_GROWTH} times the file's size, got {len(self.asf.bones)} bones"
            )
