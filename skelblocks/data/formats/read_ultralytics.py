"""The text files of Ultralytics' pose models: one for each picture, one line for each person."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.escape import escape
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.detections import Detections, PoseOptions, to_clip
from skelblocks.data.formats.frame_files import order_frames
from skelblocks.data.formats.json_file import read_bounded
from skelblocks.data.formats.with_remedy import OTHER_FORMAT, with_remedy
from skelblocks.layouts import SkeletonLayout

MIN_SCORE = 0.5  # Ultralytics writes a joint with a lower score at (0, 0)
_BOX = 5  # class, and the middle, width and height of the box
_LARGEST = 1 << 24  # bytes of one picture's file
_LONGEST = 1 << 14  # characters of a line


def looks_like_ultralytics(head: bytes) -> bool:
    """Whether a file's start is a line of a class, a box in fractions of the picture, and more numbers.

    Example:
        >>> looks_like_ultralytics(b"0 0.49 0.74 0.15 0.30 0 0 0.44 0.5 0.6 0.9")
        True
    """
    fields = head.lstrip().split(b"\\n", 1)[0].split()
    try:
        numbers = [float(field) for field in fields[:_BOX]]
    except ValueError:
        return False
    return len(numbers) == _BOX and fields[0].isdigit() and all(-1 <= number <= 2 for number in numbers[1:])


@with_remedy(f"write the files again with save_txt=True into an empty folder, {OTHER_FORMAT}")
def read_ultralytics(paths: Sequence[Path], *, name: str, options: PoseOptions) -> list[RawClip]:
    """Read the files that ``save_txt=True`` writes: ``class cx cy w h`` and ``x y score`` of 17 joints in a line.

    ``model.track`` adds an id at the end of each line, ``save_conf=True`` the person's confidence before it. A number
    without a file is an empty frame. Joints at (0, 0) are not seen.

    Ultralytics appends to files that are there already, so that a second run lists each person twice. Repeated
    lines are read once, with a warning.

    Args:
        paths: One file for each picture, such as ``walk_12.txt``, in any order.
        name: Name of the clip.
        options: What the caller knows about the files. ``image_size`` is needed, since x and y are fractions of the
            width and of the height.

    Returns:
        One clip ``(2, t, v, b)`` in pixels, y down.

    Raises:
        ClipFormatError: With the file and the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "walk_1.txt")
        ...     _ = path.write_text("0 0.5 0.5 0.2 0.4" + " 0.5 0.25 0.9" * 17)
        ...     clip = read_ultralytics([path], name="walk", options=PoseOptions(image_size=(640, 480)))[0]
        >>> clip.x.shape, clip.x[:, 0, 0, 0].tolist()
        ((2, 1, 17, 1), [320.0, 120.0])
    """
    paths, numbers, frames = order_frames(paths)
    rows: list[list[float]] = []
    frame: list[int] = []
    first, doubled = paths[0], []
    for path, number in zip(paths, numbers, strict=True):
        read, twice = _lines(path)
        if rows and read and len(read[0]) != len(rows[0]):
            raise ClipFormatError(
                path, f"expected lines of {len(rows[0])} numbers as before, got {len(read[0])}", line=1
            )
        rows += read
        frame += [number] * len(read)
        doubled += [path] if twice else []
    if doubled:
        warnings.warn(
            f"{escape(doubled[0])} (file 1 of {len(doubled)}) repeats lines; each is "
            "read once. Ultralytics appends to the files of an earlier run: delete those before a second run",
            stacklevel=2,
        )
    if not rows:
        raise ClipFormatError(first, "expected a person in one of the files, got none")
    numbers_of = np.array(rows)
    layout, joints, per_joint = _shape(numbers_of.shape[1], options, first)
    end = _BOX + joints * per_joint
    x = numbers_of[:, _BOX:end].reshape(len(rows), joints, per_joint)
    if options.image_size is None:
        raise ClipFormatError(
            first,
            "expected image_size=(width, height), got none; these files hold fractions of the width and height",
        )
    scores = x[..., 2] if per_joint == 3 else None
    seen = (x[..., :2] != 0).any(axis=2)
    flags = scores is not None and bool(np.isin(scores, (0, 1, 2)).all())  # a training label, not a prediction
    if scores is not None:
        seen &= scores >= (MIN_SCORE if options.min_score is None else options.min_score)
    with np.errstate(over="ignore"):  # infinite coordinates are refused later, with their frame
        placed = x[..., :2] * np.array(options.image_size)
    found = Detections(
        np.array(frame, dtype=np.int64),
        placed,
        seen,
        None if flags else scores,
        _ids(numbers_of[:, end:], np.array(frame), paths[0]),
        frames,
    )
    return [to_clip(found, path=first, name=name, layout=layout, fps=options.fps)]


def _lines(path: Path) -> tuple[list[list[float]], bool]:
    """The numbers of each line, and whether a line was repeated."""
    data = read_bounded(path, largest=_LARGEST)
    rows: list[list[float]] = []
    texts: set[bytes] = set()
    twice = False
    for line, text in enumerate(data.splitlines(), start=1):
        if not text.strip():
            continue
        if text in texts:
            twice = True
            continue
        texts.add(text)
        row = _numbers(text, path, line)
        if rows and len(row) != len(rows[0]):
            raise ClipFormatError(
                path, f"expected {len(rows[0])} numbers as in the lines before, got {len(row)}", line=line
            )
        rows.append(row)
    return rows, twice


def _numbers(text: bytes, path: Path, line: int) -> list[float]:
    if len(text) > _LONGEST:
        raise ClipFormatError(path, f"expected a line of at most {_LONGEST} characters, got {len(text)}", line=line)
    try:
        row = [float(field) for field in text.split()]
    except ValueError:
        raise ClipFormatError(path, f"expected numbers, got {escape(text[:60])}", line=line) from None
    if b"_" in text or not np.isfinite(row).all():
        raise ClipFormatError(path, "expected finite numbers, got others", line=line)
    return row


def _shape(fields: int, options: PoseOptions, path: Path) -> tuple[str | SkeletonLayout, int, int]:
    """The layout, the number of joints, and the numbers of each joint."""
    layout = "coco-17" if options.layout is None else options.layout
    joints = options.layout.num_joints if options.layout is not None else 17
    for per_joint in (3, 2):
        if 0 <= fields - _BOX - joints * per_joint <= 2:
            return layout, joints, per_joint
    if fields <= _BOX + 2:
        raise ClipFormatError(
            path, "expected joints after the box, got none; use a pose model, such as yolo11n-pose", line=1
        )
    raise ClipFormatError(
        path,
        f"expected {_BOX} numbers and 2 or 3 for each of {joints} joints, got {fields} numbers; "
        "pass layout= with the joints of your model",
        line=1,
    )


def _ids(rest: NDArray[np.float64], frame: NDArray[np.int64], path: Path) -> NDArray[np.int64] | None:
    """The ids at the ends of the lines: whole numbers from 1. A confidence is no whole number."""
    if not rest.shape[1]:
        return None
    ids = rest[:, -1]
    if not ((ids == np.round(ids)) & (ids >= 1) & (ids < 2**53)).all():
        if rest.shape[1] == 2:
            raise ClipFormatError(path, "expected the persons' ids at the ends of the lines, got other numbers")
        return None
    whole = ids.astype(np.int64)
    if len(np.unique(np.stack([frame, whole]), axis=1).T) != len(whole):
        raise ClipFormatError(
            path,
            "expected each id once in a picture, got one twice; either two runs wrote into one folder, or all frames "
            "went into one file: give Ultralytics the video's path, so that it writes one file for each frame",
        )
    return whole
