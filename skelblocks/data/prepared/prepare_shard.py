"""A shard of a prepared set: what a worker process does.

Axes: n samples, c coordinates, t frames, v joints, b bodies, m persons.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.prepared import prepared_files as files
from skelblocks.data.prepared.clip_preparation import ClipPreparation

Loader = Callable[[], "RawClip | Sequence[RawClip]"]
Source = tuple[str, Loader]


class Progress(NamedTuple):
    """How far a preparation is; sources are files, or clips of a file that holds many."""

    done: int
    total: int
    clips: int
    rejected: int


class Shard(NamedTuple):
    """What :func:`write_shard` needs."""

    folder: Path
    number: int
    sources: list[Source]
    preparation: ClipPreparation
    missing: frozenset[str]


def record_path(folder: Path, number: int) -> Path:
    """The file that tells what is in a finished shard, while the set is unfinished.

    Example:
        >>> record_path(Path("set"), 3).parts
        ('set', 'unfinished', '00003.json')
    """
    return folder / files.UNFINISHED / f"{number:05}.json"


def write_shard(shard: Shard) -> Iterator[Progress]:
    """Write a shard, and then its record, by which it is known to be finished; give what each source adds."""
    folder, number, sources, preparation, missing = shard
    record, path = record_path(folder, number), folder / files.shard_name(number)
    if record.is_file():
        known = files.read_json(record)
        if known["sha256"] is None or path.is_file():
            yield Progress(len(sources), len(sources), len(known["clips"]), len(known["rejected"]))
            return
    rows: list[NDArray[np.float32]] = []
    kept: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    for source in sources:
        before = len(kept), len(rejected)
        for name, clip in _read(source, missing):
            try:
                if isinstance(clip, Exception):
                    raise clip
                if not 0 < len(name) <= files.LONGEST_NAME:
                    raise ClipFormatError(source[0], f"expected names of 1 to {files.LONGEST_NAME} characters")
                if any(name == other["name"] for other in kept[before[0] :]):
                    raise ClipFormatError(name, "two clips of this name")
                rows.append(preparation(clip))
                origin = {key: int(value) for key, value in clip.origin.items()}
                kept.append({"name": name, "label": int(clip.label), "origin": origin})
            except (ClipFormatError, OSError) as error:  # noqa: PERF203  (one bad clip, not the loop, is given up)
                rejected.append(_rejection(name, error))
        yield Progress(1, 1, len(kept) - before[0], len(rejected) - before[1])
    digest = files.write_array(path, np.stack(rows)) if rows else None
    files.write_json(record, {"clips": kept, "rejected": rejected, "sha256": digest})


def _read(source: Source, missing: frozenset[str]) -> Iterator[tuple[str, RawClip | Exception]]:
    """The clips of a source by their names, or why there is none."""
    name, load = source
    listed = ClipFormatError(name, "in the list of missing clips")
    if name in missing:
        yield name, listed
        return
    try:
        loaded = load()
    except (ClipFormatError, OSError) as error:
        yield name, error
        return
    if isinstance(loaded, RawClip):
        yield name, loaded
        return
    for i in range(len(loaded)):
        try:
            clip = loaded[i]
        except (ClipFormatError, OSError) as error:
            yield f"{name}[{i}]", error
            continue
        yield clip.name, listed if clip.name in missing else clip


def _rejection(name: str, error: ClipFormatError | OSError) -> dict[str, Any]:
    """Without the folders, which are another matter on another machine."""
    if isinstance(error, ClipFormatError):
        return {"name": name, "file": error.path.name, "line": error.line, "reason": error.reason}
    file = None if error.filename is None else Path(os.fsdecode(error.filename)).name
    return {"name": name, "file": file, "line": None, "reason": error.strerror or type(error).__name__}
