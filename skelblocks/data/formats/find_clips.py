"""Find the clips in a folder of raw files, and the part of a protocol that each belongs to."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from skelblocks import layouts
from skelblocks._utils.checks import check_choice
from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.find_archives import find_position, find_pyskl
from skelblocks.data.formats.found_clips import FoundClips, part_by_lists, part_by_origin
from skelblocks.data.formats.read_ntu_skeleton import parse_ntu_name, read_ntu_skeleton
from skelblocks.data.formats.read_nw_ucla import read_nw_ucla
from skelblocks.data.formats.read_pku_mmd import PkuMmdVideo, read_pku_mmd, read_pku_mmd_split
from skelblocks.data.prepared.prepare import Part
from skelblocks.data.prepared.prepare_shard import Source
from skelblocks.layouts import SkeletonLayout

RawSet = Literal["ntu60", "ntu120", "pku-mmd", "nw-ucla", "pyskl", "position"]
ProtocolName = Literal["xsub", "xview", "xset", "given"]
SETS: tuple[RawSet, ...] = get_args(RawSet)
PROTOCOLS: tuple[ProtocolName, ...] = get_args(ProtocolName)
_ANY_SKELETON = ("pyskl", "position")
_VIDEO = re.compile(r"(\d{4}|A\d{2}N\d{2})-[LMR]")
_VIDEOS_IN_A_SHARD = 32
_LOOKED_AT = 1000
_SPLITS = {"xsub": "cross-subject*.txt", "xview": "cross-view*.txt"}


@explain_arguments
def find_clips(
    kind: RawSet,
    root: str | os.PathLike[str],
    *,
    protocol: ProtocolName | None = None,
    score: bool = True,
    layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
) -> FoundClips:
    """Find the clips of a raw data set; files are looked for in all folders below ``root``.

    Args:
        kind: ``"ntu60"``, ``"ntu120"``: ``*.skeleton``. ``"pku-mmd"``: two files of text for each video, such as
            ``0002-L.txt``, of which that with commas has the labels, and the split files. ``"nw-ucla"``: ``*.json``.
            ``"pyskl"``: a pickle. ``"position"``: pairs of ``*_position.npy`` or ``*_data.npy``, and ``*_label.pkl``.
        root: The folder; of ``"pyskl"`` also the file.
        protocol: ``"xsub"``, ``"xview"`` or ``"xset"``, as far as the set has it; parts come from the names for NTU
            RGB+D and NW-UCLA, from the split files for PKU-MMD, and from the file's own split for pyskl. ``"given"``,
            for position pairs alone: those in files called ``train*`` train.
        score: For pyskl's keypoints in pictures, whether their score is the third channel. Without it clips have two
            coordinates, which the augmentations can turn and shear.
        layout: For pyskl's pickles and position pairs of another skeleton: a name, a dict or a layout with as many
            joints as they have. Default: the set's own.

    Returns:
        The arguments for :func:`~skelblocks.data.prepare`.

    Raises:
        FileNotFoundError: No such folder, or nothing of that kind in it.
        ClipFormatError: A file that lists the clips, such as a split, is damaged.
        ValueError: An unknown kind, a protocol or a layout that the set does not have, ``score=False`` for a set
            without scores, or two files for the same clip.

    Example:
        >>> import tempfile
        >>> from skelblocks.testing import write_pyskl
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = write_pyskl(folder, clips=4)
        ...     found = find_clips("pyskl", folder, protocol="xsub")
        >>> names = [name for name, _ in found.clips]
        >>> names[:2], found.part(names, {})
        (['S001C001P001R001A001', 'S001C001P001R001A004'], array([1, 0, 1, 0], dtype=int8))
    """
    check_choice(kind, SETS, name="kind")
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(
            f"root: there is no folder {escape(root)!r} (looked in {escape(Path.cwd())}); check the path"
        )
    skeleton = None if layout is None else layouts.get(layout)
    if skeleton is not None and kind not in _ANY_SKELETON:
        raise ValueError(
            f"layout: expected none for {kind!r}, which has its own; only {' and '.join(_ANY_SKELETON)} vary"
        )
    if kind == "pyskl":
        return find_pyskl(root, protocol, score=score, layout=skeleton)
    if not score:
        raise ValueError(f"score: {kind!r} has none to leave out; only keypoints in pictures, of 'pyskl', do")
    if kind == "position":
        return find_position(root, protocol, layout=skeleton)
    return _FIND[kind](root, protocol)


def _find_ntu(root: Path, protocol: str | None, *, kind: str, actions: int) -> FoundClips:
    paths = _paths(root, "*.skeleton")
    part = part_by_origin(kind, protocol)
    return FoundClips([(path.stem, partial(_read_ntu, path, actions)) for path in paths], "ntu-rgb+d", part)


def _read_ntu(path: Path, actions: int) -> RawClip:
    try:
        action = parse_ntu_name(path.stem)["action"]
    except ValueError as error:
        raise ClipFormatError(path, str(error)) from None
    if action > actions:
        raise ClipFormatError(
            path, f"action {action} is not of this set, which has 1..{actions}; prepare ntu120 instead"
        )
    return read_ntu_skeleton(path)


def _find_ucla(root: Path, protocol: str | None) -> FoundClips:
    part = part_by_origin("nw-ucla", protocol)
    paths = _paths(root, "*.json")
    return FoundClips([(path.stem, partial(read_nw_ucla, path)) for path in paths], "nw-ucla", part, persons=1)


def _find_pku(root: Path, protocol: str | None) -> FoundClips:
    texts = [path for path in root.rglob("*.txt") if _VIDEO.fullmatch(path.stem)]
    labeled = {path: b"," in _start(path) for path in texts}
    labels = {path.stem: path for path in _unique(path for path in texts if labeled[path])}
    videos = _unique(path for path in texts if not labeled[path])
    if not videos:
        raise FileNotFoundError(
            f"root: there are no files such as 0002-L.txt or A01N01-L.txt in {escape(root)!r}, {_there(root)}"
        )
    clips: list[Source] = [(path.stem, partial(_read_pku, path, labels.get(path.stem))) for path in videos]
    return FoundClips(clips, "ntu-rgb+d", _pku_part(root, protocol), shard=_VIDEOS_IN_A_SHARD)


def _read_pku(path: Path, labels: Path | None) -> PkuMmdVideo:
    if labels is None:
        raise ClipFormatError(path, "no file of the same name has its labels; put the folder of labels below root")
    return read_pku_mmd(path, labels=labels)


def _pku_part(root: Path, protocol: str | None) -> Part | None:
    if protocol is None:
        return None
    check_choice(protocol, _SPLITS, name="protocol")
    found = sorted(root.rglob(_SPLITS[protocol]))
    if len(found) != 1:
        shown = ", ".join(str(path.relative_to(root)) for path in found) or "none"
        raise ValueError(
            f"protocol: expected one file {_SPLITS[protocol]} below {escape(root)!r}, got {shown}; keep one of the "
            "owner's lists there"
        )
    by_video = part_by_lists(*read_pku_mmd_split(found[0]))
    return lambda names, origin: by_video([name.split("_")[0] for name in names], origin)


def _there(root: Path) -> str:
    """What is in a folder in place of the files of a set, and what to do."""
    if root.is_file():
        return "which is a file; name the folder that it is in"
    kinds = Counter(path.suffix or path.name for path in islice(root.rglob("*"), _LOOKED_AT) if path.is_file())
    shown = ", ".join(f"{count} {escape(kind)}" for kind, count in kinds.most_common(3))
    return f"which has {shown or 'no file'}; check the folder and the kind of set"


def _paths(root: Path, pattern: str) -> list[Path]:
    paths = _unique(root.rglob(pattern))
    if not paths:
        raise FileNotFoundError(f"root: there are no files {pattern} in {escape(root)!r}, {_there(root)}")
    return paths


def _unique(paths: Iterable[Path]) -> list[Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise ValueError(
                f"root: two files for one clip, {escape(found[path.stem])!r} and {escape(path)!r}; remove one"
            )
        found[path.stem] = path
    return [found[name] for name in sorted(found)]


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(200)


_FIND: Mapping[str, Callable[[Path, str | None], FoundClips]] = {
    "ntu60": partial(_find_ntu, kind="ntu60", actions=60),
    "ntu120": partial(_find_ntu, kind="ntu120", actions=120),
    "pku-mmd": _find_pku,
    "nw-ucla": _find_ucla,
}
