"""Prepare a set: apply the same steps to every clip, and write a folder of mapped arrays.

Axes: n samples, c channels, t frames, v joints, b tracks, m persons.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks import layouts
from skelblocks._utils.checks import check_integer
from skelblocks._utils.escape import escape
from skelblocks._utils.locks import locked
from skelblocks._utils.missing import refuse_missing
from skelblocks.clips.flat_settings import FLAT, take_flat_settings
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data.prepared import prepared_files as files
from skelblocks.data.prepared.clip_preparation import ClipPreparation
from skelblocks.data.prepared.decide_y import decide_y
from skelblocks.data.prepared.prepare_shard import (
    PreparedShard,
    Progress,
    Shard,
    Source,
    finish_shard,
    finished_shard,
    prepare_shard,
    record_path,
)
from skelblocks.layouts import SkeletonLayout

Part = Callable[[Sequence[str], Mapping[str, NDArray[Any]]], NDArray[Any]]


def prepare(
    clips: Iterable[Source],
    *,
    out: str | os.PathLike[str],
    layout: str | Mapping[str, Any] | SkeletonLayout,
    preprocessing: Preprocessing | None = None,
    part: Part | None = None,
    protocol: str | None = None,
    class_names: Sequence[str] | None = None,
    missing: Collection[str] = (),
    origin_names: Mapping[str, Sequence[str]] | None = None,
    source_settings: Mapping[str, Any] | None = None,
    shard: int = 1024,
    workers: int = 1,
    progress: Callable[[Progress], object] | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Write a prepared set, for :class:`~skelblocks.data.PreparedSet`.

    Sources that cannot be read, clips without a visible person, and clips named in ``missing`` are left out; the
    manifest lists each with the reason. The bytes written depend only on the sources and settings. They do not depend
    on ``workers`` or on interruptions: a killed run resumes from its finished shards, and every file is written
    atomically. Memory holds one shard for each worker. One process at a time writes to a folder.

    Args:
        clips: Pairs of a name, unique, and a function without arguments that reads the clip, or several clips, and
            raises :class:`~skelblocks.data.ClipFormatError` or ``OSError``. With more than one worker the functions
            must pickle: ``functools.partial(read_ntu_skeleton, path)``.
        out: The folder, which is made. An unfinished run with the same sources and settings is resumed; a finished set
            is left untouched.
        layout: The skeleton of the raw clips.
        preprocessing: Frames, center, alignment, persons, scale and another skeleton, as for
            :class:`~skelblocks.data.ClipPreparation`. ``y="auto"`` is decided for the whole set, by the clips of up to
            256 sources that are spread evenly over it; they are read once more.
        part: From the names ``(n,)`` of all clips and their origins, arrays ``(n,)``, which of them train: booleans,
            or 1, 0 for the test part and -1 for neither. Default: neither. Such as
            ``lambda names, origin: cross_subject(origin["subject"], train=(1, 3))``.
        protocol: Name of the split in the manifest.
        class_names: One name per class.
        missing: Names of sources or clips to leave out: the published list of missing skeletons.
        origin_names: Names of the numbers in the clips' origin, such as ``{"recording": ("day1", "day2")}``.
        source_settings: How the functions of ``clips`` make clips from files: strings, numbers, lists and dicts. A set
            that was made with others is not taken for this one.
        shard: Sources in a shard, and so the most clips in one, unless a source has several.
        workers: Processes. They are spawned: a script must call this under ``if __name__ == "__main__":``.
        progress: Called after every source, or after every shard with more than one worker.
        overwrite: Whether a prepared set in ``out``, of whatever sources and settings, is deleted and made again.
        **settings: ``channels``, ``denoise``, ``bodies``, ``gaps``, ``max_gap`` and ``min_seen``, for
            :class:`~skelblocks.data.ClipPreparation`.

    Returns:
        The manifest.

    Raises:
        TypeError: A number that is not an integer, or an unknown setting.
        ValueError: A setting outside its range, no source, two of one name, no clip that is left, a label without its
            class name, or ``out`` holds something else, for instance these clips with another ``part``.
        OSError: Another process is preparing a set in ``out``.

    Example:
        >>> import tempfile
        >>> from functools import partial
        >>> from skelblocks.data import read_nw_ucla
        >>> from skelblocks.testing import write_nw_ucla
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = write_nw_ucla(f"{folder}/raw", clips=4)
        ...     sources = [(path.stem, partial(read_nw_ucla, path)) for path in paths]
        ...     manifest = prepare(sources, out=f"{folder}/set", layout="nw-ucla", missing=["a02_s01_e00_v02"])
        >>> manifest["clips"], manifest["shape"], manifest["rejected"][0]["reason"]
        (3, [3, 50, 20, 2], 'in the list of missing clips')
    """
    for name, value in {"shard": shard, "workers": workers}.items():
        check_integer(value, name=name)
    flat = {name: settings.pop(name) for name in FLAT if name in settings}
    if flat:
        skeleton = layouts.get(layout)
        preprocessing = take_flat_settings(
            preprocessing, flat, function="prepare", layout=skeleton, default=Preprocessing(persons=2)
        )
    sources, folder = _sources(clips), Path(out)
    preparation = decide_y(ClipPreparation(layout, preprocessing=preprocessing, **settings), sources)
    plan = {
        **_plan(sources, preparation, class_names, shard, missing),
        "origin_names": None if origin_names is None else {key: list(names) for key, names in origin_names.items()},
        "source_settings": None if source_settings is None else dict(source_settings),
    }
    folder.mkdir(parents=True, exist_ok=True)
    busy = f"out: another process is preparing a set in {escape(folder)!r}; wait for it, or choose another folder"
    with locked(folder / files.LOCK, busy=busy):
        finished = files.open_folder(folder, plan, {"protocol": protocol}, overwrite=overwrite)
        if finished is not None:
            _check_part(folder, part)
            return finished
        groups = [sources[start : start + shard] for start in range(0, len(sources), shard)]
        digest = files.plan_sha256(plan)
        shards = [
            Shard(folder, number, group, preparation, frozenset(missing), digest) for number, group in enumerate(groups)
        ]
        _run_all(shards, workers, progress)
        return _finish(folder, {**plan, "plan_sha256": digest, "protocol": protocol}, preparation, len(groups), part)


