"""The readers of motion capture in the form of :mod:`skelblocks.data.formats.pose_formats`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.detections import PoseOptions
from skelblocks.data.formats.read_amc import looks_like_amc, looks_like_asf, read_amc
from skelblocks.data.formats.read_bvh import read_bvh


def looks_like_asf_or_amc(head: bytes) -> bool:
    """Whether a file's start is half of a pair of ASF and AMC."""
    return looks_like_asf(head) or looks_like_amc(head)


def read_bvh_pose(paths: Sequence[Path], *, name: str, options: PoseOptions) -> list[RawClip]:
    """:func:`~skelblocks.data.read_bvh` with its defaults."""
    return _with_options(read_bvh(paths[0], fps=options.fps), paths[0], name, options)


def read_amc_pose(paths: Sequence[Path], *, name: str, options: PoseOptions) -> list[RawClip]:
    """:func:`~skelblocks.data.read_amc` with the skeleton beside the file."""
    path = paths[0]
    with path.open("rb") as file:
        if looks_like_asf(file.read(1 << 16)):
            raise ClipFormatError(path, "expected an AMC file, got an ASF file, which has a skeleton without frames")
    return _with_options(read_amc(path, fps=options.fps), path, name, options)


def without_skeletons(paths: Iterable[Path]) -> list[Path]:
    """Leave out the ASF files that have AMC files beside them.

    Example:
        >>> [path.name for path in without_skeletons([Path("a/02.asf"), Path("a/02_01.amc"), Path("b/3.asf")])]
        ['02_01.amc', '3.asf']
    """
    listed = list(paths)
    folders = {path.parent for path in listed if path.suffix.lower() == ".amc"}
    return [path for path in listed if path.suffix.lower() != ".asf" or path.parent not in folders]


def _with_options(clips: list[RawClip], path: Path, name: str, options: PoseOptions) -> list[RawClip]:
    [clip] = clips
    if options.layout is not None:
        if options.layout.num_joints != clip.x.shape[2]:
            raise ClipFormatError(
                path,
                f"layout: expected a layout with the {clip.x.shape[2]} joints of this file, got "
                f"{options.layout.name!r} with {options.layout.num_joints}; pass another layout=, or none",
            )
        clip = clip._replace(layout=options.layout)
    return [clip._replace(name=name)]
