"""Find the sources of a prepared set in a folder of poses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.preprocessing import Y
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.find_poses import PoseSource
from skelblocks.data.prepared.prepare import Part
from skelblocks.data.prepared.prepare_shard import Source
from skelblocks.data.recordings.clip_labels import ClipLabels
from skelblocks.data.recordings.recording_clips import recording_clips
from skelblocks.data.recordings.recording_options import RecordingOptions
from skelblocks.data.recordings.recording_split import SplitBy, recording_split
from skelblocks.layouts import SkeletonLayout

_DOWN = ("azure-kinect-32", "mediapipe-33")  # in space too, these count the second coordinate downwards
_IN_A_SHARD = 8


class FoundRecordings(NamedTuple):
    """What :func:`find_recordings` finds: arguments of :func:`~skelblocks.data.prepare`, and facts for its settings.

    Attributes:
        clips: Sources, in order of their names, each of which gives the clips of a recording.
        layout: The skeleton of all recordings.
        channels: 2 in pictures, 3 in space.
        y: Where the second coordinate grows, by the format: down in pictures.
        part: Which clips train; None without a split.
        class_names: By number; None without labels.
        origin_names: Names of the numbers in the clips' origin: ``"recording"``, and ``"subject"`` if the labels tell.
        shard: Sources that make up a shard of a moderate size.
    """

    clips: list[Source]
    layout: SkeletonLayout
    channels: int
    y: Y
    part: Part | None
    class_names: tuple[str, ...] | None
    origin_names: Mapping[str, tuple[str, ...]]
    shard: int = _IN_A_SHARD


@explain_arguments
def find_recordings(
    sources: Sequence[PoseSource],
    *,
    options: RecordingOptions | None = None,
    labels: ClipLabels | None = None,
    split: SplitBy | None = None,
    test: Sequence[str] = (),
    layout: str | SkeletonLayout | None = None,
) -> FoundRecordings:
    """Set up how recordings become clips, for :func:`~skelblocks.data.prepare`.

    All recordings must have the skeleton and the number of coordinates of the first one that can be read. Two formats
    with different skeletons are refused.

    Args:
        sources: The recordings, from :func:`~skelblocks.data.find_poses`.
        options: Persons and windows.
        labels: Of clips and recordings, see :func:`~skelblocks.data.read_clip_labels`.
        split: Test on some ``"recording"`` or on all recordings of some ``"subject"``. Default: no parts.
        test: Names of the recordings or subjects to test on; ``*`` and ``?`` stand for any letters.
        layout: The skeleton, where the recordings do not say it.

    Returns:
        The arguments for :func:`~skelblocks.data.prepare`.

    Raises:
        ClipFormatError: No recording can be read, or the labels name a recording that does not exist.
        OSError: No recording can be read.
        ValueError: An argument has an invalid value, or the recordings are of two formats with different skeletons.

    Example:
        >>> import tempfile, pathlib
        >>> from skelblocks.data.formats.find_poses import find_poses
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for number in range(40):
        ...         path = pathlib.Path(folder, f"walk_{number}_keypoints.json")
        ...         _ = path.write_text('{"people": [{"pose_keypoints_2d": %s}]}' % [*range(75)])
        ...     found = find_recordings(find_poses(path.parent), options=RecordingOptions(window=20))
        ...     names = [clip.name for _, load in found.clips for clip in load()]
        >>> found.layout.name, found.channels, found.y, len(names)
        ('body-25', 2, 'down', 3)
    """
    options = RecordingOptions() if options is None else options
    labels = ClipLabels() if labels is None else labels
    names = tuple(source.name for source in sources)
    _check_labels(labels, names)
    _check_formats(sources)
    first = _first(sources)
    if first.layout is None and layout is None:
        raise ClipFormatError(
            sources[0].paths[0], f"does not say the skeleton of its {first.x.shape[2]} joints; name it, with layout="
        )
    skeleton = layouts.get(layout or first.layout or "")
    subjects = [labels.subjects.get(name, -1) for name in names]
    origin_names = {"recording": names} | ({"subject": labels.subject_names} if labels.subject_names else {})
    clips: list[Source] = []
    for number, (source, subject) in enumerate(zip(sources, subjects, strict=True)):
        origin = {"recording": number} | ({"subject": subject} if labels.subject_names else {})
        clips.append((source.name, partial(load_recording, source, origin, skeleton, options, labels)))
    return FoundRecordings(
        clips=clips,
        layout=skeleton,
        channels=len(first.x),
        y="down" if len(first.x) == 2 or skeleton.name in _DOWN else "up",
        part=None if split is None else recording_split(split, test, origin_names=origin_names),
        class_names=labels.class_names or None,
        origin_names=origin_names,
    )


def load_recording(
    source: PoseSource,
    origin: Mapping[str, int],
    layout: SkeletonLayout,
    options: RecordingOptions,
    labels: ClipLabels,
) -> list[RawClip]:
    """Read a recording and cut it into clips. A file with several recordings gives the clips of all."""
    clips: list[RawClip] = []
    for clip in _read(source):
        fps = labels.fps.get(source.name, clip.fps)
        located = clip._replace(origin={**clip.origin, **origin}, fps=fps)
        clips += recording_clips(located, layout=layout, options=options, labels=labels)
    return clips


@lru_cache(maxsize=1)  # the first recording is read for its skeleton, then for its clips
def _read(source: PoseSource) -> list[RawClip]:
    return source.read()


def _first(sources: Iterable[PoseSource]) -> RawClip:
    """The first recording that can be read."""
    reason: ClipFormatError | OSError | None = None
    for source in sources:
        try:
            return _read(source)[0]
        except (ClipFormatError, OSError) as error:  # noqa: PERF203  (one bad recording, not the loop, is given up)
            reason = reason or error
    assert reason is not None
    raise reason


def _check_formats(sources: Sequence[PoseSource]) -> None:
    """Raise if recordings of different formats have different skeletons, so that most would be left out."""
    by_format: dict[str, list[PoseSource]] = {}
    for source in sources:
        if source.format is not None:
            by_format.setdefault(source.format, []).append(source)
    if len(by_format) < 2:
        return
    found: dict[tuple[str, int], str] = {}
    for name, group in by_format.items():
        try:
            clip = _first(group)
        except (ClipFormatError, OSError):  # it is listed among the recordings that cannot be read
            continue
        joints = f"{clip.x.shape[2]} joints" if clip.layout is None else layouts.get(clip.layout).name
        shown = f"{len(group)} of {name} with {joints} in {len(clip.x)}-D, such as {escape(group[0].name)!r}"
        found.setdefault((joints, len(clip.x)), shown)
    if len(found) > 1:
        raise ValueError(
            f"sources: expected recordings of one skeleton, got {' and '.join(found.values())}; choose one format with "
            "--format (format=), or keep them in different folders"
        )


def _check_labels(labels: ClipLabels, names: Sequence[str]) -> None:
    if labels.path is None:
        return
    known = set(names)
    for file, rows in labels.files.items():
        if file not in known:
            reason = f"there is no recording {escape(file)!r}{_such_as(names)}"
            raise ClipFormatError(labels.path, reason, line=rows[0].line)
    for clip, row in labels.clips.items():
        if not any(clip.startswith(name) for name in names):
            reason = f"no recording has a clip {escape(clip)!r}{_such_as(names)}"
            raise ClipFormatError(labels.path, reason, line=row.line)


def _such_as(names: Sequence[str]) -> str:
    shown = ", ".join(escape(name, longest=40) for name in names[:3])
    return f"; there are {shown}{', ...' if len(names) > 3 else ''}"
