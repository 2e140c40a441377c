"""``skelblocks prepare poses``: convert files of pose estimators and motion capture to a prepared set."""

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
# Options that --for takes from the encoder, with their defaults. Other values would contradict the encoder.
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
    """Register the command as a kind of ``prepare``."""
    parser: argparse.ArgumentParser = kinds.add_parser(
        "poses",
        help="files of pose estimators and motion capture",
        description="Convert files of a pose estimator or of motion capture to a prepared set: track persons, cut long "
        "recordings into windows, and label them. An interrupted run is resumed.",
    )
    parser.add_argument("--root", type=Path, required=True, help="folder of the recordings, or one file")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    _add_reading(parser.add_argument_group("files"))
    _add_persons(parser.add_argument_group("persons"))
    _add_windows(parser.add_argument_group("windows and labels"))
    _add_preprocessing(parser.add_argument_group("preprocessing"))
    parser.add_argument("--workers", type=int, default=1, help="number of processes (default: 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing prepared set in --out")
    parser.set_defaults(run=run)


def _add_reading(group: Any) -> None:
    group.add_argument(
        "--format",
        choices=("auto", *POSE_FORMATS),
        default="auto",
        help="file format (default: auto, recognized by content)",
    )
    group.add_argument("--layout", help="skeleton, if the files do not name it: a name or a .json file")
    group.add_argument(
        "--image-size",
        nargs=2,
        type=float,
        metavar=("WIDTH", "HEIGHT"),
        help="size of the pictures in pixels, for coordinates from 0 to 1",
    )
    group.add_argument(
        "--recorded-fps",
        type=float,
        help="frames per second of the recordings; a column fps of the labels gives each its own",
    )
    group.add_argument("--min-score", type=float, help="treat joints with a lower score as unseen (default: by format)")


def _add_persons(group: Any) -> None:
    group.add_argument(
        "--people",
        choices=PEOPLE,
        default="split",
        help="split: each person is a clip; together: all persons of a window are one clip (default: split)",
    )
    group.add_argument("--persons", type=int, default=2, help="most persons to keep in a window (default: 2)")
    group.add_argument(
        "--by",
        choices=RANKS,
        default="size",
        help="which persons to keep: the largest or the most moving (default: size)",
    )
    group.add_argument("--max-gap", type=int, default=30, help="frames for which a person may be lost (default: 30)")
    group.add_argument("--least-frames", type=int, default=8, help="drop persons seen in fewer frames (default: 8)")
    group.add_argument(
        "--least-size",
        type=float,
        default=0.3,
        help="drop persons smaller than this fraction of the largest (default: 0.3)",
    )
    group.add_argument(
        "--least-score",
        type=float,
        default=0.4,
        help="drop persons with less than this fraction of the best score (default: 0.4)",
    )


def _add_windows(group: Any) -> None:
    group.add_argument(
        "--window", default="64", help="frames per clip, or 'none' for whole recordings or labeled pieces (default: 64)"
    )
    group.add_argument("--stride", type=int, help="frames from one clip to the next (default: half a window)")
    group.add_argument(
        "--short",
        choices=SHORT,
        default="whole",
        help="what to do with recordings shorter than a window (default: whole)",
    )
    group.add_argument("--fps", type=float, help="first resample every recording to this rate (default: keep its rate)")
    group.add_argument(
        "--labels",
        type=Path,
        help="CSV file with the header clip,label or file,label or file,start,end,label (in frames) or "
        "file,start_seconds,end_seconds,label; columns person, subject and fps (the recording's frame rate) are "
        "optional; an empty label means unknown",
    )
    group.add_argument("--split", choices=SPLITS, help="test on some recordings or subjects (default: no split)")
    group.add_argument(
        "--test", nargs="+", default=[], metavar="NAME", help="recordings or subjects to test on; * matches any text"
    )