def _plan(
    sources: list[Source],
    preparation: ClipPreparation,
    class_names: Sequence[str] | None,
    shard: int,
    missing: Collection[str],
) -> dict[str, Any]:
    """The settings that determine the content of the shards."""
    names = [name for name, _ in sources]
    return {
        "format": files.FORMAT,
        "version": files.VERSION,
        "settings": preparation.to_dict(),
        "class_names": None if class_names is None else list(class_names),
        "shard": shard,
        "sources": {"count": len(names), "sha256": files.joint_sha256([*names, "", *sorted(missing)])},
    }


def _check_part(folder: Path, part: Part | None) -> None:
    """Raise if a finished set has another split of the clips."""
    if part is None:
        return
    index = files.map_array(folder / files.INDEX)
    if not np.array_equal(_parts(part, index), index["part"]):
        raise ValueError(
            f"part: {escape(folder)!r} holds these clips with another split; choose another folder, or overwrite "
            "this one with overwrite=True (--overwrite)"
        )


def _run_all(shards: list[Shard], workers: int, progress: Callable[[Progress], object] | None) -> None:
    done = Progress(0, sum(len(shard.sources) for shard in shards), 0, 0)
    for step in _run(shards, workers):
        done = Progress(done.done + step.done, done.total, done.clips + step.clips, done.rejected + step.rejected)
        if progress is not None:
            progress(done)


def _sources(clips: Iterable[Source]) -> list[Source]:
    sources = list(clips)
    if not sources:
        raise ValueError("clips: expected at least one, got none")
    names = Counter(name for name, _ in sources)
    name, times = names.most_common(1)[0]
    if times > 1:
        raise ValueError(f"clips: expected unique names, got {name!r} {times} times; rename the files")
    if any(not 0 < len(name) <= files.LONGEST_NAME for name in names):
        raise ValueError(f"clips: expected names of 1 to {files.LONGEST_NAME} characters; rename the files")
    return sources


