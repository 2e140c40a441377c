"""``python -m skelblocks prepare``: an owner's folder to a prepared set."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from skelblocks.cli.shown import Shown
from skelblocks.data import Progress, find_clips, read_missing_list
from skelblocks.data import prepare as prepare_clips
from skelblocks.data.formats.find_clips import SETS
from skelblocks.data.steps.align_view import MODES
from skelblocks.data.steps.center import BODIES, PER
from skelblocks.data.steps.choose_bodies import BY
from skelblocks.data.steps.fill_gaps import HOW


def add(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "prepare",
        help="make a prepared set out of the owner's files",
        description="Make a prepared set out of the owner's files. A run that was stopped goes on where it was.",
    )
    parser.add_argument("kind", choices=SETS, help="whose files they are")
    parser.add_argument("--root", type=Path, required=True, help="the owner's folder; of pyskl, the pickle")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument(
        "--protocol",
        choices=("xsub", "xview", "xset", "given"),
        help="which clips train; 'given': position files called train*. Default: no parts",
    )
    parser.add_argument("--frames", type=int, default=50, help="resample every clip to so many (50)")
    parser.add_argument("--persons", type=int, help="in every clip (2; of NW-UCLA 1)")
    parser.add_argument("--bodies", choices=BY, default="energy", help="which bodies are the persons (energy)")
    parser.add_argument(
        "--no-score",
        dest="score",
        action="store_false",
        help="of pyskl's keypoints in pictures, keep the two coordinates alone, which can be turned and sheared",
    )
    parser.add_argument("--denoise", action="store_true", help="drop short and wide bodies before, as pyskl does")
    parser.add_argument("--gaps", choices=HOW, default="keep", help="frames without a person (keep)")
    parser.add_argument("--center", choices=(*PER, "none"), default="frame", help="at the layout's centre, per (frame)")
    parser.add_argument("--center-body", choices=BODIES, default="own", help="whose centre (own)")
    parser.add_argument("--align", choices=("none", *MODES), default="none", help="turn shoulders to the camera (none)")
    parser.add_argument("--missing-list", type=Path, help="the published list of clips to leave out, of NTU RGB+D")
    parser.add_argument("--workers", type=int, default=1, help="processes (1)")
    parser.add_argument("--overwrite", action="store_true", help="delete a prepared set in --out and make it again")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Do what the arguments say."""
    missing = frozenset[str]() if given.missing_list is None else read_missing_list(given.missing_list)
    found = find_clips(given.kind, given.root, protocol=given.protocol, score=given.score)
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
            frames=given.frames,
            persons=found.persons if given.persons is None else given.persons,
            bodies=given.bodies,
            denoise=given.denoise,
            gaps=given.gaps,
            center=None if given.center == "none" else "layout",
            per="frame" if given.center == "none" else given.center,
            body=given.center_body,
            align=None if given.align == "none" else given.align,
        )
    parts = ", ".join(f"{count} {name}" for name, count in manifest["parts"].items())
    print(f"{given.out}: {manifest['clips']} clips {tuple(manifest['shape'])}, {parts}; sha256 {manifest['sha256']}")
    if not manifest["parts"]["train"]:
        print("No clip is in the training part, which training scripts ask for: --protocol says which are.")
    reasons = Counter(entry["reason"] for entry in manifest["rejected"])
    if reasons:
        print(f"{len(manifest['rejected'])} left out, each with its reason in {given.out / 'manifest.json'}:")
    for reason, count in reasons.most_common(5):
        print(f"  {count}  {reason}")
    if len(reasons) > 5:
        print(f"  and {len(reasons) - 5} reasons more")
