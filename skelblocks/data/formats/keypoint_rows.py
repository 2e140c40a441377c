"""Check and stack the rows of numbers in a pose estimator's file: x, y and score of each joint in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks import layouts
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.formats.detections import PoseOptions
from skelblocks.layouts import SkeletonLayout

_NUMBERS = {int, float, type(None)}
MOST_JOINTS = 1000


def check_row(row: Any, *, path: Path, where: str, per_joint: int = 3) -> list[float | None]:
    """A list of numbers, ``per_joint`` of them for each joint; ``null`` is a number that is missing.

    Args:
        row: What the file has.
        path: The file.
        where: Names the place in errors, such as ``"frame 3, person 0: pose_keypoints_2d"``.
        per_joint: Numbers for each joint.

    Returns:
        The list.

    Raises:
        ClipFormatError: It is no list, holds something else, or is not a multiple of ``per_joint`` long.

    Example:
        >>> check_row([1.0, 2, 0.5], path=Path("a.json"), where="frame 0")
        [1.0, 2, 0.5]
    """
    if not isinstance(row, list):
        raise ClipFormatError(path, f"{where}: expected a list of numbers, got {describe(row)}")
    if not set(map(type, row)) <= _NUMBERS:
        other = next(value for value in row if type(value) not in _NUMBERS)
        raise ClipFormatError(path, f"{where}: expected a list of numbers, got {describe(other)} in it")
    if len(row) % per_joint or len(row) > MOST_JOINTS * per_joint:
        raise ClipFormatError(path, f"{where}: expected {per_joint} numbers for each joint, got {len(row)} numbers")
    return row


def stack_rows(
    rows: Sequence[Sequence[float | None]], *, path: Path, where: Sequence[str], per_joint: int = 3
) -> NDArray[np.float64]:
    """Rows of the same length as an array ``(n, v, per_joint)``, NaN where a number is missing.

    Args:
        rows: From :func:`check_row`.
        path: The file.
        where: The place of each row, for errors.
        per_joint: Numbers for each joint.

    Raises:
        ClipFormatError: Rows of different lengths, or a number that no float holds.

    Example:
        >>> stack_rows([[1.0, 2.0, None]], path=Path("a.json"), where=["frame 0"])
        array([[[ 1.,  2., nan]]])
    """
    if not rows:
        return np.empty((0, 0, per_joint))
    lengths = [len(row) for row in rows]
    other = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    if other is not None:
        raise ClipFormatError(
            path,
            f"{where[other]}: expected {lengths[0] // per_joint} joints as before, got {lengths[other] // per_joint}",
        )
    try:
        flat = np.array(rows, dtype=np.float64)
    except OverflowError:
        raise ClipFormatError(path, "expected numbers that a float holds, got a larger integer") from None
    return flat.reshape(len(rows), -1, per_joint)


def joints_and_scores(
    rows: Sequence[Sequence[float | None]],
    *,
    where: Sequence[str],
    known: Mapping[int, str],
    options: PoseOptions,
    path: Path,
    tool: str,
) -> tuple[SkeletonLayout | str, NDArray[np.float64], NDArray[np.float64]]:
    """Rows of x, y and score as arrays, with the layout for their number of joints.

    Args:
        rows: From :func:`check_row`.
        where: The place of each row, for errors.
        known: The layout of each number of joints that the tool writes.
        options: The caller's layout comes before these.
        path: The file.
        tool: The tool's name, for errors.

    Returns:
        The layout, joints ``(n, v, 2)`` and scores ``(n, v)``. Joints that follow the layout's are left out.

    Raises:
        ClipFormatError: As :func:`stack_rows` and :func:`choose_layout`, or there is no row and no layout.

    Example:
        >>> layout, x, scores = joints_and_scores([[10.0, 20.0, 0.9] * 25], where=["frame 0"], known={25: "body-25"},
        ...     options=PoseOptions(), path=Path("a.json"), tool="OpenPose")
        >>> layout, x.shape, scores.shape
        ('body-25', (1, 25, 2), (1, 25))
    """
    if not rows:
        if options.layout is None:
            raise ClipFormatError(
                path, "expected a person in one of the frames, got none; pass layout= to read empty frames"
            )
        return options.layout, np.empty((0, options.layout.num_joints, 2)), np.empty((0, options.layout.num_joints))
    x = stack_rows(rows, path=path, where=where)
    layout, joints = choose_layout(x.shape[1], known, layout=options.layout, path=path, tool=tool)
    return layout, x[:, :joints, :2], x[:, :joints, 2]


def choose_layout(
    joints: int, known: Mapping[int, str], *, layout: SkeletonLayout | None, path: Path, tool: str
) -> tuple[SkeletonLayout | str, int]:
    """The layout of a file that names its model only by the number of joints.

    Args:
        joints: Joints of each person in the file.
        known: The layout of each number of joints that the tool writes.
        layout: The caller's, which comes first.
        path: The file.
        tool: The tool's name, for errors.

    Returns:
        The layout, and how many of the first joints belong to it.

    Raises:
        ClipFormatError: The number is unknown, or differs from the caller's layout.

    Example:
        >>> choose_layout(25, {25: "body-25"}, layout=None, path=Path("a.json"), tool="OpenPose")
        ('body-25', 25)
    """
    name = known.get(joints)
    if layout is not None:
        first = layouts.get(name).num_joints if name is not None else joints
        if layout.num_joints not in (joints, first):
            raise ClipFormatError(
                path,
                f"layout: expected a layout with the {joints} joints of this file, got {layout.name!r} with "
                f"{layout.num_joints}; pass another layout=, or none",
            )
        return layout, layout.num_joints
    if name is None:
        counts = ", ".join(f"{count} ({known[count]})" for count in sorted(known))
        raise ClipFormatError(
            path,
            f"expected one of the numbers of joints that {tool} writes, {counts}, got {joints}; "
            f"pass layout= with a layout of {joints} joints",
        )
    return name, layouts.get(name).num_joints


def describe(value: Any) -> str:
    """A value's kind, in the words of JSON."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def integer_ids(values: Sequence[Any]) -> NDArray[np.int64] | None:
    """Persons' ids as an array; None unless each is an integer of 63 bits.

    Example:
        >>> integer_ids([3, 4]), integer_ids([3, None])
        (array([3, 4]), None)
    """
    if not values or not all(type(value) is int and abs(value) < 2**62 for value in values):
        return None
    return np.array(values, dtype=np.int64)