def _add_preprocessing(group: Any) -> None:
    group.add_argument(
        "--for",
        dest="encoder",
        type=Path,
        metavar="ENCODER",
        help="prepare clips for this encoder, a pretrained folder or a released file; it sets skeleton, frames, center "
        "and scale",
    )
    group.add_argument(
        "--min-seen",
        type=float,
        default=0.25,
        help="drop clips that show a smaller fraction of the joints (default: 0.25)",
    )
    group.add_argument(
        "--max-joint-gap",
        type=int,
        default=MAX_GAP,
        help=f"longest gap, in frames, over which a lost joint is filled (default: {MAX_GAP})",
    )
    group.add_argument("--frames", type=int, default=50, help="frames per clip after resampling (default: 50)")
    group.add_argument(
        "--to", metavar="LAYOUT", help="convert clips to this skeleton: a name or a .json file (default: keep it)"
    )
    group.add_argument(
        "--missing",
        choices=MISSING,
        default="error",
        help="what to do about joints of --to that the clips lack (default: error)",
    )
    group.add_argument(
        "--coordinates", type=int, choices=COORDINATES, help="3: add a zero depth; 2: drop the third coordinate"
    )
    group.add_argument(
        "--y", choices=YS, help="direction in which the second coordinate grows (default: by format, down in pictures)"
    )
    group.add_argument(
        "--center",
        choices=(*PER, _NONE),
        default="frame",
        help="move the layout's center to the origin, in each frame or once per clip (default: frame)",
    )
    group.add_argument(
        "--center-origin",
        choices=ORIGINS,
        default="own",
        help="whose center: each person's own, or the first person's for all (default: own)",
    )
    group.add_argument(
        "--align", choices=(_NONE, *ALIGNMENTS), default=_NONE, help="turn the shoulders to the front (default: none)"
    )
    group.add_argument(
        "--scale",
        choices=(_NONE, *SCALES),
        help="divide by a length of the body (default: bones for pictures, else none)",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    options = _options(args)
    encoder = None if args.encoder is None else _encoder(args)
    layout = None if args.layout is None else layouts.get_or_load(args.layout)
    known = encoder.class_names if encoder is not None and encoder.class_names else None
    labels = ClipLabels() if args.labels is None else read_clip_labels(args.labels, class_names=known)
    sources = find_poses(
        args.root,
        format=args.format,
        layout=layout,
        image_size=None if args.image_size is None else tuple(args.image_size),
        fps=args.recorded_fps,
        min_score=args.min_score,
    )
    found = find_recordings(sources, options=options, labels=labels, split=args.split, test=args.test, layout=layout)
    persons = args.persons if options.people == "together" else 1
    settings = _own(args, found, persons) if encoder is None else _as_encoder(args, encoder, found, persons)
    with Shown(len(found.clips), unit="recordings") as shown:

        def progress(each: Progress) -> None:
            shown.show(each.done, clips=each.clips, rejected=each.rejected)

        manifest = prepare_clips(
            found.clips,
            out=args.out,
            layout=found.layout,
            preprocessing=settings,
            part=found.part,
            protocol=_protocol(args),
            class_names=found.class_names,
            origin_names=found.origin_names,
            source_settings=_source_settings(args, options),
            shard=found.shard,
            workers=args.workers,
            progress=progress,
            overwrite=args.overwrite,
            channels=found.channels,
            bodies="first",
            gaps="interpolate",
            max_gap=args.max_joint_gap,
            min_seen=args.min_seen,
        )
    show_prepared(manifest, args.out, split="--split and --test")
    _show_labels(args, labels)


def _options(args: argparse.Namespace) -> RecordingOptions:
    if args.window != _NONE and not (args.window.isascii() and args.window.isdigit()):
        raise ValueError(f"window: expected a number of frames or 'none', got {escape(args.window)!r}; correct it")
    if args.test and args.split is None:
        raise ValueError("test: expected --split with --test, got none; add --split recording or --split subject")
    return RecordingOptions(
        people=args.people,
        persons=args.persons,
        by=args.by,
        window=None if args.window == _NONE else int(args.window),
        stride=args.stride,
        short=args.short,
        fps=args.fps,
        max_gap=args.max_gap,
        least_frames=args.least_frames,
        least_size=args.least_size,
        least_score=args.least_score,
    )


def _own(args: Any, found: FoundRecordings, persons: int) -> Preprocessing:
    usual: Scale | None = "bones" if found.channels == 2 else None
    scale: Any = usual if args.scale is None else args.scale
    return Preprocessing(
        frames=args.frames,
        center=None if args.center == _NONE else "layout",
        per="frame" if args.center == _NONE else args.center,
        origin=args.center_origin,
        align=None if args.align == _NONE else args.align,
        persons=persons,
        scale=None if scale == _NONE else scale,
        y=args.y or found.y,
        to=None if args.to is None else layouts.get_or_load(args.to),
        missing=args.missing,
        coordinates=args.coordinates,
    )


def _encoder(args: argparse.Namespace) -> Pretrained:
    contradicting = [name for name, default in _OF_ENCODER.items() if getattr(args, name) != default]
    if contradicting:
        shown = ", ".join(f"--{name.replace('_', '-')}" for name in contradicting)
        raise ValueError(
            f"for: expected --for without {shown}, which it takes from the encoder, got both; leave one out"
        )
    return open_pretrained(args.encoder)


def _as_encoder(args: argparse.Namespace, encoder: Pretrained, found: FoundRecordings, persons: int) -> Preprocessing:
    """The encoder's preprocessing, adapted to the skeleton of the recordings."""
    if encoder.preprocessing is None:
        raise ValueError(
            f"for: the encoder in {escape(args.encoder)!r} does not record how its clips are prepared; leave --for out "
            "and set the options one by one"
        )
    target: SkeletonLayout = encoder.layout
    wanted = getattr(encoder.encoder, "in_channels", found.channels)
    return replace(
        encoder.preprocessing,
        y=args.y or found.y,
        to=None if target.joints == found.layout.joints else target,
        missing="nearest",
        coordinates=wanted if wanted in COORDINATES and wanted != found.channels else None,
        persons=max(persons, encoder.preprocessing.persons or persons),
        source=None,
    )


def _protocol(args: argparse.Namespace) -> str | None:
    if args.split is None:
        return None
    return f"{args.split}: {', '.join(args.test)}"


def _source_settings(args: argparse.Namespace, options: RecordingOptions) -> dict[str, Any]:
    """The options that determine the clips of each recording; a set made with others is not resumed."""
    labels = None if args.labels is None else hashlib.sha256(args.labels.read_bytes()).hexdigest()
    reading: Sequence[str] = ("format", "recorded_fps", "min_score", "image_size")
    return {
        **asdict(options),
        **{name: getattr(args, name) for name in reading},
        "labels_sha256": labels,
    }


def _show_labels(args: argparse.Namespace, labels: ClipLabels) -> None:
    """Print how many clips have labels, and what about the labels may surprise."""
    if labels.path is None:
        return
    prepared, path = PreparedSet(args.out), escape(labels.path)
    print(f"{int((prepared.labels >= 0).sum())} of {len(prepared)} clips have labels.")
    absent = sorted(set(labels.clips) - set(prepared.names))
    if absent:
        print(
            f"{len(absent)} clips in {path} are not in the set, such as {escape(absent[0])!r}; the set has clips "
            f"such as {escape(prepared.names[0])!r}."
        )
    unused = _unused_lines(prepared, labels)
    if unused:
        count = "1 line" if len(unused) == 1 else f"{len(unused)} lines"
        print(f"No clip has the label of {count} in {path}, such as {unused[0]}; check frames, seconds and persons.")
    if labels.unread:
        print(f"Columns of {path} that are not read: {', '.join(map(escape, labels.unread))}.")
    rates = sorted(set(labels.fps.values()))
    if len(rates) > 1 and args.fps is None:
        shown = ", ".join(f"{rate:g}" for rate in rates)
        print(f"The recordings have {shown} frames per second; --fps {rates[0]:g} brings all to one rate.")
    several = _recordings_of_several(prepared, labels)
    if several:
        count = "1 recording has" if several == 1 else f"{several} recordings have"
        remedy = "" if args.persons == 1 else " --persons 1 keeps one person in each window."
        print(
            f"{count} clips of several persons, who all get the recording's label.{remedy} A column person labels "
            "them one by one."
        )


def _recordings_of_several(prepared: PreparedSet, labels: ClipLabels) -> int:
    """How many recordings have one label and clips of several persons."""
    if "person" not in prepared.group_names:
        return 0
    names = prepared.origin_names["recording"]
    persons: dict[int, set[int]] = {}
    recordings = prepared.groups("recording").tolist()
    for recording, person in zip(recordings, prepared.groups("person").tolist(), strict=True):
        persons.setdefault(recording, set()).add(person)
    several = [names[recording] for recording, there in persons.items() if len(there) > 1]
    return sum(any(row.person is None and row.label >= 0 for row in labels.files.get(name, ())) for name in several)


def _unused_lines(prepared: PreparedSet, labels: ClipLabels) -> list[str]:
    """The lines with a label of recordings that have no clip with a label."""
    numbers = set(prepared.groups("recording")[prepared.labels.numpy() >= 0].tolist())
    found = {name for number, name in enumerate(prepared.origin_names["recording"]) if number in numbers}
    found |= {entry["name"] for entry in prepared.manifest["rejected"]}  # which are listed with their reason
    return [
        f"line {row.line} of {escape(name)!r}"
        for name, rows in labels.files.items()
        for row in rows
        if row.label >= 0 and name not in found
    ]
