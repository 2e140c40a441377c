"""MediaPipe's landmarks in JSON, as scripts write them, and MoveNet's keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks import layouts
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.detections import MOST_FRAMES, Detections, PoseOptions, to_clip
from skelblocks.data.formats.frame_files import order_frames
from skelblocks.data.formats.joint_names import plain_joint_name
from skelblocks.data.formats.json_file import json_keys, json_start, read_json
from skelblocks.data.formats.keypoint_rows import check_row, choose_layout, stack_rows
from skelblocks.data.formats.landmarks import WRAPPERS, Kind, landmark_frames, landmark_row
from skelblocks.data.formats.with_remedy import OTHER_FORMAT, with_remedy

MIN_SCORE = 0.5  # MediaPipe draws joints from this visibility on (drawing_utils)
_LAYOUTS = {33: "mediapipe-33", 17: "coco-17"}
_HIPS = (23, 24)
_NEAR = 0.02  # meters from the middle of the hips to the origin of world landmarks
_FRACTIONS = 4.0  # above any fraction of a picture: joints outside it are guessed up to about 1.5


def looks_like_mediapipe(head: bytes) -> bool:
    """Whether a file's start has landmarks, or lists of lists of numbers alone.

    Example:
        >>> looks_like_mediapipe(b'[{"keypoints": [{"x": 0.5, "y": 0.4, "z": 0.1, "visibility": 0.9}')
        True
    """
    keys = json_keys(head)
    if "visible" in keys:  # Ultralytics' to_json
        return False
    if json_start(head).startswith(b"[["):
        return not keys or {"x", "y"} <= keys
    return {"x", "y"} <= keys or (bool(keys) and all(key.isdigit() for key in keys))


def is_mediapipe_frame(head: bytes) -> bool:
    """Whether a file's start is the landmarks of one body: a list of objects, or an object by number or name."""
    start = b"".join(json_start(head)[:400].split())
    if start.startswith(b"[{"):
        return start.startswith(b'[{"x"')
    key = start[2:].split(b'"', 1)[0].decode("ascii", "replace")
    return start.startswith(b"{") and (key in WRAPPERS or start.startswith(b'{"' + key.encode() + b'":{"x"'))


