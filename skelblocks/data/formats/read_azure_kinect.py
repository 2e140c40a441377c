"""Azure Kinect's body tracking, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.detections import Detections, PoseOptions, to_clip
from skelblocks.data.formats.json_file import json_keys, read_json
from skelblocks.data.formats.keypoint_rows import check_row, choose_layout, describe, stack_rows
from skelblocks.data.formats.with_remedy import OTHER_FORMAT, with_remedy

MIN_SCORE = 1.0  # of 0 to 3; 0 says that the joint is too far away to be tracked (k4abt_joint_confidence_level_t)
_LAYOUT = "azure-kinect-32"
_JOINTS = 32
_CONFIDENCES = ("joint_confidence", "confidence_levels", "joint_confidences", "confidence_level")


def looks_like_azure_kinect(head: bytes) -> bool:
    """Whether a file's start is a recording of Azure Kinect.

    Example:
        >>> looks_like_azure_kinect(b'{"bone_list": [["SPINE_CHEST", "SPINE_NAVEL"]], "frames": [{"bodies": [')
        True
    """
    keys = json_keys(head)
    return "joint_positions" in keys or (
        {"bodies", "frames"} <= keys and not keys.isdisjoint({"bone_list", "num_bodies"})
    )


@with_remedy(f"write the file again with offline_processor, {OTHER_FORMAT}")
def read_azure_kinect(paths: Sequence[Path], *, name: str, options: PoseOptions) -> list[RawClip]:
    """Read one recording of Azure Kinect, in the form of the SDK's sample ``offline_processor``.

    Frames are counted by ``frame_id``; a number that is left out is a frame in which no person is seen. The bodies' ids
    are kept. Where the file has the joints' confidences, these are the scores, 0 to 3; a joint of confidence 0 is not
    seen.

    Args:
        paths: The file.
        name: Name of the clip.
        options: What the caller knows about the file.

    Returns:
        One clip ``(3, t, 32, b)`` in millimeters, as the file has it; y is down, z is away from the camera. The frame
        rate is the one of the time stamps.

    Raises:
        ClipFormatError: With the file and the frame.

    Example:
        >>> import json, tempfile
        >>> body = {"body_id": 4, "joint_positions": [[0.0, -100.0, 2000.0]] * 32}
        >>> frames = [{"frame_id": t, "timestamp_usec": 33333 * t, "bodies": [body]} for t in range(3)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "walk.json")
        ...     _ = path.write_text(json.dumps({"frames": frames}))
        ...     clip = read_azure_kinect([path], name="walk", options=PoseOptions())[0]
        >>> clip.x.shape, clip.layout, clip.fps, clip.tracked
        ((3, 3, 32, 1), 'azure-kinect-32', 30.0, True)
    """
    path = paths[0]
    content = read_json(path)
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not frames:
        raise ClipFormatError(path, f"expected an object with a list of frames, got {describe(content)} without any")
    numbers = _frame_numbers(frames, path)
    rows, where, number, ids, confidences = [], [], [], [], []
    for frame, at in zip(frames, numbers, strict=True):
        for rank, body in enumerate(_bodies(frame, path, at)):
            place = f"frame {at}, body {rank}"
            if not isinstance(body, dict):
                raise ClipFormatError(path, f"{place}: expected an object, got {describe(body)}")
            rows.append(_flat(body.get("joint_positions"), path, f"{place}: joint_positions"))
            confidences.append(_confidence(body, len(rows[-1]) // 3, path, place))
            where.append(place)
            number.append(at)
            ids.append(_id(body, path, place))
    joints = stack_rows(rows, path=path, where=where) if rows else np.empty((0, _JOINTS, 3))
    layout, kept = choose_layout(
        joints.shape[1], {_JOINTS: _LAYOUT}, layout=options.layout, path=path, tool="Azure Kinect"
    )
    seen = np.array(np.isfinite(joints).all(axis=2), dtype=np.bool_)
    scores = None
    if confidences and all(each is not None for each in confidences):
        scores = np.array(confidences, dtype=np.float64)
        least = MIN_SCORE if options.min_score is None else options.min_score
        seen = seen & (scores >= least)
    found = Detections(
        np.array(number, dtype=np.int64),
        joints[:, :kept],
        seen[:, :kept],
        None if scores is None else scores[:, :kept],
        np.array(ids, dtype=np.int64),
        max(numbers) + 1,
    )
    fps = _frame_rate(frames, numbers) if options.fps is None else options.fps
    return [to_clip(found, path=path, name=name, layout=layout, fps=fps)]


def _frame_numbers(frames: list[Any], path: Path) -> list[int]:
    """The frame of each entry, counted from the first: by ``frame_id``, or by place where there is none."""
    for place, frame in enumerate(frames):
        if not isinstance(frame, dict):
            raise ClipFormatError(path, f"frames[{place}]: expected an object, got {describe(frame)}")
    ids = [frame.get("frame_id", place) for place, frame in enumerate(frames)]
    for place, number in enumerate(ids):
        if type(number) is not int or (place and number <= ids[place - 1]):
            raise ClipFormatError(path, f"frames[{place}]: expected a frame_id above the one before")
    return [number - ids[0] for number in ids]


def _bodies(frame: dict[str, Any], path: Path, at: int) -> list[Any]:
    bodies = frame.get("bodies")
    if bodies is None and frame.get("num_bodies", 0) == 0:
        return []
    if not isinstance(bodies, list):
        raise ClipFormatError(path, f"frame {at}: expected a list of bodies, got {describe(bodies)}")
    return bodies


def _id(body: dict[str, Any], path: Path, place: str) -> int:
    number = body.get("body_id")
    if type(number) is not int or not -1 <= number < 2**62:
        raise ClipFormatError(path, f"{place}: body_id: expected an integer, got {describe(number)}")
    return number


def _flat(value: Any, path: Path, place: str) -> list[float | None]:
    """Lists of three numbers, or of one, as one list."""
    if not isinstance(value, list):
        raise ClipFormatError(path, f"{place}: expected a list, got {describe(value)}")
    flat: list[float | None] = []
    for joint in value:
        flat += check_row(joint, path=path, where=place) if isinstance(joint, list) else [joint]
    return check_row(flat, path=path, where=place)


def _confidence(body: dict[str, Any], joints: int, path: Path, place: str) -> list[float] | None:
    """A number for each joint; None if the file has none, or a single one for the body."""
    value = next((body[key] for key in _CONFIDENCES if key in body), None)
    if not isinstance(value, list):
        return None
    flat = [each[0] if isinstance(each, list) and len(each) == 1 else each for each in value]
    checked = check_row(flat, path=path, where=f"{place}: confidence", per_joint=1)
    if len(checked) != joints:
        raise ClipFormatError(path, f"{place}: expected a confidence for each of {joints} joints, got {len(checked)}")
    if any(each is None or not 0 <= each <= 3 for each in checked):
        raise ClipFormatError(path, f"{place}: expected confidences from 0 to 3")
    return [float(each) for each in checked if each is not None]


def _frame_rate(frames: list[dict[str, Any]], numbers: list[int]) -> float | None:
    """Frames per second by the median step between time stamps; None if there are none that grow."""
    stamps = [frame.get("timestamp_usec") for frame in frames]
    steps = [
        (later - earlier) / (end - start)
        for earlier, later, start, end in zip(stamps, stamps[1:], numbers, numbers[1:], strict=False)
        if type(earlier) is int and type(later) is int and abs(earlier) < 2**62 and abs(later) < 2**62
    ]
    step = float(np.median(steps)) if steps else 0.0
    return round(1e6 / step, 2) if 0 < step < 1e9 else None
