"""Read labels from a csv file."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path, PurePosixPath

from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.recordings.clip_labels import ClipLabels, LabelRow

_LARGEST = 1 << 26  # bytes
_KEYS = ("clip", "file")
_TIMES = (("start", "end"), ("start_seconds", "end_seconds"))
_COLUMNS = (*_KEYS, *_TIMES[0], *_TIMES[1], "person", "subject", "fps", "label")
_SUFFIXES = (".json", ".csv", ".txt", ".npy", ".npz", ".bvh", ".amc", ".asf")


@explain_arguments
def read_clip_labels(path: str | os.PathLike[str], *, class_names: Sequence[str] | None = None) -> ClipLabels:
    r"""Read labels from a csv file with a header line.

    ======================================== ==========================================================================
    columns                                  what they mean
    ======================================== ==========================================================================
    ``clip,label``                           a label for each clip by its name in the prepared set
    ``file,label``                           one for each recording: its path below the folder, with or without the
                                             suffix; of a recording with one file per frame, the folder
    ``file,start,end,label``                 one for each piece, from frame ``start`` up to, not including, ``end``
    ``file,start_seconds,end_seconds,label`` the same in seconds
    ======================================== ==========================================================================

    Three more columns are optional: ``person`` is the number of the person that the label is for, ``subject``
    identifies that person across recordings, and ``fps`` is the frame rate of the recording. Other columns are not
    read. An empty label, or -1, means that the class is unknown.

    Args:
        path: The file, in UTF-8.
        class_names: The classes by number, for instance a classifier's classes. Default: all labels of the file,
            sorted; by value if all are whole numbers.

    Returns:
        The labels.

    Raises:
        ClipFormatError: Another header, or a line that cannot be read; the message names the line.
        OSError: The file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "labels.csv")
        ...     _ = path.write_text("file,start,end,label\nwalk.json,0,90,walk\nwalk.json,90,150,sit down\n")
        ...     labels = read_clip_labels(path)
        >>> labels.class_names, labels.label("walk_00064-00128", file="walk", start=64, stop=128)
        (('sit down', 'walk'), 0)
    """
    path = Path(path)
    rows = _rows(path)
    header = rows[0][1] if rows else []
    _check_header(path, header)
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise ClipFormatError(
                path, f"expected {len(header)} cells as in the header, got {len(row)}; correct this line", line=line
            )
    lines = [(line, _known(dict(zip(header, row, strict=True)))) for line, row in rows[1:]]
    if not lines:
        raise ClipFormatError(path, "expected at least one line after the header, got none; add the labels")
    known = _class_names(path, lines, class_names)
    numbers = {name: number for number, name in enumerate(known)}
    subject_names = sorted({cells["subject"] for _, cells in lines if cells.get("subject")}, key=_natural)
    clips: dict[str, LabelRow] = {}
    files: dict[str, list[LabelRow]] = {}
    subjects: dict[str, int] = {}
    fps: dict[str, float] = {}
    for line, cells in lines:
        entry = _entry(path, line, cells, numbers)
        key = "clip" if "clip" in cells else "file"
        name = cells[key] if key == "clip" else recording_name(cells[key])
        if not cells[key]:
            raise ClipFormatError(path, f"expected a name in the column {key!r}, got an empty cell; fill it", line=line)
        if key == "clip":
            if name in clips:
                raise ClipFormatError(
                    path, f"clip {escape(name)!r} has a label in line {clips[name].line} too; keep one", line=line
                )
            clips[name] = entry
            continue
        _check_twice(path, entry, name, files.get(name, []))
        files.setdefault(name, []).append(entry)
        if cells.get("subject"):
            subject = subject_names.index(cells["subject"])
            if subjects.setdefault(name, subject) != subject:
                raise ClipFormatError(path, f"file {escape(name)!r} has two subjects; keep one", line=line)
        if cells.get("fps"):
            rate = _number(path, line, "fps", cells["fps"])
            if rate == 0 or fps.setdefault(name, rate) != rate:
                raise ClipFormatError(
                    path, f"fps: expected one rate > 0 for file {escape(name)!r}, got {rate:g}; keep one", line=line
                )
    return ClipLabels(
        path=path,
        class_names=tuple(known),
        clips=clips,
        files={name: tuple(some) for name, some in files.items()},
        subjects=subjects,
        subject_names=tuple(subject_names),
        fps=fps,
        unread=tuple(name for name in header if name not in _COLUMNS),
    )


def recording_name(file: str) -> str:
    r"""The name of a recording that a csv calls ``file``: its path below the folder without the suffix.

    Example:
        >>> recording_name("./day1/walk.json"), recording_name("day1\\walk"), recording_name("v1.5/walk")
        ('day1/walk', 'day1/walk', 'v1.5/walk')
    """
    path = PurePosixPath(file.replace("\\", "/"))
    return (path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path).as_posix()


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    size = path.stat().st_size
    if size > _LARGEST:
        raise ClipFormatError(path, f"expected a csv file of at most {_LARGEST} bytes, got {size}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClipFormatError(path, f"expected text in UTF-8, got other bytes at {error.start}; save it so") from None
    reader = csv.reader(StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise ClipFormatError(
            path, f"broken csv: {error}; save the table as comma-separated UTF-8", line=reader.line_num
        ) from None
    return [(line, cells) for line, cells in rows if any(cells)]


def _known(cells: dict[str, str]) -> dict[str, str]:
    """The line with an empty cell for an unknown label, which may also be written as -1."""
    return {**cells, "label": "" if cells["label"] == "-1" else cells["label"]}


def _check_header(path: Path, header: list[str]) -> None:
    keys = [key for key in _KEYS if key in header]
    times = [pair for pair in _TIMES if set(pair) & set(header)]
    whole = all(set(pair) <= set(header) for pair in times)
    right = len(keys) == 1 and "label" in header and len(times) <= 1 and whole
    of_files = times or "fps" in header
    if not right or len(set(header)) != len(header) or (of_files and keys == ["clip"]):
        shown = escape(",".join(header), longest=80) if header else "nothing"
        raise ClipFormatError(
            path,
            "expected a header such as 'clip,label', 'file,label', 'file,start,end,label' or "
            f"'file,start_seconds,end_seconds,label', with 'person', 'subject' or 'fps' optionally, got {shown!r}; "
            "rename its columns",
            line=1,
        )


def _class_names(path: Path, lines: list[tuple[int, dict[str, str]]], known: Sequence[str] | None) -> list[str]:
    if known is not None:
        for line, cells in lines:
            if cells["label"] and cells["label"] not in known:
                shown = ", ".join(escape(name) for name in list(known)[:5])
                reason = (
                    f"label {escape(cells['label'])!r} is none of the {len(known)} classes, {shown}, ...; correct it, "
                    "or train another classifier"
                )
                raise ClipFormatError(path, reason, line=line)
        return list(known)
    return sorted({cells["label"] for _, cells in lines if cells["label"]}, key=_natural)


def _natural(text: str) -> tuple[int, int, str]:
    """Whole numbers by value, before all other text."""
    digits = text.isascii() and text.isdigit() and len(text) < 19
    return (0, int(text), "") if digits else (1, 0, text)


def _entry(path: Path, line: int, cells: Mapping[str, str], numbers: Mapping[str, int]) -> LabelRow:
    label = numbers[cells["label"]] if cells["label"] else -1
    pair = next((pair for pair in _TIMES if pair[0] in cells), None)
    start = end = None
    if pair is not None and (cells[pair[0]] or cells[pair[1]]):
        start, end = (_number(path, line, name, cells[name]) for name in pair)
        if not start < end:
            raise ClipFormatError(
                path, f"expected {pair[0]} < {pair[1]}, got {start:g} and {end:g}; correct this line", line=line
            )
    person = None
    if cells.get("person"):
        value = _number(path, line, "person", cells["person"])
        if value != int(value):
            raise ClipFormatError(path, f"person: expected a whole number, got {value:g}; correct it", line=line)
        person = int(value)
    return LabelRow(line, label, start, end, pair == _TIMES[1], person)


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e12:  # and no NaN
        raise ClipFormatError(
            path, f"{name}: expected a number >= 0, got {escape(text, longest=40)!r}; correct it", line=line
        )
    return value


def _check_twice(path: Path, row: LabelRow, name: str, others: Sequence[LabelRow]) -> None:
    if row.start is None:
        for other in others:
            if other.start is None and other.person == row.person:
                raise ClipFormatError(
                    path, f"file {escape(name)!r} has a label in line {other.line} too; keep one", line=row.line
                )
