"""Find the recordings in a file or a folder of poses. Each is read on demand."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn, TypeAlias

from skelblocks import layouts
from skelblocks._utils.checks import check_choice, check_number, check_positive
from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.detections import PoseOptions
from skelblocks.data.formats.frame_files import group_frames
from skelblocks.data.formats.mocap_formats import without_skeletons
from skelblocks.data.formats.pose_formats import POSE_FORMATS, PoseFormatName, read_head, tell_format
from skelblocks.data.formats.refused_formats import explain_refusal
from skelblocks.layouts import SkeletonLayout

OwnReader: TypeAlias = Callable[[Path], RawClip | Sequence[RawClip]]
_AUTO = "auto"
_REFUSED = (".json", ".bvh", ".asf", ".amc", ".npy", ".npz", ".pose", ".c3d", ".h5", ".pkl")  # even if unknown


class PoseSource(NamedTuple):
    """A recording that has been found.

    Attributes:
        name: Its path below the folder, without a suffix unless another has the same; of the path itself the last part.
        paths: Its files.
        read: Gives its clips. Raises :class:`~skelblocks.data.ClipFormatError` where the files cannot be read.
        format: The format of the files; None if it is unknown, or a function reads them.
    """

    name: str
    paths: tuple[Path, ...]
    read: Callable[[], list[RawClip]]
    format: str | None = None


@explain_arguments
def find_poses(
    path: str | os.PathLike[str],
    *,
    format: PoseFormatName | Literal["auto"] | OwnReader = "auto",  # noqa: A002
    layout: str | SkeletonLayout | None = None,
    image_size: tuple[float, float] | None = None,
    fps: float | None = None,
    min_score: float | None = None,
) -> list[PoseSource]:
    """Find the recordings in a file or a folder. The arguments are the same as for :func:`~skelblocks.data.read_poses`.

    A folder is searched with all folders below it, but not through links to folders. In a format with one file for each
    frame, files whose names differ only in the last number are one recording. Pictures, videos and other texts are
    skipped; a file that should hold poses and does not is a recording whose ``read`` raises.

    Returns:
        The recordings by name.

    Raises:
        FileNotFoundError: The file or folder does not exist, or holds no recording.
        ValueError: An argument has an invalid value.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for number in range(3):
        ...         path = Path(folder, f"walk_{number}_keypoints.json")
        ...         _ = path.write_text('{"people": [{"pose_keypoints_2d": %s}]}' % ([10, 20, 0.9] * 25))
        ...     source = find_poses(path.parent)[0]
        ...     len(source.paths), source.read()[0].x.shape
        (3, (2, 3, 25, 1))
    """
    options = _options(layout, image_size, fps, min_score)
    if not callable(format):
        check_choice(format, (_AUTO, *POSE_FORMATS), name="format")
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(
            f"path: there is no file or folder {escape(root)!r} (looked in {escape(Path.cwd())}); check the path"
        )
    files = [root] if root.is_file() else without_skeletons(_walk(root))
    if callable(format):
        sources = [PoseSource(_name(file, root), (file,), partial(_read_own, format, file)) for file in files]
    else:
        suffixes = () if format == _AUTO else POSE_FORMATS[format].suffixes
        wanted = [file for file in files if file == root or not suffixes or file.suffix.lower() in suffixes]
        sources = _sources(wanted, root, format, options)
    if not sources:
        raise FileNotFoundError(f"path: expected files of poses, got none in {escape(root)!r}; {_known()}")
    return sorted(sources, key=lambda source: source.name)


def _options(
    layout: str | SkeletonLayout | None,
    image_size: tuple[float, float] | None,
    fps: float | None,
    min_score: float | None,
) -> PoseOptions:
    if image_size is not None:
        if isinstance(image_size, str) or not isinstance(image_size, Sequence) or len(image_size) != 2:
            raise ValueError(f"image_size: expected (width, height) in pixels, got {image_size!r}")
        for size in image_size:
            check_positive(size, name="image_size")
        image_size = (float(image_size[0]), float(image_size[1]))
    if fps is not None:
        check_positive(fps, name="fps")
    if min_score is not None:
        check_number(min_score, name="min_score")
    return PoseOptions(None if layout is None else layouts.get(layout), image_size, fps, min_score)


def _walk(root: Path) -> list[Path]:
    files = []
    for folder, folders, names in os.walk(root, onerror=_raise):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        if "sep-json" in folders and any(name.endswith(".json") for name in names):
            folders.remove("sep-json")  # AlphaPose writes the same poses there once more
        files += [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
    return [file for file in files if file.is_file()]


def _raise(error: OSError) -> NoReturn:
    raise error


def _sources(files: Iterable[Path], root: Path, kind: str, options: PoseOptions) -> list[PoseSource]:
    sources = []
    alone: dict[Path, str | None] = {}
    recordings: dict[Path, list[tuple[str, list[Path], str]]] = {}
    for (folder, prefix, _), group in group_frames(files).items():
        head = read_head(max(group, key=lambda file: file.stat().st_size))  # the smallest may hold no persons
        name = tell_format(head) if kind == _AUTO else kind
        if name is not None and POSE_FORMATS[name].one_frame(head):
            recordings.setdefault(folder, []).append((prefix.rstrip("_-. "), group, name))
            continue
        alone |= {file: name for file in group if name is not None or file == root or _is_wanted(file)}
    same_name = Counter(file.with_suffix("") for file in alone)
    for file, name in alone.items():
        clip = _name(file, root, suffix=same_name[file.with_suffix("")] > 1)
        sources.append(PoseSource(clip, (file,), partial(_read_one, file, clip, kind, options), name))
    for folder, groups in recordings.items():
        for prefix, group, name in groups:
            path = group[0] if len(group) == 1 else folder if len(groups) == 1 or not prefix else folder / prefix
            clip = _name(path, root)
            read = partial(POSE_FORMATS[name].read, group, name=clip, options=options)
            sources.append(PoseSource(clip, tuple(group), read, name))
    return sources


def _is_wanted(file: Path) -> bool:
    """Whether a file of no known format is refused, not skipped."""
    suffix = file.suffix.lower()
    return suffix in _REFUSED or (suffix == ".csv" and bool(explain_refusal(read_head(file))))


def _name(path: Path, root: Path, *, suffix: bool = False) -> str:
    """The path below the root, without the suffix of a file unless another file would have the same name."""
    bare = path.with_suffix("") if path.is_file() and not suffix else path
    if path == root:
        return bare.name if bare.name not in ("", "..") else path.resolve().name
    return bare.relative_to(root).as_posix()


def _read_one(file: Path, name: str, kind: str, options: PoseOptions) -> list[RawClip]:
    known = tell_format(read_head(file)) if kind == _AUTO else kind
    if known is None:
        _refuse(file)
    return POSE_FORMATS[known].read([file], name=name, options=options)


def _read_own(reader: OwnReader, file: Path) -> list[RawClip]:
    clips = reader(file)
    listed = [clips] if isinstance(clips, RawClip) else list(clips)
    for clip in listed:
        if not isinstance(clip, RawClip):
            raise TypeError(
                f"format: expected a function that gives RawClip or a list of them, got {type(clip).__name__}"
            )
    return listed


def _refuse(file: Path) -> NoReturn:
    got = explain_refusal(read_head(file)) or f"got content of no known format; {_known()}"
    raise ClipFormatError(file, f"expected a file of poses, {got}")


def _known() -> str:
    return f"known formats are {', '.join(POSE_FORMATS)}; a function as format= reads others"