@with_remedy(f"write all frames in one form of landmarks, {OTHER_FORMAT}")
def read_mediapipe(
    paths: Sequence[Path], *, name: str, options: PoseOptions, kind: Kind | None = None
) -> list[RawClip]:
    """Read landmarks of MediaPipe Pose (33) or MoveNet (17), which have no file format of their own.

    Frames are a list or an object by number; one frame is ``{"keypoints": [...]}``, a list of landmarks, an object of
    landmarks by number or name, a list of bodies, or empty. A file may also hold one frame.

    - Image landmarks are fractions of the width and the height. With ``image_size`` they become pixels, y down.
      Their z is a guess about the depth and is left out.
    - World landmarks are meters about the middle of the hips, y down. They are recognized by hips at the origin, and
      have three coordinates.
    - Keypoints in pixels, as MoveNet's, stay as they are.

    Args:
        paths: One file, or one for each frame.
        name: Name of the clip.
        options: What the caller knows about the files.
        kind: Which landmarks of a file with both. Default: image landmarks.

    Returns:
        One clip ``(2, t, v, b)`` or ``(3, t, v, b)``.

    Raises:
        ClipFormatError: With the file, the frame and the reason, also where ``image_size`` is needed.

    Example:
        >>> import tempfile
        >>> landmark = '{"x": 0.5, "y": 0.25, "z": 0.1, "visibility": 0.9}'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "squat.json")
        ...     _ = path.write_text("[" + ", ".join([landmark] * 33) + "]")
        ...     clip = read_mediapipe([path], name="squat", options=PoseOptions(image_size=(640, 480)))[0]
        >>> clip.x.shape, clip.x[:, 0, 0, 0].tolist()
        ((2, 1, 33, 1), [320.0, 120.0])
    """
    first, both = paths[0], kind is None
    numbered, frames = _frames(paths, kind or "image")
    if both and not any(bodies for _, _, bodies in numbered):
        numbered, frames = _frames(paths, "world")
    layout = options.layout or layouts.get("mediapipe-33")
    names = {plain_joint_name(joint): i for i, joint in enumerate(layout.joints)}
    rows: list[Any] = []
    where: list[str] = []
    frame: list[int] = []
    for path, number, bodies in numbered:
        for rank, body in enumerate(bodies):
            place = f"frame {number}, body {rank}"
            row = check_row(landmark_row(body, path, place, names=names), path=path, where=place, per_joint=4)
            if rows and len(row) != len(rows[0]):
                raise ClipFormatError(path, f"{place}: expected {len(rows[0]) // 4} landmarks, got {len(row) // 4}")
            rows.append(row)
            where.append(place)
            frame.append(number)
    if not rows:
        raise ClipFormatError(first, "expected a body in one of the frames, got none")
    x = stack_rows(rows, path=first, where=where, per_joint=4)
    skeleton, joints = choose_layout(x.shape[1], _LAYOUTS, layout=options.layout, path=first, tool="MediaPipe")
    x, scores = x[:, :joints, :3], x[:, :joints, 3]
    scored = not np.isnan(scores).all()
    seen = scores >= (MIN_SCORE if options.min_score is None else options.min_score) if scored else ~np.isnan(x[..., 0])
    found = Detections(
        np.array(frame, dtype=np.int64),
        _placed(x, kind, options, first),
        seen,
        scores if scored else None,
        None,
        frames,
    )
    return [to_clip(found, path=first, name=name, layout=skeleton, fps=options.fps)]


def _frames(paths: Sequence[Path], kind: Kind) -> tuple[list[tuple[Path, int, list[Any]]], int]:
    """Each frame's file, number from 0, and bodies; the number of frames."""
    if len(paths) > 1:
        ordered, numbers, frames = order_frames(paths)
        listed = []
        for path, number in zip(ordered, numbers, strict=True):
            content = landmark_frames(read_json(path), path, kind)
            if len(content) > 1:
                raise ClipFormatError(path, f"expected one frame, as in the files beside it, got {len(content)}")
            listed.append((path, number, content[0][1] if content else []))
        return listed, frames
    content = landmark_frames(read_json(paths[0]), paths[0], kind)
    frames = max((number for number, _ in content), default=-1) + 1
    if frames > MOST_FRAMES:
        raise ClipFormatError(paths[0], f"expected at most {MOST_FRAMES} frames, got the number {frames - 1}")
    return [(paths[0], number, bodies) for number, bodies in content], frames


def _placed(x: NDArray[np.float64], kind: Kind | None, options: PoseOptions, path: Path) -> NDArray[np.float64]:
    """World landmarks in meters, image landmarks in pixels."""
    if kind == "world" or (kind is None and _at_the_hips(x)):
        return x
    flat = x[..., :2]
    if not (np.nanmedian(np.abs(flat)) <= _FRACTIONS if np.isfinite(flat).any() else False):
        return flat
    if options.image_size is None:
        raise ClipFormatError(
            path,
            "expected image_size=(width, height), got none; x and y are fractions of the picture's width and height, "
            "which the file does not hold",
        )
    with np.errstate(over="ignore"):  # infinite coordinates are refused later, with their frame
        return np.asarray(flat * np.array(options.image_size))


def _at_the_hips(x: NDArray[np.float64]) -> bool:
    if x.shape[1] != 33 or np.isnan(x[..., 2]).all():
        return False
    middle = x[:, _HIPS].mean(axis=1)
    middle = middle[np.isfinite(middle).all(axis=1)]
    return bool(len(middle)) and bool(np.median(np.abs(middle).max(axis=1)) < _NEAR)
