"""``skelblocks prepare``: a folder of raw files to a prepared set."""

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
    """Add the command to those of a parser."""
    described = "Make a prepared set out of raw files. A run that was stopped is resumed."
    command = commands.add_parser("prepare", help="make a prepared set out of raw files", description=described)
    kinds = command.add_subparsers(dest="kind", required=True, metavar="SET")
    parser = argparse.ArgumentParser(add_help=False)
    _add_options(parser)
    for kind in SETS:
        kinds.add_parser(kind, help=f"the raw files of {kind}", parents=[parser], description=described)
    prepare_poses.add(kinds)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, required=True, help="the folder of the raw files; of pyskl, the pickle")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        help="which clips train; 'given': position files called train*. Default: no parts",
    )
    parser.add_argument("--frames", type=int, default=50, help="frames per clip after resampling (50)")
    parser.add_argument("--persons", type=int, help="in every clip (2; of NW-UCLA 1)")
    parser.add_argument("--bodies", choices=BY, default="energy", help="which bodies are the persons (energy)")
    parser.add_argument(
        "--no-score",
        dest="score",
        action="store_false",
        help="of pyskl's keypoints in pictures, keep the two coordinates alone, which can be turned and sheared",
    )
    parser.add_argument(
        "--layout", help="the skeleton of pyskl's pickles and position files, a name or a .json file (the set's own)"
    )
    parser.add_argument("--denoise", action="store_true", help="drop short and wide bodies before, as pyskl does")
    parser.add_argument("--gaps", choices=HOW, default="keep", help="frames without a person (keep)")
    parser.add_argument(
        "--center",
        choices=(*PER, "none"),
        default="frame",
        help="put the layout's center at the origin, per frame or clip (frame)",
    )
    parser.add_argument(
        "--center-origin",
        "--center-body",
        choices=ORIGINS,
        default="own",
        help="whose center: each person's own, or the first person's for all (own)",
    )
    parser.add_argument(
        "--align", choices=("none", *ALIGNMENTS), default="none", help="turn shoulders to the camera (none)"
    )
    parser.add_argument(
        "--scale", choices=("none", *SCALES), default="none", help="divide by the length of the body, for pixels (none)"
    )
    parser.add_argument("--to", metavar="LAYOUT", help="turn clips into this skeleton, a name or a .json file (none)")
    parser.add_argument(
        "--missing", choices=MISSING, default="error", help="joints of --to that cannot be made from others (error)"
    )
    parser.add_argument(
        "--y",
        choices=YS,
        default="up",
        help="where the second coordinate grows: down in pictures; auto: by shoulders and hips (up)",
    )
    parser.add_argument(
        "--coordinates", type=int, choices=COORDINATES, help="3: add a zero depth to 2-D clips; 2: drop the third"
    )
    parser.add_argument("--missing-list", type=Path, help="the published list of clips to leave out, of NTU RGB+D")
    parser.add_argument("--workers", type=int, default=1, help="processes (1)")
    parser.add_argument("--overwrite", action="store_true", help="delete a prepared set in --out and make it again")
    parser.set_defaults(run=run)


def _preprocessing(given: argparse.Namespace, *, persons: int) -> Preprocessing:
    return Preprocessing(
        frames=given.frames,
        center=None if given.center == "none" else "layout",
        per="frame" if given.center == "none" else given.center,
        origin=given.center_origin,
        align=None if given.align == "none" else given.align,
        persons=persons if given.persons is None else given.persons,
        scale=None if given.scale == "none" else given.scale,
        y=given.y,
        to=None if given.to is None else layouts.get_or_load(given.to),
        missing=given.missing,
        coordinates=given.coordinates,
    )


def run(given: argparse.Namespace) -> None:
    """Do what the arguments say."""
    missing = frozenset[str]() if given.missing_list is None else read_missing_list(given.missing_list)
    layout = None if given.layout is None else layouts.get_or_load(given.layout)
    found = find_clips(given.kind, given.root, protocol=given.protocol, score=given.score, layout=layout)
    with Shown(len(found.clips), unit="files") as shown:

        def progress(each: Progress) -> None:
            shown.show(each.done, clips=each.clips, rejected=each.rejected)

        manifest = prepare_clips(
            found.clips,
            out=given.out,
            layout=found.layout,
            part=found.part,
            protocol=given.protocol,
            missing=missing,
            shard=found.shard,
            workers=given.workers,
            progress=progress,
            overwrite=given.overwrite,
            channels=found.channels,
            bodies=given.bodies,
            denoise=given.denoise,
            gaps=given.gaps,
            preprocessing=_preprocessing(given, persons=found.persons),
        )
    show_prepared(manifest, given.out)
