"""Prepare a shard of a set in a worker process, and finish it in the parent process.

Axes: n samples, c coordinates, t frames, v joints, b tracks, m persons.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.prepared import prepared_files as files
from skelblocks.data.prepared.clip_preparation import ClipPreparation, PreparedClip

Loader = Callable[[], "RawClip | Sequence[RawClip]"]
Source = tuple[str, Loader]


class Progress(NamedTuple):
    """The progress of a preparation. Sources are files, or the clips in a file that holds many."""

    done: int
    total: int
    clips: int
    rejected: int


class Shard(NamedTuple):
    """The arguments of a worker that prepares a shard."""

    folder: Path
    number: int
    sources: list[Source]
    preparation: ClipPreparation
    missing: frozenset[str]
    plan: str  # the digest of the set's plan


class PreparedShard(NamedTuple):
    """The clips of a shard and their seen joints in partial files, and the record of what they are."""

    place: Path | None
    mask: Path | None
    record: dict[str, Any]


def record_path(folder: Path, number: int) -> Path:
    """The file that lists the content of a finished shard, while the set is unfinished.

    Example:
        >>> record_path(Path("set"), 3).parts
        ('set', 'unfinished', '00003.json')
    """
    return folder / files.UNFINISHED / f"{number:05}.json"


def finished_shard(shard: Shard) -> Progress | None:
    """The content of a shard that an earlier run with the same plan finished, or None."""
    record = record_path(shard.folder, shard.number)
    if not record.is_file():
        return None
    known = files.read_json(record)
    there = known.get("sha256") is None or (shard.folder / files.shard_name(shard.number)).is_file()
    there = there and (known.get("seen") is None or (shard.folder / files.mask_name(shard.number)).is_file())
    if known.get("plan") != shard.plan or not there:
        return None
    return Progress(len(shard.sources), len(shard.sources), len(known["clips"]), len(known["rejected"]))


def prepare_shard(shard: Shard) -> Generator[Progress, None, PreparedShard]:
    """Prepare the clips of a shard into a partial file. Yield each source's progress, and return the shard.

    A worker writes nothing else. Only the process that holds the folder's lock renames files, see :func:`finish_shard`,
    so a worker that outlives a killed parent does no harm.
    """
    rows: list[PreparedClip] = []
    kept: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    for source in shard.sources:
        before = len(kept), len(rejected)
        for name, clip in _read(source, shard.missing):
            try:
                if isinstance(clip, Exception):
                    raise clip
                if not 0 < len(name) <= files.LONGEST_NAME:
                    raise ClipFormatError(
                        source[0], f"expected names of 1 to {files.LONGEST_NAME} characters; rename the file"
                    )
                if any(name == other["name"] for other in kept[before[0] :]):
                    raise ClipFormatError(
                        name, "expected a unique name, got two clips with this name; rename one of the files"
                    )
                rows.append(shard.preparation.prepare(clip))
                origin = {key: int(value) for key, value in clip.origin.items()}
                kept.append({"name": name, "label": int(clip.label), "origin": origin})
            except (ClipFormatError, OSError) as error:  # noqa: PERF203  (one bad clip, not the loop, is given up)
                rejected.append(_rejection(name, error))
        yield Progress(1, 1, len(kept) - before[0], len(rejected) - before[1])
    place, mask = None, None
    record = {"clips": kept, "rejected": rejected, "sha256": None, "plan": shard.plan}
    if rows:
        place, record["sha256"] = _write(shard, np.stack([row.x for row in rows]), files.shard_name(shard.number))
    if any(row.seen is not None for row in rows):
        packed = np.stack([_pack(row) for row in rows])
        mask, record["seen"] = _write(shard, packed, files.mask_name(shard.number))
    return PreparedShard(place, mask, record)


def _write(shard: Shard, array: NDArray[Any], name: str) -> tuple[Path, str]:
    """Write a partial file; its place and sha256."""
    through = shard.folder / files.UNFINISHED
    place = through / f".{secrets.token_hex(4)}.{name}.whole"
    return place, files.write_array(place, array, through=through)


def _pack(clip: PreparedClip) -> NDArray[np.uint8]:
    """The seen joints of a clip as bits; of a clip that does not say, all joints of persons who are there."""
    seen = clip.seen
    if seen is None:
        seen = np.broadcast_to((clip.x != 0).any(axis=(0, 2))[:, None], clip.x.shape[1:])
    return np.packbits(seen.ravel())


def finish_shard(shard: Shard, prepared: PreparedShard) -> None:
    """Give the shard's file its name, then write its record, by which it is known to be finished."""
    if prepared.place is not None:
        prepared.place.replace(shard.folder / files.shard_name(shard.number))
    if prepared.mask is not None:
        prepared.mask.replace(shard.folder / files.mask_name(shard.number))
    record = record_path(shard.folder, shard.number)
    files.write_json(record, prepared.record, through=record.parent)


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
    """The record of a rejected clip, without folders, which differ between machines."""
    if isinstance(error, ClipFormatError):
        return {"name": name, "file": error.path.name, "line": error.line, "reason": error.reason}
    file = None if error.filename is None else Path(os.fsdecode(error.filename)).name
    return {"name": name, "file": file, "line": None, "reason": error.strerror or type(error).__name__}
