"""Landmarks of a body in JSON, in any of the usual forms: a list, or an object by number or name.

A landmark is ``{"x": .., "y": .., "z": .., "visibility": ..}``, which may also have its number or its name, or
``[x, y, z, visibility]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.formats.frame_files import frame_number
from skelblocks.data.formats.joint_names import plain_joint_name
from skelblocks.data.formats.keypoint_rows import describe

Kind: TypeAlias = Literal["image", "world"]
Row: TypeAlias = list[Any]
_WRAPPERS: tuple[tuple[Kind, str], ...] = (
    ("image", "keypoints"),
    ("image", "landmarks"),
    ("image", "pose_landmarks"),
    ("image", "poseLandmarks"),
    ("image", "landmark"),
    ("image", "pose"),
    ("world", "pose_world_landmarks"),
    ("world", "poseWorldLandmarks"),
    ("world", "worldLandmarks"),
    ("world", "world_landmarks"),
    ("world", "keypoints3D"),
    ("world", "keypoints_3d"),
)
_FRAME_KEYS = ("frame", "frame_id", "frame_index", "frame_number", "frame_idx")
_LISTS = ("frames", "data", "results", "poses")
_KEYS = ("id", "index", "point_index", "landmark_id", "name", "part")
_OTHER_ORDERS = (list(layouts.get("coco-17").joints),)
_SCORES = ("visibility", "score", "presence", "confidence")
WRAPPERS = frozenset(key for _, key in _WRAPPERS)


def landmark_frames(content: Any, path: Path, kind: Kind) -> list[tuple[int, list[Any]]]:
    """The frames of a file: their numbers, and the sets of landmarks of the persons in each.

    Args:
        content: What the file holds: frames as a list or by number, or one frame.
        path: The file.
        kind: Which landmarks to take if a frame has both image landmarks and world landmarks.

    Raises:
        ClipFormatError: It is none of these, or two frames have one number.

    Example:
        >>> point = {"x": 0.5, "y": 0.5}
        >>> landmark_frames([{"keypoints": [point] * 33}, {"keypoints": []}], Path("a.json"), "image") == [
        ...     (0, [[point] * 33]), (1, [])]
        True
    """
    if isinstance(content, dict):
        content = next((content[key] for key in _LISTS if isinstance(content.get(key), list | dict)), content)
    if isinstance(content, dict) and not WRAPPERS.isdisjoint(content):
        inner = _unwrap(content, kind)
        if _depth(inner) < 2:
            return [(0, _persons(inner, path, kind, "frame 0"))]
        content = inner
    if _depth(content) == 1:
        return [(0, [content])]
    listed = list(_numbered(content, path))
    numbers = [number for number, _ in listed]
    if len(set(numbers)) != len(numbers):
        twice = next(n for i, n in enumerate(numbers) if n in numbers[:i])
        raise ClipFormatError(path, f"frame {twice}: expected each frame once, got it twice")
    return [(number, _persons(frame, path, kind, f"frame {number}")) for number, frame in listed]


def landmark_row(landmarks: Any, path: Path, where: str, *, names: dict[str, int]) -> Row:
    """x, y, z and score of each landmark in one row, None if there is none.

    Args:
        landmarks: A set of them.
        path: The file.
        where: The place, for errors.
        names: The place of each joint, for landmarks by name.

    Example:
        >>> landmark_row([{"x": 1, "y": 2, "score": 0.5}], Path("a.json"), "frame 0", names={})
        [1, 2, None, 0.5]
    """
    points = _in_order(landmarks, path, where, names)
    row: Row = []
    first = next((point for point in points if point is not None), None)
    score = next((key for key in _SCORES if key in first), "") if isinstance(first, dict) else ""
    for i, point in enumerate(points):
        if type(point) is dict:
            row += (point.get("x"), point.get("y"), point.get("z"), point.get(score))
        elif point is None:
            row += (None, None, None, None)
        elif isinstance(point, list) and 2 <= len(point) <= 4:
            row += [*point, None, None][:4]
        else:
            raise ClipFormatError(path, f"{where}, joint {i}: expected x, y, z and visibility, got {describe(point)}")
    return row


def _in_order(landmarks: Any, path: Path, where: str, names: dict[str, int]) -> list[Any]:
    """The landmarks in the layout's order, None for those that are left out, where they have numbers or names."""
    points: list[Any]
    if isinstance(landmarks, dict):
        points = list(landmarks.values())
        keys: list[str] = list(landmarks)
    else:
        points = landmarks
        if not points or not isinstance(points[0], dict) or points[0].keys().isdisjoint(_KEYS):
            return points
        own = [_key(point) for point in points]
        keys = [key for key in own if key is not None]
        if len(keys) != len(points) or [plain_joint_name(key) for key in keys] in _OTHER_ORDERS:
            return points
    places = [int(key) if key.isdecimal() and len(key) < 6 else names.get(plain_joint_name(key), -1) for key in keys]
    if isinstance(landmarks, list) and -1 in places:  # names of another kind
        return points
    count = len(places) if sorted(places) == list(range(len(places))) else len(names)
    if len(set(places)) != len(places) or not all(0 <= place < count for place in places):
        shown = ", ".join(escape(key, longest=20) for key in keys[:3])
        raise ClipFormatError(
            path,
            f"{where}: expected landmarks by number from 0 to {len(names) - 1} or by MediaPipe's names, each once, got "
            f"{shown} and so on",
        )
    ordered: list[Any] = [None] * count
    for place, point in zip(places, points, strict=True):
        ordered[place] = point
    return ordered


