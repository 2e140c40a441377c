"""Group files that hold one frame each into clips, and order them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from skelblocks._utils.escape import escape
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.formats.detections import MOST_FRAMES

_NUMBER = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)
_MOST_DIGITS = 18


def frame_number(stem: str) -> int | None:
    """The last number in a name; None if there is none, or it is too long for a frame's.

    Example:
        >>> frame_number("walk_000000000149_keypoints"), frame_number("walk")
        (149, None)
    """
    match = _NUMBER.fullmatch(stem)
    return None if match is None or len(match[2]) > _MOST_DIGITS else int(match[2])


def group_frames(paths: Iterable[Path]) -> dict[tuple[Path, str, str], list[Path]]:
    """Group files by their folder and by the text before the last number of their names.

    Args:
        paths: The files.

    Returns:
        Files by folder, text before the number, and text after it with the suffix. A file without a number is a group
        of its own.

    Example:
        >>> groups = group_frames([Path("a_2.json"), Path("a_10.json"), Path("b_1.json")])
        >>> [(prefix, len(files)) for (_, prefix, _), files in groups.items()]
        [('a_', 2), ('b_', 1)]
    """
    groups: dict[tuple[Path, str, str], list[Path]] = {}
    for path in paths:
        match = _NUMBER.fullmatch(path.stem)
        key = (
            (path.parent, path.stem, path.suffix) if match is None else (path.parent, match[1], match[3] + path.suffix)
        )
        groups.setdefault(key, []).append(path)
    return groups


def order_frames(paths: Sequence[Path]) -> tuple[list[Path], list[int], int]:
    """Sort the files of one clip by frame number.

    The clip begins with the first file. A number without a file is a frame without persons.

    Args:
        paths: One file for each frame.

    Returns:
        The files, the frame of each from 0, and the number of frames.

    Raises:
        ClipFormatError: Two files have the same number, one has none, or the numbers are too far apart for a recording.

    Example:
        >>> order_frames([Path("10.json"), Path("8.json")])[1:]
        ([0, 2], 3)
    """
    if len(paths) == 1:
        return list(paths), [0], 1
    numbered: dict[int, Path] = {}
    for path in paths:
        number = frame_number(path.stem)
        if number is None:
            raise ClipFormatError(path, "expected a frame number in the file's name, got none")
        if number in numbered:
            other = escape(numbered[number].name)
            raise ClipFormatError(path, f"expected one file for frame {number}, got two, this one and {other!r}")
        numbered[number] = path
    numbers = sorted(numbered)
    frames = numbers[-1] - numbers[0] + 1
    if frames > MOST_FRAMES:
        raise ClipFormatError(
            numbered[numbers[-1]],
            f"expected frame numbers at most {MOST_FRAMES} apart, got {numbers[0]} to {numbers[-1]}; "
            "number the files of one recording without gaps",
        )
    return [numbered[number] for number in numbers], [number - numbers[0] for number in numbers], frames
