"""``skelblocks prepare``: convert a folder of raw files to a prepared set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from skelblocks import layouts
from skelblocks.cli import prepare_poses
from skelblocks.cli.show_prepared import show_prepared
from skelblocks.cli.shown import Shown
from skelblocks.clips.preprocessing import ALIGNMENTS, COORDINATES, ORIGINS, PER, SCALES, YS, Preprocessing
from skelblocks.data import Progress, find_clips, read_missing_list
from skelblocks.data import prepare as prepare_clips
from skelblocks.data.formats.find_clips import PROTOCOLS, SETS
from skelblocks.data.steps.choose_bodies import BY
from skelblocks.data.steps.fill_gaps import HOW
from skelblocks.layouts.remap import MISSING


def add(commands: Any) -> None:
    """Register the command with the main parser."""
    described = "Convert raw files to a prepared set. An interrupted run is resumed."
    command = commands.add_parser("prepare", help="convert raw files to a prepared set", description=described)
    kinds = command.add_subparsers(dest="kind", required=True, metavar="SET")
    parser = argparse.ArgumentParser(add_help=False)
    _add_options(parser)
    for kind in SETS:
        kinds.add_parser(kind, help=f"raw files of {kind}", parents=[parser], description=described)
    prepare_poses.add(kinds)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, required=True, help="folder of the raw files; for pyskl, the pickle")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        help="which clips train; 'given': the position files named train* (default: no split)",
    )
    parser.add_argument("--frames", type=int, default=50, help="frames per clip after resampling (default: 50)")
    parser.add_argument("--persons", type=int, help="persons in every clip (default: 2; for NW-UCLA 1)")
    parser.add_argument(
        "--bodies",
        choices=BY,
        default="energy",
        help="which tracked bodies to keep: the most moving, or the first ones (default: energy)",
    )
    parser.add_argument(
        "--no-score",
        dest="score",
        action="store_false",
        help="drop the score of pyskl's 2-D keypoints, so that augmentations can rotate and shear the coordinates",
    )
    parser.add_argument(
        "--layout", help="skeleton of pyskl pickles and position files: a name or a .json file (default: the set's own)"
    )
    parser.add_argument("--denoise", action="store_true", help="first drop short and wide bodies, as pyskl does")
    parser.add_argument(
        "--gaps", choices=HOW, default="keep", help="how to fill frames without a person (default: keep)"
    )
    parser.add_argument(
        "--center",
        choices=(*PER, "none"),
        default="frame",
        help="move the layout's center to the origin, in each frame or once per clip (default: frame)",
    )
    parser.add_argument(
        "--center-origin",
        "--center-body",
        choices=ORIGINS,
        default="own",
        help="whose center: each person's own, or the first person's for all (default: own)",
    )
    parser.add_argument(
        "--align",
        choices=("none", *ALIGNMENTS),
        default="none",
        help="turn the shoulders to the camera (default: none)",
    )
    parser.add_argument(
        "--scale",
        choices=("none", *SCALES),
        default="none",
        help="divide by a length of the body; for coordinates in pixels (default: none)",
    )
    parser.add_argument(
        "--to", metavar="LAYOUT", help="convert clips to this skeleton: a name or a .json file (default: keep it)"
    )
    parser.add_argument(
        "--missing",
        choices=MISSING,
        default="error",
        help="what to do about joints of --to that the clips lack (default: error)",
    )
    parser.add_argument(
        "--y",
        choices=YS,
        default="up",
        help="direction in which the second coordinate grows: down in pictures; auto: decide by shoulders and hips "
        "(default: up)",
    )
    parser.add_argument(
        "--coordinates",
        type=int,
        choices=COORDINATES,
        help="3: add a zero depth to 2-D clips; 2: drop the third coordinate",
    )
    parser.add_argument("--missing-list", type=Path, help="NTU RGB+D's published list of clips to leave out")
    parser.add_argument("--workers", type=int, default=1, help="number of processes (default: 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing prepared set in --out")
    parser.set_defaults(run=run)


def _preprocessing(args: argparse.Namespace, *, persons: int) -> Preprocessing:
    return Preprocessing(
        frames=args.frames,
        center=None if args.center == "none" else "layout",
        per="frame" if args.center == "none" else args.center,
        origin=args.center_origin,
        align=None if args.align == "none" else args.align,
        persons=persons if args.persons is None else args.persons,
        scale=None if args.scale == "none" else args.scale,
        y=args.y,
        to=None if args.to is None else layouts.get_or_load(args.to),
        missing=args.missing,
        coordinates=args.coordinates,
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    missing = frozenset[str]() if args.missing_list is None else read_missing_list(args.missing_list)
    layout = None if args.layout is None else layouts.get_or_load(args.layout)
    found = find_clips(args.kind, args.root, protocol=args.protocol, score=args.score, layout=layout)
    with Shown(len(found.clips), unit="files") as shown:

        def progress(each: Progress) -> None:
            shown.show(each.done, clips=each.clips, rejected=each.rejected)

        manifest = prepare_clips(
            found.clips,
            out=args.out,
            layout=found.layout,
            part=found.part,
            protocol=args.protocol,
            missing=missing,
            shard=found.shard,
            workers=args.workers,
            progress=progress,
            overwrite=args.overwrite,
            channels=found.channels,
            bodies=args.bodies,
            denoise=args.denoise,
            gaps=args.gaps,
            preprocessing=_preprocessing(args, persons=found.persons),
        )
    show_prepared(manifest, args.out)