def _run(shards: list[Shard], workers: int) -> Iterator[Progress]:
    """Prepare the unfinished shards, and yield the progress of each source or shard."""
    left = []
    for shard in shards:
        known = finished_shard(shard)
        if known is None:
            left.append(shard)
        else:
            yield known
    if workers == 1 or not left:
        for shard in left:
            finish_shard(shard, (yield from prepare_shard(shard)))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(left)), mp_context=context, initializer=_start) as executor:
        futures = {executor.submit(_prepare_whole, shard): shard for shard in left}
        try:
            for future in as_completed(futures):
                progress, prepared = future.result()
                finish_shard(futures[future], prepared)
                yield progress
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _prepare_whole(shard: Shard) -> tuple[Progress, PreparedShard]:
    total, steps = Progress(0, 0, 0, 0), prepare_shard(shard)
    while True:
        try:
            total = Progress(*map(sum, zip(total, next(steps), strict=True)))
        except StopIteration as stop:  # noqa: PERF203  (a generator returns its value so)
            return total, stop.value


def _start() -> None:
    """Leave interrupts to the parent process, and exit with it, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _finish(
    folder: Path, plan: dict[str, Any], preparation: ClipPreparation, groups: int, part: Part | None
) -> dict[str, Any]:
    clips: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    shards: list[dict[str, Any]] = []
    for number in range(groups):
        record = files.read_json(record_path(folder, number))
        rejected += record["rejected"]
        for row, clip in enumerate(record["clips"]):
            clips.append({**clip, "shard": len(shards), "row": row})
        if record["clips"]:
            entry = {key: record[key] for key in ("sha256", "plan")}
            if record.get("seen") is not None:
                entry["seen"] = {"file": files.mask_name(number), "sha256": record["seen"]}
            shards.append({"file": files.shard_name(number), "clips": len(record["clips"]), **entry})
    if not clips:
        first = "; ".join(f"{escape(one['name'])}: {escape(one['reason'])}" for one in rejected[:3])
        shutil.rmtree(folder / files.UNFINISHED, ignore_errors=True)  # other settings may do
        raise ValueError(f"clips: none of {len(rejected)} could be prepared: {first}; other settings or files may do")
    name, times = Counter(clip["name"] for clip in clips).most_common(1)[0]
    if times > 1:
        raise ValueError(f"clips: expected unique names, got {name!r} {times} times; rename the files")
    records = files.index_array(clips)
    classes, largest = plan["class_names"], int(records["label"].max())
    if classes is not None and largest >= len(classes):
        raise ValueError(
            f"class_names: expected a name for each of the labels 0..{largest}, got {len(classes)}; name all"
        )
    if part is not None:
        records["part"] = _parts(part, records)
    unfinished = folder / files.UNFINISHED
    index = files.write_array(folder / files.INDEX, records, through=unfinished)
    masks = [entry["seen"] for entry in shards if "seen" in entry]
    train, test = (int((records["part"] == number).sum()) for number in (1, 0))
    manifest = {
        **plan,
        "clips": len(clips),
        "shape": list(preparation.shape),
        "axes": ["n", "c", "t", "v", "m"],
        "dtype": "float32",
        "parts": {"train": train, "test": test, "neither": len(clips) - train - test},
        "rejected": rejected,
        "shards": shards,
        "index": {"file": files.INDEX, "sha256": index},
        "sha256": files.joint_sha256([*(entry["sha256"] for entry in (*shards, *masks)), index]),
    }
    kept = {folder / entry["file"] for entry in (*shards, *masks)}
    for old in {*folder.glob(files.SHARDS), *folder.glob(files.MASKS)} - kept:
        old.unlink()  # a file of the overwritten set
    files.write_json(folder / files.MANIFEST, manifest, through=unfinished)
    shutil.rmtree(unfinished, ignore_errors=True)  # a worker of a killed run may be writing there
    return manifest


def _parts(part: Part, records: NDArray[Any]) -> NDArray[np.int8]:
    keys = [name for name in records.dtype.names or () if name.startswith(files.ORIGIN)]
    origin = {key.removeprefix(files.ORIGIN): records[key] for key in keys}
    marks = part(records["name"].tolist(), origin)
    refuse_missing(marks, name="part", names=records["name"].tolist())
    parts = np.asarray(marks)
    if parts.shape != records.shape or parts.dtype.kind not in "bi" or not np.isin(parts, (-1, 0, 1)).all():
        raise ValueError(f"part: expected booleans or -1, 0, 1, shape {records.shape}, got {parts.dtype} {parts.shape}")
    return parts.astype(np.int8)
