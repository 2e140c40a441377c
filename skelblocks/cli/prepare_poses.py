"""``skelblocks prepare poses``: files of pose estimators and motion capture to a prepared set."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.cli.show_prepared import show_prepared
from skelblocks.cli.shown import Shown
from skelblocks.clips.preprocessing import ALIGNMENTS, COORDINATES, ORIGINS, PER, SCALES, YS, Preprocessing, Scale
from skelblocks.data import PreparedSet, Progress, find_poses
from skelblocks.data import prepare as prepare_clips
from skelblocks.data.formats.pose_formats import POSE_FORMATS
from skelblocks.data.recordings.clip_labels import ClipLabels
from skelblocks.data.recordings.find_recordings import FoundRecordings, find_recordings
from skelblocks.data.recordings.read_clip_labels import read_clip_labels
from skelblocks.data.recordings.recording_options import PEOPLE, RecordingOptions
from skelblocks.data.recordings.recording_split import SPLITS
from skelblocks.data.recordings.window_bounds import SHORT
from skelblocks.data.steps.fill_joints import MAX_GAP
from skelblocks.data.steps.track_persons import RANKS
from skelblocks.interop.pretrained.open_pretrained import open_pretrained
from skelblocks.interop.pretrained.pretrained import Pretrained
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.remap import MISSING

_NONE = "none"
# What an encoder says with --for: options that would contradict it, with their defaults.
_OF_ENCODER = {
    "frames": 50,
    "to": None,
    "missing": "error",
    "coordinates": None,
    "center": "frame",
    "center_origin": "own",
    "align": _NONE,
    "scale": None,
}


def add(kinds: Any) -> None:
    """Add the command to the kinds of ``prepare``."""
    parser: argparse.ArgumentParser = kinds.add_parser(
        "poses",
        help="files of pose estimators and motion capture",
        description="Make a prepared set out of files of a pose estimator or of motion capture: follow persons, cut "
        "long recordings into windows, and give them labels. A run that was stopped is resumed.",
    )
    parser.add_argument("--root", type=Path, required=True, help="the folder of the recordings, or one file")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    _add_reading(parser.add_argument_group("files"))
    _add_persons(parser.add_argument_group("persons"))
    _add_windows(parser.add_argument_group("windows and labels"))
    _add_preprocessing(parser.add_argument_group("preprocessing"))
    parser.add_argument("--workers", type=int, default=1, help="processes (1)")
    parser.add_argument("--overwrite", action="store_true", help="delete a prepared set in --out and make it again")
    parser.set_defaults(run=run)


def _add_reading(group: Any) -> None:
    group.add_argument(
        "--format", choices=("auto", *POSE_FORMATS), default="auto", help="of the files (auto: by their content)"
    )
    group.add_argument("--layout", help="the skeleton where the files do not tell it, a name or a .json file")
    group.add_argument(
        "--image-size",
        nargs=2,
        type=float,
        metavar=("WIDTH", "HEIGHT"),
        help="of the pictures, for coordinates from 0 to 1",
    )
    group.add_argument("--recorded-fps", type=float, help="frames a second of the recordings")
    group.add_argument("--min-score", type=float, help="joints of a lower score are not seen (the format's own)")


def _add_persons(group: Any) -> None:
    group.add_argument(
        "--people", choices=PEOPLE, default="split", help="each person is a clip, or all of a window are one (split)"
    )
    group.add_argument("--persons", type=int, default=2, help="persons of a window that stay (2)")
    group.add_argument("--by", choices=RANKS, default="size", help="the largest or the most moving stay (size)")
    group.add_argument("--max-gap", type=int, default=30, help="frames that a person may be lost (30)")
    group.add_argument("--least-frames", type=int, default=8, help="a person seen in fewer frames is a ghost (8)")
    group.add_argument(
        "--least-size", type=float, default=0.3, help="so is one smaller than this share of the largest (0.3)"
    )
    group.add_argument(
        "--least-score", type=float, default=0.4, help="so is one with less than this share of the best score (0.4)"
    )


def _add_windows(group: Any) -> None:
    group.add_argument(
        "--window", default="64", help="frames of a clip, or 'none' for whole recordings or labeled pieces (64)"
    )
    group.add_argument("--stride", type=int, help="frames from one clip to the next (half a window)")
    group.add_argument("--short", choices=SHORT, default="whole", help="recordings shorter than a window (whole)")
    group.add_argument("--fps", type=float, help="resample every recording to this rate first (its own)")
    group.add_argument(
        "--labels",
        type=Path,
        help="a csv file with the header clip,label or file,label or file,start,end,label (frames) or "
        "file,start_seconds,end_seconds,label, and person or subject if you like; an empty label is unknown",
    )
    group.add_argument("--split", choices=SPLITS, help="test on some recordings or subjects. Default: no parts")
    group.add_argument(
        "--test", nargs="+", default=[], metavar="NAME", help="the recordings or subjects to test on; * is any text"
    )


def _add_preprocessing(group: Any) -> None:
    group.add_argument(
        "--for",
        dest="encoder",
        type=Path,
        metavar="ENCODER",
        help="prepare clips for this encoder, a pretrained folder or a released file: skeleton, frames, center, scale",
    )
    group.add_argument(
        "--min-seen",
        type=float,
        default=0.25,
        help="refuse clips that show a smaller share of the joints (0.25)",
    )
    group.add_argument(
        "--max-joint-gap",
        type=int,
        default=MAX_GAP,
        help=f"frames over which a lost joint is filled ({MAX_GAP})",
    )
    group.add_argument("--frames", type=int, default=50, help="frames per clip after resampling (50)")
    group.add_argument("--to", metavar="LAYOUT", help="turn clips into this skeleton, a name or a .json file (none)")
    group.add_argument("--missing", choices=MISSING, default="error", help="joints of --to that cannot be made (error)")
    group.add_argument("--coordinates", type=int, choices=COORDINATES, help="3: add a zero depth; 2: drop the third")
    group.add_argument("--y", choices=YS, help="where the second coordinate grows (by the format: down in pictures)")
    group.add_argument(
        "--center",
        choices=(*PER, _NONE),
        default="frame",
        help="move the center to the origin (frame)",
    )
    group.add_argument("--center-origin", choices=ORIGINS, default="own", help="whose center (own)")
    group.add_argument(
        "--align", choices=(_NONE, *ALIGNMENTS), default=_NONE, help="turn shoulders to the front (none)"
    )
    group.add_argument(
        "--scale", choices=(_NONE, *SCALES), help="divide by the length of the body (bones for pictures, else none)"
    )


def run(given: argparse.Namespace) -> None:
    """Do what the arguments say."""
    options = _options(given)
    encoder = None if given.encoder is None else _encoder(given)
    layout = None if given.layout is None else layouts.get_or_load(given.layout)
    known = encoder.class_names if encoder is not None and encoder.class_names else None
    labels = ClipLabels() if given.labels is None else read_clip_labels(given.labels, class_names=known)
    sources = find_poses(
        given.root,
        format=given.format,
        layout=layout,
        image_size=None if given.image_size is None else tuple(given.image_size),
        fps=given.recorded_fps,
        min_score=given.min_score,
    )
    found = find_recordings(sources, options=options, labels=labels, split=given.split, test=given.test, layout=layout)
    persons = given.persons if options.people == "together" else 1
    settings = _own(given, found, persons) if encoder is None else _as_encoder(given, encoder, found, persons)
    with Shown(len(found.clips), unit="recordings") as shown:

        def progress(each: Progress) -> None:
            shown.show(each.done, clips=each.clips, rejected=each.rejected)

        manifest = prepare_clips(
            found.clips,
            out=given.out,
            layout=found.layout,
            preprocessing=settings,
            part=found.part,
            protocol=_protocol(given),
            class_names=found.class_names,
            origin_names=found.origin_names,
            source_settings=_source_settings(given, options),
            shard=found.shard,
            workers=given.workers,
            progress=progress,
            overwrite=given.overwrite,
            channels=found.channels,
            bodies="first",
            gaps="interpolate",
            max_gap=given.max_joint_gap,
            min_seen=given.min_seen,
        )
    show_prepared(manifest, given.out, split="--split and --test")
    _show_labels(given.out, labels)


def _options(given: argparse.Namespace) -> RecordingOptions:
    if given.window != _NONE and not (given.window.isascii() and given.window.isdigit()):
        raise ValueError(f"window: expected a number of frames or 'none', got {escape(given.window)!r}")
    if given.test and given.split is None:
        raise ValueError("test: expected --split recording or --split subject beside it, which says what the names are")
    return RecordingOptions(
        people=given.people,
        persons=given.persons,
        by=given.by,
        window=None if given.window == _NONE else int(given.window),
        stride=given.stride,
        short=given.short,
        fps=given.fps,
        max_gap=given.max_gap,
        least_frames=given.least_frames,
        least_size=given.least_size,
        least_score=given.least_score,
    )


def _own(given: Any, found: FoundRecordings, persons: int) -> Preprocessing:
    usual: Scale | None = "bones" if found.channels == 2 else None
    scale: Any = usual if given.scale is None else given.scale
    return Preprocessing(
        frames=given.frames,
        center=None if given.center == _NONE else "layout",
        per="frame" if given.center == _NONE else given.center,
        origin=given.center_origin,
        align=None if given.align == _NONE else given.align,
        persons=persons,
        scale=None if scale == _NONE else scale,
        y=given.y or found.y,
        to=None if given.to is None else layouts.get_or_load(given.to),
        missing=given.missing,
        coordinates=given.coordinates,
    )


def _encoder(given: argparse.Namespace) -> Pretrained:
    contradicting = [name for name, default in _OF_ENCODER.items() if getattr(given, name) != default]
    if contradicting:
        shown = ", ".join(f"--{name.replace('_', '-')}" for name in contradicting)
        raise ValueError(f"for: the encoder says how clips are prepared; leave {shown} out, or --for")
    return open_pretrained(given.encoder)


def _as_encoder(given: argparse.Namespace, encoder: Pretrained, found: FoundRecordings, persons: int) -> Preprocessing:
    """The encoder's own preprocessing, for clips of the recordings' skeleton."""
    if encoder.preprocessing is None:
        raise ValueError(
            f"for: the encoder in {escape(given.encoder)!r} does not say how its clips are prepared; give the settings "
            "one by one"
        )
    target: SkeletonLayout = encoder.layout
    wanted = getattr(encoder.encoder, "in_channels", found.channels)
    return replace(
        encoder.preprocessing,
        y=given.y or found.y,
        to=None if target.joints == found.layout.joints else target,
        missing="nearest",
        coordinates=wanted if wanted in COORDINATES and wanted != found.channels else None,
        persons=max(persons, encoder.preprocessing.persons or persons),
        source=None,
    )


def _protocol(given: argparse.Namespace) -> str | None:
    if given.split is None:
        return None
    return f"{given.split}: {', '.join(given.test)}"


def _source_settings(given: argparse.Namespace, options: RecordingOptions) -> dict[str, Any]:
    """What determines the clips of each recording, so that a set of other ones is not taken for this one."""
    labels = None if given.labels is None else hashlib.sha256(given.labels.read_bytes()).hexdigest()
    reading: Sequence[str] = ("format", "recorded_fps", "min_score", "image_size")
    return {
        **asdict(options),
        **{name: getattr(given, name) for name in reading},
        "labels_sha256": labels,
    }


def _show_labels(out: Path, labels: ClipLabels) -> None:
    """Say how many clips have labels, and which names of clips are not in the set."""
    if labels.path is None:
        return
    prepared = PreparedSet(out)
    print(f"{int((prepared.labels >= 0).sum())} of {len(prepared)} clips have labels.")
    absent = sorted(set(labels.clips) - set(prepared.names))
    if absent:
        print(f"{len(absent)} clips of {escape(labels.path)} are not in the set, such as {escape(absent[0])}.")
