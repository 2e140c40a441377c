"""Make clips from a recording: track persons, cut windows, and label them.

Axes: c coordinates, t frames, v joints, b persons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from skelblocks import layouts
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.recordings.clip_labels import ClipLabels
from skelblocks.data.recordings.recording_options import RecordingOptions
from skelblocks.data.recordings.window_bounds import window_bounds
from skelblocks.data.steps.drop_ghosts import drop_ghosts
from skelblocks.data.steps.follow_persons import follow_persons
from skelblocks.data.steps.resample_rate import at_rate
from skelblocks.data.steps.split_persons import split_persons
from skelblocks.data.steps.track_persons import choose_persons, gather_persons
from skelblocks.layouts import SkeletonLayout

_NO_PERSON = "contains no visible person; leave it out"
_GHOSTS = "contains ghosts at most; lower least_frames, least_size or least_score to keep persons like these"


@explain_arguments
def recording_clips(
    clip: RawClip,
    *,
    layout: SkeletonLayout,
    options: RecordingOptions | None = None,
    labels: ClipLabels | None = None,
) -> list[RawClip]:
    """Follow the persons of a recording, drop ghosts, cut it into windows, and label them.

    Args:
        clip: The recording, as :func:`~skelblocks.data.read_poses` gives it. Its ``origin`` is kept.
        layout: The skeleton.
        options: How. Default: ``RecordingOptions()``, each person in windows of 64 frames.
        labels: By clip, by recording or by piece of it.

    Returns:
        The clips, named by the frames of the recording and the person: ``"walk_00064-00128_p0"``; ``"walk_p0"`` for a
        whole recording; without ``_p0`` where people stay together. Their origin gets ``start`` and ``stop``, frames of
        the recording; ``start_ms`` and ``stop_ms`` where the frame rate is known; and ``person``. A window in which
        no person is seen is left out. A clip of one person begins and ends with a frame that shows the person.

    Raises:
        ClipFormatError: The skeleton differs, no person remains, or a needed frame rate is unknown.
        ImportError: Scipy is not installed.

    Example:
        >>> from skelblocks.layouts import get
        >>> rng = np.random.default_rng(0)
        >>> x = np.broadcast_to(rng.uniform(0, 100, (2, 1, 17, 1)), (2, 150, 17, 1)).astype(np.float32)
        >>> clip = RawClip("walk", x, np.ones((150, 17, 1), dtype=bool), -1, {}, fps=30.0, tracked=False)
        >>> clips = recording_clips(clip, layout=get("coco-17"))
        >>> [one.name for one in clips], clips[1].origin["stop_ms"]
        (['walk_00000-00064_p0', 'walk_00032-00096_p0', 'walk_00064-00128_p0', 'walk_00086-00150_p0'], 3200)
    """
    options = RecordingOptions() if options is None else options
    labels = ClipLabels() if labels is None else labels
    _check_skeleton(clip, layout)
    tracks = follow_persons(clip, layout=layout, gate=options.gate, max_gap=options.max_gap)
    if not clip.tracked:
        tracks = drop_ghosts(
            clip,
            tracks,
            layout=layout,
            least_frames=options.least_frames,
            least_size=options.least_size,
            least_score=options.least_score,
        )
    found = split_persons(clip, tracks)
    if not found:
        raise ClipFormatError(clip.name, _NO_PERSON if clip.tracked else _GHOSTS)
    frames, ratio = clip.x.shape[1], 1.0
    if options.fps is not None:
        found = [_at_rate(person, options.fps) for person in found]
        ratio = (clip.fps or options.fps) / options.fps  # frames of the recording in a frame of the clips
        frames = int((frames - 1) / ratio + 1e-9) + 1
    clips: list[RawClip] = []
    for start, stop in _bounds(clip, frames, ratio, options, labels):
        there = [piece for piece in (_piece(person, start, stop) for person in found) if piece is not None]
        chosen = choose_persons(there, persons=options.persons, by=options.by, layout=layout)
        chosen.sort(key=lambda person: person.origin["person"])
        if stop > frames:
            chosen = [_hold(person, stop - start) for person in chosen]
        first, last = round(start * ratio), round(stop * ratio)
        window = clip._replace(
            name=clip.name if (first, last) == (0, clip.x.shape[1]) else f"{clip.name}_{first:05}-{last:05}",
            x=np.zeros((len(clip.x), stop - start, layout.num_joints, 0), dtype=np.float32),
            origin={**clip.origin, "start": first, "stop": last, **_times(clip, first, last)},
            fps=clip.fps if options.fps is None else options.fps,
        )
        clips += _samples(window, chosen, recording=clip, labels=labels, together=options.people == "together")
    return clips


def _bounds(
    clip: RawClip, frames: int, ratio: float, options: RecordingOptions, labels: ClipLabels
) -> list[tuple[int, int]]:
    """Where the clips start and stop, in their own frames."""
    pieces = labels.pieces(clip.name) if options.window is None else ()
    if not pieces:
        return window_bounds(frames, length=options.window, stride=options.stride, short=options.short)
    bounds = []
    for piece in pieces:
        limits = piece.frames(_rate(clip, piece.seconds))
        assert limits is not None
        start, stop = round(limits[0] / ratio), min(round(limits[1] / ratio), frames)
        if start >= stop:
            reason = (
                f"line {piece.line} of the labels is a piece behind its end, after {clip.x.shape[1]} frames; correct it"
            )
            raise ClipFormatError(clip.name, reason)
        bounds.append((start, stop))
    return list(dict.fromkeys(bounds))


def _samples(
    window: RawClip, persons: Sequence[RawClip], *, recording: RawClip, labels: ClipLabels, together: bool
) -> Iterator[RawClip]:
    """The samples that a window gives: one of all its persons, or one of each."""
    for group in [list(persons)] if together and persons else [[person] for person in persons]:
        number = None if together else group[0].origin["person"]
        name = window.name if number is None else f"{window.name}_p{number}"
        label = labels.label(
            name,
            file=recording.name,
            start=window.origin["start"],
            stop=window.origin["stop"],
            fps=_rate(recording, any(row.seconds for row in labels.pieces(recording.name))),
            person=number,
        )
        sample = window._replace(
            name=name,
            label=recording.label if label < 0 else label,
            origin=window.origin if number is None else {**window.origin, "person": number},
        )
        yield gather_persons(sample, group) if together else _trimmed(gather_persons(sample, group))


def _rate(clip: RawClip, needed: bool) -> float | None:
    if needed and clip.fps is None:
        raise ClipFormatError(
            clip.name, "its labels are in seconds, and it tells no frame rate; say how it was recorded, with fps="
        )
    return clip.fps


def _piece(person: RawClip, start: int, stop: int) -> RawClip | None:
    """What a window of the recording shows of a person, with its start in the window; None for nothing."""
    begin = person.origin["start"]
    first, last = max(start - begin, 0), min(stop - begin, person.x.shape[1])
    if first >= last or not person.seen[first:last].any():
        return None
    return person._replace(
        x=person.x[:, first:last],
        seen=person.seen[first:last],
        scores=None if person.scores is None else person.scores[first:last],
        origin={**person.origin, "start": begin + first - start},
    )


def _hold(person: RawClip, frames: int) -> RawClip:
    """A person whose last pose is held up to the end of a window."""
    more = ((0, frames - person.origin["start"] - person.x.shape[1]), (0, 0), (0, 0))
    return person._replace(
        x=np.pad(person.x, ((0, 0), *more), mode="edge"),
        seen=np.pad(person.seen, more, mode="edge"),
        scores=None if person.scores is None else np.pad(person.scores, more, mode="edge"),
    )


def _trimmed(clip: RawClip) -> RawClip:
    """A clip of one person from the first to the last frame that shows the person."""
    there = np.flatnonzero(clip.seen_persons[:, 0])
    frames = slice(there[0], there[-1] + 1)
    return clip._replace(
        x=clip.x[:, frames],
        seen=clip.seen[frames],
        order=None if clip.order is None else clip.order[frames],
        scores=None if clip.scores is None else clip.scores[frames],
    )


def _at_rate(person: RawClip, fps: float) -> RawClip:
    moved, start = at_rate(person, fps, start=person.origin["start"])
    return moved._replace(origin={**person.origin, "start": start})


def _times(clip: RawClip, first: int, last: int) -> dict[str, int]:
    if clip.fps is None:
        return {}
    return {"start_ms": round(1000 * first / clip.fps), "stop_ms": round(1000 * last / clip.fps)}


def _check_skeleton(clip: RawClip, layout: SkeletonLayout) -> None:
    own = None if clip.layout is None else layouts.get(clip.layout)
    if clip.x.ndim != 4 or clip.x.shape[2] != layout.num_joints or (own is not None and own.joints != layout.joints):
        got = f"{clip.x.shape[2]} joints" if own is None else f"{own.name!r} with {own.num_joints} joints"
        reason = f"expected the skeleton {layout.name!r} like other recordings, got {got}; prepare it by itself"
        raise ClipFormatError(clip.name, reason)
