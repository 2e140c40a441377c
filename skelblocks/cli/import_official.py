"""``python -m skelblocks import-official``: a released method's checkpoint to a pretrained folder."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.clips.preprocessing import ALIGNMENTS
from skelblocks.interop import OfficialCheckpoint, load_official, save_pretrained
from skelblocks.interop.official.official_pretrained import official_pretrained
from skelblocks.interop.official.official_sources import SOURCES, STREAM_SUFFIX


def add(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "import-official",
        help="make a pretrained folder out of a released method's checkpoint",
        description="Make a pretrained folder out of a released method's checkpoint, which is read as weights alone.",
    )
    parser.add_argument("checkpoint", type=Path, help="the .pt file that the released code wrote")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--source", choices=("auto", *SOURCES), default="auto", help="the method (by the names)")
    parser.add_argument(
        "--stream",
        choices=tuple(STREAM_SUFFIX),
        default="joint",
        help="stream that it was trained on; of CrosSCLR, which to take (joint)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        help="frames of its training clips (as released: 50, or 64)",
    )
    parser.add_argument(
        "--align",
        choices=(*ALIGNMENTS, "none"),
        default="official",
        help="how its training clips were aligned (official, as released)",
    )
    parser.add_argument("--persons", type=int, default=2, help="persons in its training clips (2)")
    parser.add_argument("--layout", default="auto", help="the skeleton, a name or a .json file (by the graph)")
    parser.add_argument("--heads", type=int, default=8, help="heads of SkeAttnCLR's attention (8)")
    parser.add_argument("--overwrite", action="store_true", help="replace a pretrained folder in --out")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    loaded = load_official(
        given.checkpoint,
        source=given.source,
        stream=given.stream,
        layout=given.layout if given.layout == "auto" else layouts.get_or_load(given.layout),
        num_heads=given.heads,
    )
    assert loaded.report is not None
    print(loaded.report)
    frames = given.frames if given.frames is not None else loaded.preprocessing.frames
    align = None if given.align == "none" else given.align
    preprocessing = replace(loaded.preprocessing, frames=frames, align=align, persons=given.persons)
    found = official_pretrained(loaded, file=given.checkpoint.name)
    save_pretrained(
        given.out,
        encoder=found.encoder,
        head=found.head,
        attention=found.attention,
        preprocessing=preprocessing,
        stream=given.stream,
        metadata=found.metadata,
        overwrite=given.overwrite,
    )
    head = _said(loaded)
    kept = ["encoder", *([head] if head else []), *(["attention"] if loaded.attention is not None else [])]
    names = " or ".join(found.metadata["official"]["source"])
    print(f"{escape(given.out)}: {', '.join(kept)} of {names}, {given.stream} stream, {frames} frames")


def _said(loaded: OfficialCheckpoint) -> str:
    """What the folder's head is: the classifier where there is one, else the projection."""
    if loaded.classifier is None:
        return "" if loaded.head is None else "head"
    instead = "" if loaded.head is None else " in place of the projection head"
    return f"classifier of {loaded.classifier.out_features} classes as head{instead}"
