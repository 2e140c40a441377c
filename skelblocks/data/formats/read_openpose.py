"""OpenPose's JSON, one file for each frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.detections import Detections, PoseOptions, to_clip
from skelblocks.data.formats.frame_files import order_frames
from skelblocks.data.formats.json_file import json_keys, json_start, read_json
from skelblocks.data.formats.keypoint_rows import check_row, describe, joints_and_scores
from skelblocks.data.formats.with_remedy import OTHER_FORMAT, with_remedy

MIN_SCORE = 0.05  # OpenPose draws joints from this score on (--render_threshold)
_LAYOUTS = {25: "body-25", 18: "openpose-18"}
_KEYS = ("pose_keypoints_2d", "pose_keypoints")  # from version 1.1 on, and in 1.0


def looks_like_openpose(head: bytes) -> bool:
    """Whether a file's start is a frame of OpenPose.

    Example:
        >>> looks_like_openpose(b'{"version":1.3,"people":[]}')
        True
    """
    return json_start(head).startswith(b"{") and "people" in json_keys(head) and b'"AlphaPose' not in head


@with_remedy(f"write the files again with OpenPose's --write_json, {OTHER_FORMAT}")
def read_openpose(paths: Sequence[Path], *, name: str, options: PoseOptions) -> list[RawClip]:
    """Read the frames of one recording, versions 1.0 to 1.3: BODY_25 or COCO with 18 joints.

    Face, hands and candidates are left out. A file without persons is an empty frame, and so is a number without
    a file. OpenPose does not track: persons are in no order, and ``person_id`` is -1.

    Coordinates are pixels, y down. Files written with ``--keypoint_scale 3`` or ``4`` have numbers from 0 or -1 to 1,
    and need ``image_size``.

    Args:
        paths: One file for each frame, such as ``walk_000000000149_keypoints.json``, in any order.
        name: Name of the clip.
        options: What the caller knows about the files.

    Returns:
        One clip ``(2, t, v, b)``.

    Raises:
        ClipFormatError: With the file and the person.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "walk_000000000007_keypoints.json")
        ...     _ = path.write_text('{"people": [{"pose_keypoints_2d": %s}]}' % ([10, 20, 0.9] * 25))
        ...     clip = read_openpose([path], name="walk", options=PoseOptions())[0]
        >>> clip.x.shape, clip.layout
        ((2, 1, 25, 1), 'body-25')
    """
    paths, numbers, frames = order_frames(paths)
    rows: list[list[float | None]] = []
    frame: list[int] = []
    ids: list[int] = []
    for path, number in zip(paths, numbers, strict=True):
        for rank, person in enumerate(_people(path)):
            row = _row(person, path, f"person {rank}")
            if row:
                if rows and len(row) != len(rows[0]):
                    raise ClipFormatError(
                        path,
                        f"person {rank}: expected {len(rows[0]) // 3} joints as before, got {len(row) // 3}",
                    )
                rows.append(row)
                frame.append(number)
                ids.append(_identity(person))
    first = paths[0]
    where = [f"frame {number}" for number in frame]
    layout, x, scores = joints_and_scores(
        rows, where=where, known=_LAYOUTS, options=options, path=first, tool="OpenPose"
    )
    seen = (scores > 0) & (scores >= (MIN_SCORE if options.min_score is None else options.min_score))
    found = Detections(
        np.array(frame, dtype=np.int64),
        _in_pixels(x, seen, options, first),
        seen,
        scores,
        np.array(ids, dtype=np.int64) if min(ids, default=-1) >= 0 else None,
        frames,
    )
    return [to_clip(found, path=first, name=name, layout=layout, fps=options.fps)]


def _people(path: Path) -> list[Any]:
    content = read_json(path)
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise ClipFormatError(path, f"expected an object with a list of people, got {describe(content)} without one")
    return people


def _row(person: Any, path: Path, where: str) -> list[float | None]:
    if not isinstance(person, dict):
        raise ClipFormatError(path, f"{where}: expected an object, got {describe(person)}")
    key = next((key for key in _KEYS if key in person), None)
    if key is None:
        raise ClipFormatError(path, f"{where}: expected {_KEYS[0]}, got none")
    row = check_row(person[key], path=path, where=f"{where}: {key}")
    if not row and person.get("pose_keypoints_3d"):
        raise ClipFormatError(path, f"{where}: expected 2-D joints, got 3-D joints, which are not read")
    return row


def _identity(person: dict[str, Any]) -> int:
    listed = person.get("person_id")
    identity = listed[0] if isinstance(listed, list) and len(listed) == 1 else -1
    return identity if type(identity) is int and 0 <= identity < 2**62 else -1


def _in_pixels(
    x: NDArray[np.float64], seen: NDArray[np.bool_], options: PoseOptions, path: Path
) -> NDArray[np.float64]:
    placed = x[seen]
    if not placed.size or not np.nanmax(np.abs(placed)) <= 1.5:
        return x
    if options.image_size is None:
        raise ClipFormatError(
            path,
            "expected pixels, got fractions of the picture, as --keypoint_scale 3 or 4 writes them; "
            "pass image_size=(width, height)",
        )
    size: NDArray[np.float64] = np.array(options.image_size)
    fraction = x if np.nanmin(placed) >= -0.1 else (x + 1) / 2
    return np.asarray(fraction * size)
