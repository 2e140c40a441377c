"""Find the clips in files that hold a whole set: pyskl's pickles, and the pairs of the released preprocessing."""

from __future__ import annotations

from functools import lru_cache, partial
from operator import getitem
from pathlib import Path

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.found_clips import FoundClips, part_by_lists, part_by_origin
from skelblocks.data.formats.read_position_pair import PositionPair, origin_of, read_position_pair
from skelblocks.data.formats.read_pyskl import PysklClips, read_pyskl
from skelblocks.data.prepared.prepare import Part
from skelblocks.data.prepared.prepare_shard import Source
from skelblocks.layouts import SkeletonLayout


def find_pyskl(
    root: Path, protocol: str | None, *, score: bool = True, layout: SkeletonLayout | None = None
) -> FoundClips:
    """The annotations of a pickle, or of the only one below a folder."""
    own_joints = None if layout is None else layout.num_joints
    path = root if root.is_file() else _only(root, "*.pkl")
    clips = _opened_pyskl(path, path.stat().st_mtime_ns, score, own_joints)
    order = sorted(range(len(clips)), key=clips.names.__getitem__)
    sources: list[Source] = [(clips.names[i], partial(_read_pyskl, path, i, score, own_joints)) for i in order]
    channels, joints = next((one for one in map(partial(_sizes, clips), order) if one is not None), (3, 25))
    known = "coco-17" if joints == 17 else "ntu-rgb+d"
    return FoundClips(sources, layout or known, _pyskl_part(clips, protocol), channels=channels)


def _pyskl_part(clips: PysklClips, protocol: str | None) -> Part | None:
    if protocol is None:
        return None
    train, val, test = (clips.splits.get(f"{protocol}_{name}", ()) for name in ("train", "val", "test"))
    if not train or not val + test:
        there = ", ".join(map(escape, clips.splits)) or "none"
        raise ValueError(
            f"protocol: expected parts {protocol}_train and {protocol}_val in the file, got {there}; choose one of "
            "these, or no protocol"
        )
    return part_by_lists(train, val + test)


@lru_cache(maxsize=1)
def _opened_pyskl(path: Path, changed: int, score: bool, joints: int | None) -> PysklClips:
    """One for each process: the file holds the whole set, and is read whole."""
    return read_pyskl(path, score=score, joints=joints)


def _read_pyskl(path: Path, i: int, score: bool, joints: int | None) -> RawClip:
    return _opened_pyskl(path, path.stat().st_mtime_ns, score, joints)[i]


def _sizes(clips: PysklClips, i: int) -> tuple[int, int] | None:
    """Channels and joints."""
    try:
        channels, _, joints, _ = clips[i].x.shape
    except ClipFormatError:
        return None
    return channels, joints


def find_position(root: Path, protocol: str | None, *, layout: SkeletonLayout | None = None) -> FoundClips:
    """The clips of all pairs below a folder."""
    skeleton = layout or layouts.get("ntu-rgb+d")
    pairs: list[tuple[bool, PositionPair]] = []
    for labels in sorted(root.rglob("*_label.pkl")):
        stem = labels.name.removesuffix("_label.pkl")
        found = [path for end in ("position", "data") if (path := labels.with_name(f"{stem}_{end}.npy")).is_file()]
        if len(found) != 1:
            raise ValueError(
                f"root: expected {stem}_position.npy or {stem}_data.npy beside {escape(labels)!r}; put it there"
            )
        pairs.append(
            (stem.startswith("train"), read_position_pair(found[0], labels=labels, joints=skeleton.num_joints))
        )
    if not pairs:
        raise FileNotFoundError(f"root: there is no *_label.pkl in {escape(root)!r}; check the folder")
    sources: list[Source] = [
        (name, partial(getitem, pair, i)) for _, pair in pairs for i, name in enumerate(pair.names)
    ]
    sources.sort(key=lambda source: source[0])
    if protocol == "given":
        train, test = (
            [name for trains, pair in pairs if trains == flag for name in pair.names] for flag in (True, False)
        )
        return FoundClips(sources, layout or "ntu-rgb+d", part_by_lists(train, test))
    origins = [origin_of(name) for name, _ in sources]
    if protocol is not None and not all("setup" in origin for origin in origins):
        raise ValueError(f"protocol: {protocol!r} needs the names of NTU RGB+D; 'given' uses the names of the files")
    kind = "ntu120" if any(origin.get("action", 0) > 60 for origin in origins) else "ntu60"
    return FoundClips(sources, layout or "ntu-rgb+d", part_by_origin(kind, protocol))


def _only(root: Path, pattern: str) -> Path:
    paths = sorted(root.rglob(pattern))
    if len(paths) != 1:
        raise FileNotFoundError(
            f"root: expected one file {pattern} in {escape(root)!r}, got {len(paths)}; give the file"
        )
    return paths[0]
