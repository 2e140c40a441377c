"""MMPose's JSON, from its demos and from its Inferencer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skelblocks._utils.escape import escape
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.detections import Detections, PoseOptions, to_clip
from skelblocks.data.formats.frame_files import order_frames
from skelblocks.data.formats.joint_names import layout_of_names
from skelblocks.data.formats.json_file import json_keys, json_start, read_json
from skelblocks.data.formats.keypoint_rows import check_row, choose_layout, describe, integer_ids, stack_rows
from skelblocks.data.formats.with_remedy import OTHER_FORMAT, with_remedy
from skelblocks.layouts import SkeletonLayout

MIN_SCORE = 0.3  # MMPose draws joints from this score on (kpt_thr)
_LAYOUTS = {
    2: {17: "coco-17", 26: "halpe-26", 133: "coco-wholebody-133", 21: "hand-21"},
    3: {17: "h36m-17", 21: "hand-21"},
}
_MOST_FRAME = 2**62
_INSTANCE = re.compile(rb'\[\s*\{\s*"(keypoints|keypoint_scores|bbox|bbox_score)"')


def looks_like_mmpose(head: bytes) -> bool:
    """Whether a file's start is a result of MMPose.

    Example:
        >>> looks_like_mmpose(b'[{"frame_id": 0, "instances": [{"keypoints": [[1, 2]]}]}]')
        True
    """
    keys = json_keys(head)
    return not keys.isdisjoint({"instance_info", "keypoint_scores"}) or {"frame_id", "instances"} <= keys


def is_mmpose_frame(head: bytes) -> bool:
    """Whether a file's start is a picture's list of persons."""
    start, keys = json_start(head), json_keys(head)
    if start.startswith(b"{"):  # a demo's, of one picture
        return "keypoints" in keys and keys.isdisjoint({"frame_id", "instances"})
    return _INSTANCE.match(start) is not None


@with_remedy(f"write the file again with MMPose's --pred-out-dir, {OTHER_FORMAT}")
def read_mmpose(paths: Sequence[Path], *, name: str, options: PoseOptions) -> list[RawClip]:
    """Read MMPose's results: a demo's ``instance_info`` with ``meta_info``, or the Inferencer's list.

    A file is a recording, with a ``frame_id`` for each frame, from 0 or 1 on, or without one; or a picture, as a list
    of persons. 2-D joints are in pixels, y down; 3-D joints (pose lifting) have three coordinates. The layout follows
    from the names in ``meta_info``, or from the number of joints.

    Args:
        paths: One file, or one for each picture.
        name: Name of the clip.
        options: What the caller knows about the files.

    Returns:
        One clip ``(2, t, v, b)`` or ``(3, t, v, b)``.

    Raises:
        ClipFormatError: With the file, the frame and the person.

    Example:
        >>> import tempfile
        >>> person = {"keypoints": [[10, 20]] * 17, "keypoint_scores": [0.9] * 17}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "walk.json")
        ...     _ = path.write_text(str([{"frame_id": 0, "instances": [person]}]).replace("'", '"'))
        ...     clip = read_mmpose([path], name="walk", options=PoseOptions())[0]
        >>> clip.x.shape, clip.layout
        ((2, 1, 17, 1), 'coco-17')
    """
    rows: list[list[float | None]] = []
    where: list[str] = []
    frame: list[int] = []
    ids: list[Any] = []
    sizes: set[tuple[bool, int]] = set()
    first = paths[0]
    names: tuple[str, ...] = ()
    numbered, frames, names = _frames(paths)
    for path, number, shown, persons in numbered:
        for rank, person in enumerate(persons):
            place = f"{shown}, person {rank}"
            row, scored, coordinates = _row(person, path, place)
            if (scored, coordinates) not in sizes and sizes:
                raise ClipFormatError(
                    path, f"{place}: expected the same coordinates and scores as for the persons before"
                )
            sizes.add((scored, coordinates))
            rows.append(row)
            where.append(place)
            frame.append(number)
            ids.append(person.get("track_id"))
    scored, coordinates = next(iter(sizes), (False, 2))
    x = stack_rows(rows, path=first, where=where, per_joint=coordinates + 1)
    if not rows:
        if options.layout is None:
            raise ClipFormatError(first, "expected a person in one of the frames, got none; pass layout=")
        layout: SkeletonLayout | str = options.layout
        joints = options.layout.num_joints
        x = np.empty((0, joints, 3))
    else:
        known = _known(names, x.shape[1], coordinates, options, first)
        layout, joints = choose_layout(x.shape[1], known, layout=options.layout, path=first, tool="MMPose")
    x, scores = x[:, :joints, :coordinates], x[:, :joints, coordinates]
    least = MIN_SCORE if options.min_score is None else options.min_score
    seen = scores >= least if scored else np.ones(scores.shape, dtype=np.bool_)
    found = Detections(np.array(frame, dtype=np.int64), x, seen, scores if scored else None, integer_ids(ids), frames)
    return [to_clip(found, path=first, name=name, layout=layout, fps=options.fps)]


_Frame = tuple[Path, int, str, list[Any]]


def _frames(paths: Sequence[Path]) -> tuple[list[_Frame], int, tuple[str, ...]]:
    """Each frame's file, number from 0, name for errors, and persons; the number of frames; the joints' names."""
    if len(paths) > 1:
        ordered, numbers, frames = order_frames(paths)
        read: list[_Frame] = []
        names: tuple[str, ...] = ()
        for path, number in zip(ordered, numbers, strict=True):
            content = read_json(path)
            if isinstance(content, dict):
                names, content = _names(content.get("meta_info")), content.get("instance_info")
            read.append((path, number, "picture", _persons(content, path, "picture")))
        return read, frames, names
    path, names = paths[0], ()
    content = read_json(path)
    if isinstance(content, dict):
        names = _names(content.get("meta_info"))
        content = content.get("instance_info")
    if not isinstance(content, list):
        raise ClipFormatError(path, f"expected a list of frames or instance_info, got {describe(content)}")
    if any(isinstance(one, dict) and "keypoints" in one for one in content[:1]):
        return [(path, 0, "picture", _persons(content, path, "picture"))], 1, names
    listed = list(_listed(content, path))
    start = min((number for number, _ in listed), default=0)
    frames = max((number for number, _ in listed), default=-1) + 1 - start
    return (
        [(path, n - start, f"frame {n}", _persons(one, path, f"frame {n}")) for n, one in listed],
        frames,
        names,
    )


def _listed(content: list[Any], path: Path) -> Iterator[tuple[int, Any]]:
    taken: set[int] = set()
    for i, one in enumerate(content):
        if not isinstance(one, dict):
            yield i, one
            continue
        number = one.get("frame_id", i)
        if type(number) is not int or not 0 <= number < _MOST_FRAME:
            raise ClipFormatError(path, f"entry {i}: frame_id: expected an integer from 0, got {describe(number)}")
        if number in taken:
            raise ClipFormatError(path, f"entry {i}: frame_id: expected each frame once, got {number} twice")
        taken.add(number)
        yield number, one.get("instances")


def _persons(value: Any, path: Path, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ClipFormatError(path, f"{where}: expected a list of persons (instances), got {describe(value)}")
    return value


def _row(person: Any, path: Path, where: str) -> tuple[list[float | None], bool, int]:
    """x, y (, z) and score of each joint in one row, whether there are scores, and the number of coordinates."""
    points = person.get("keypoints") if isinstance(person, dict) else None
    if not isinstance(points, list) or not points or not isinstance(points[0], list):
        raise ClipFormatError(path, f"{where}: expected keypoints as a list of [x, y], got {describe(points)}")
    coordinates = len(points[0])
    if coordinates not in (2, 3) or not all(isinstance(one, list) and len(one) == coordinates for one in points):
        raise ClipFormatError(path, f"{where}: expected keypoints of two numbers each, or of three, got others")
    scores = person.get("keypoint_scores")
    if scores is not None and (not isinstance(scores, list) or len(scores) != len(points)):
        raise ClipFormatError(path, f"{where}: expected {len(points)} keypoint_scores, one for each joint, got others")
    filled = [0.0] * len(points) if scores is None else scores
    row = [number for point, score in zip(points, filled, strict=True) for number in (*point, score)]
    return (
        check_row(row, path=path, where=f"{where}: keypoints", per_joint=coordinates + 1),
        scores is not None,
        coordinates,
    )


def _names(meta: Any) -> tuple[str, ...]:
    """The joints' names in their order; empty if the file has none."""
    listed = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(listed, dict):
        return ()
    names = [listed.get(str(i)) for i in range(len(listed))]
    return tuple(name for name in names if isinstance(name, str)) if all(names) else ()


def _known(names: tuple[str, ...], joints: int, coordinates: int, options: PoseOptions, path: Path) -> dict[int, str]:
    """The layouts of each number of joints, or the one that has the names."""
    known = _LAYOUTS[coordinates]
    if options.layout is not None or len(names) != joints:
        return known
    named = layout_of_names(names[:17]) if joints == 133 else layout_of_names(names)
    if named is None:
        shown = ", ".join(escape(name, longest=30) for name in names[:3])
        raise ClipFormatError(
            path,
            f"expected the {joints} joints of a known layout, got {shown} and so on; pass layout=",
        )
    return known if joints == 133 else {joints: named}
