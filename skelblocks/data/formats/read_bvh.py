"""Motion capture in BVH files: forward kinematics of every rotation order.

Axes: c coordinates, t frames, v joints.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from skelblocks._utils.checks import check_choice, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import RawClip
from skelblocks.data.formats.bvh_file import BvhFile, parse_bvh
from skelblocks.data.formats.forward_kinematics import Floats, frame_blocks, joint_positions, rotation_matrices
from skelblocks.data.formats.with_remedy import with_remedy
from skelblocks.layouts import SkeletonLayout, from_hierarchy
from skelblocks.layouts.common_joints import common_name

_SMOOTH = 10  # steps after the first that are compared with it
_JUMP, _LEAST = 5.0, 0.05  # times the largest of these steps, and a share of the skeleton's extent


def looks_like_bvh(head: bytes) -> bool:
    r"""Whether a file that begins with these bytes is a BVH file.

    Example:
        >>> looks_like_bvh(b"HIERARCHY\nROOT Hips"), looks_like_bvh(b"{}")
        (True, False)
    """
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:9].upper() == b"HIERARCHY"


@explain_arguments
@with_remedy("export the motion as BVH again")
def read_bvh(
    path: str | os.PathLike[str],
    *,
    fps: float | None = None,
    unit_scale: float = 1.0,
    end_sites: bool = False,
    drop_first: bool | Literal["auto"] = False,
) -> list[RawClip]:
    """Read a BVH file: the positions of its joints in the world, and a layout out of its hierarchy.

    Rotations apply in the order in which a joint lists its channels, which may differ from joint to joint. Position
    channels, of the root or of any joint, replace the joint's offset, whether they stand before or after the rotations.
    The layout is :func:`skelblocks.layouts.from_hierarchy` of the file's tree, named ``bvh-`` and the number of its
    joints; its center is the pelvis, where a joint is named as one, otherwise the root.

    Args:
        path: The file.
        fps: Frames per second, where the file's are wrong: many copies of CMU's recordings say 120 and have 60.
            Default: from the file's frame time, to which ``0.008333`` means 120.
        unit_scale: Factor for the coordinates. BVH files do not name their unit: centimeters, meters and others occur.
        end_sites: Whether the ends of fingers, feet and head become joints, named by their joint and ``_end``.
        drop_first: Whether the first frame, in many files a T-pose, is left out. ``"auto"`` leaves it out where the
            pose jumps right after it: by more than five times the largest of the next ten steps.

    Returns:
        One clip ``(3, t, v, 1)`` with every joint seen, its layout and its frame rate.

    Raises:
        ClipFormatError: The file is no BVH, breaks off, or holds a number that is not finite; with the line.
        OSError: The file cannot be read.
        TypeError: ``fps`` or ``unit_scale`` is not a number.
        ValueError: ``fps`` or ``unit_scale`` is not above 0, or an unknown ``drop_first``.

    Example:
        >>> import tempfile
        >>> text = '''HIERARCHY
        ... ROOT Hips
        ... {
        ...   OFFSET 0 0 0
        ...   CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
        ...   JOINT Head
        ...   {
        ...     OFFSET 0 50 0
        ...     CHANNELS 3 Zrotation Xrotation Yrotation
        ...     End Site
        ...     {
        ...       OFFSET 0 10 0
        ...     }
        ...   }
        ... }
        ... MOTION
        ... Frames: 2
        ... Frame Time: 0.0333333
        ... 0 90 0 0 0 0 0 0 0
        ... 0 90 0 90 0 0 0 0 0
        ... '''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = open(f"{folder}/nod.bvh", "w").write(text)
        ...     [clip] = read_bvh(f"{folder}/nod.bvh", unit_scale=0.01)
        >>> clip.fps, clip.layout.joints, clip.x[:, 1, 1, 0].round(2).tolist()
        (30.0, ('Hips', 'Head'), [-0.5, 0.8999999761581421, 0.0])
    """
    path = Path(path)
    if fps is not None:
        check_positive(fps, name="fps")
    check_positive(unit_scale, name="unit_scale")
    check_choice(drop_first, (True, False, "auto"), name="drop_first")
    bvh = parse_bvh(path)
    kept = [joint for joint, is_end in enumerate(bvh.is_end) if end_sites or not is_end]
    x = _positions(bvh, kept, unit_scale)
    if len(x) > 1 and (_starts_with_a_jump(x) if drop_first == "auto" else drop_first):
        x = x[1:]
    clip = RawClip(
        path.stem,
        np.ascontiguousarray(rearrange(x, "t v c -> c t v 1")),
        np.ones((len(x), 1), dtype=np.bool_),
        -1,
        {},
        layout=_layout(bvh, kept),
        fps=frame_rate(bvh.frame_time) if fps is None else float(fps),
    )
    return [clip]


def bvh_positions(bvh: BvhFile, frames: slice = slice(None)) -> Floats:
    """``(t, v, 3)``: where all joints and end sites of some frames are, in float64, in the file's unit."""
    values = bvh.values[frames]
    shifts = np.broadcast_to(bvh.offsets, (len(values), *bvh.offsets.shape)).copy()
    rotations = np.empty((*shifts.shape, 3))
    column = 0
    for joint, channels in enumerate(bvh.channels):
        own = values[:, column : column + len(channels)]
        column += len(channels)
        turns = [place for place, channel in enumerate(channels) if channel.endswith("rotation")]
        axes = "".join(channels[place][0] for place in turns)
        rotations[:, joint] = rotation_matrices(np.radians(own[:, turns]), axes)
        for place, channel in enumerate(channels):
            if channel.endswith("position"):
                shifts[:, joint, "XYZ".index(channel[0])] = own[:, place]
    return joint_positions(bvh.parents, shifts, rotations)


def frame_rate(frame_time: str) -> float:
    """Frames per second out of the seconds of one, as written: a whole number where its seconds round to what is
    written.

    Example:
        >>> frame_rate("0.008333"), frame_rate(".0333667"), frame_rate("0.04")
        (120.0, 29.970000029970002, 25.0)
    """
    rate = 1 / float(frame_time)
    digits, _, exponent = frame_time.lower().partition("e")
    written = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    whole = round(rate)
    return float(whole) if whole and abs(1 / whole - float(frame_time)) <= 0.5 * written else rate


def _positions(bvh: BvhFile, kept: list[int], unit_scale: float) -> NDArray[np.float32]:
    x = np.empty((len(bvh.values), len(kept), 3), dtype=np.float32)
    for block in frame_blocks(len(x), len(bvh.names)):
        x[block] = unit_scale * bvh_positions(bvh, block)[:, kept]
    return x


def _starts_with_a_jump(x: NDArray[np.float32]) -> bool:
    if len(x) < 3:
        return False
    start = x[: _SMOOTH + 2].astype(np.float64)
    pose = start - start[:, :1]
    steps = np.linalg.norm(np.diff(pose, axis=0), axis=-1).max(axis=-1)
    extent = np.linalg.norm(pose.max(axis=(0, 1)) - pose.min(axis=(0, 1)))
    return bool(steps[0] > max(_JUMP * steps[1:].max(), _LEAST * extent))


def _layout(bvh: BvhFile, kept: list[int]) -> SkeletonLayout:
    names = [bvh.names[joint] for joint in kept]
    parents = [kept.index(bvh.parents[joint]) if bvh.parents[joint] >= 0 else -1 for joint in kept]
    center = next((name for name in names if common_name(name) == "pelvis"), None)
    return from_hierarchy(parents, names, name=f"bvh-{len(names)}", center=center)