def _key(point: Any) -> str | None:
    """A landmark's own number or name."""
    if type(point) is not dict:
        return None
    key = next((point[key] for key in _KEYS if key in point), None)
    return str(key) if isinstance(key, str | int) and not isinstance(key, bool) else None


def _depth(value: Any) -> int:
    """0 for a landmark, 1 for a set of them, 2 for frames or persons; by the first that is not empty."""
    for level in range(6):
        if isinstance(value, dict) and "x" in value:
            return level
        if isinstance(value, dict) and not WRAPPERS.isdisjoint(value):
            value = next((value[key] for _, key in _WRAPPERS if value.get(key)), None)
            level_of = _depth(value)
            return level + max(level_of, 1)
        inner = list(value.values()) if isinstance(value, dict) else value
        if not isinstance(inner, list):
            return -1
        if inner and all(isinstance(one, int | float) for one in inner[:4]):
            return level
        value = next((one for one in inner if one), None)
    return -1


def _numbered(content: Any, path: Path) -> Iterator[tuple[int, Any]]:
    """Frames with their numbers."""
    if isinstance(content, dict):
        for key, frame in content.items():
            number = frame_number(key)
            if number is None:
                raise ClipFormatError(path, f"expected frames by number, got {escape(key, longest=40)!r}")
            yield number, frame
        return
    if not isinstance(content, list):
        raise ClipFormatError(path, f"expected a list of frames, got {describe(content)}")
    counted = [_frame_of(frame) for frame in content]
    whole = all(number is not None for number in counted)
    for i, frame in enumerate(content):
        number = counted[i]
        yield number if whole and number is not None else i, frame


def _frame_of(frame: Any) -> int | None:
    number = next((frame[key] for key in _FRAME_KEYS if key in frame), None) if isinstance(frame, dict) else None
    return number if type(number) is int and 0 <= number < 2**62 else None


def _unwrap(frame: dict[str, Any], kind: Kind) -> Any:
    """The landmarks of a frame's object; None if it has none of the kind."""
    found = [frame[key] for each, key in _WRAPPERS if each == kind and key in frame]
    value = next((one for one in found if one), None)
    if isinstance(value, dict) and not WRAPPERS.isdisjoint(value):
        return _unwrap(value, "image")
    return value


def _persons(frame: Any, path: Path, kind: Kind, where: str) -> list[Any]:
    if isinstance(frame, dict) and not WRAPPERS.isdisjoint(frame):
        frame = _unwrap(frame, kind)
    if not frame:
        return []
    depth = _depth(frame)
    if depth == 1:
        return [frame]
    if depth != 2:
        raise ClipFormatError(path, f"{where}: expected the landmarks of a body, got {describe(frame)} without them")
    persons = []
    for one in list(frame.values()) if isinstance(frame, dict) else frame:
        persons += _persons(one, path, kind, where)
    return persons
