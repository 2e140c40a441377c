"""``skelblocks import-official``: convert a released checkpoint to a pretrained folder."""

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
    """Register the command with the main parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "import-official",
        help="convert a released checkpoint to a pretrained folder",
        description="Convert a released checkpoint to a pretrained folder. Only weights are read: no code in the file "
        "runs.",
    )
    parser.add_argument("checkpoint", type=Path, help="a .pt file that the authors' code wrote")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument(
        "--source",
        choices=("auto", *SOURCES),
        default="auto",
        help="the method (default: recognized by its weights' names)",
    )
    parser.add_argument(
        "--stream",
        choices=tuple(STREAM_SUFFIX),
        default="joint",
        help="stream that the encoder was trained on; for CrosSCLR, the stream to take (default: joint)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        help="frames of its training clips (default: the released setting, 50 or 64)",
    )
    parser.add_argument(
        "--align",
        choices=(*ALIGNMENTS, "none"),
        default="official",
        help="how its training clips were aligned (default: official, the released setting)",
    )
    parser.add_argument("--persons", type=int, default=2, help="persons in its training clips (default: 2)")
    parser.add_argument(
        "--layout", default="auto", help="skeleton: a name or a .json file (default: recognized by its graph)"
    )
    parser.add_argument("--heads", type=int, default=8, help="attention heads of SkeAttnCLR (default: 8)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing pretrained folder in --out")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    loaded = load_official(
        args.checkpoint,
        source=args.source,
        stream=args.stream,
        layout=args.layout if args.layout == "auto" else layouts.get_or_load(args.layout),
        num_heads=args.heads,
    )
    assert loaded.report is not None
    print(loaded.report)
    frames = args.frames if args.frames is not None else loaded.preprocessing.frames
    align = None if args.align == "none" else args.align
    preprocessing = replace(loaded.preprocessing, frames=frames, align=align, persons=args.persons)
    found = official_pretrained(loaded, file=args.checkpoint.name)
    save_pretrained(
        args.out,
        encoder=found.encoder,
        head=found.head,
        attention=found.attention,
        preprocessing=preprocessing,
        stream=args.stream,
        metadata=found.metadata,
        overwrite=args.overwrite,
    )
    head = _said(loaded)
    kept = ["encoder", *([head] if head else []), *(["attention"] if loaded.attention is not None else [])]
    names = " or ".join(found.metadata["official"]["source"])
    print(f"{escape(args.out)}: {', '.join(kept)} of {names}, {args.stream} stream, {frames} frames")


def _said(loaded: OfficialCheckpoint) -> str:
    """Describe the folder's head: the classifier if there is one, else the projection head."""
    if loaded.classifier is None:
        return "" if loaded.head is None else "head"
    instead = "" if loaded.head is None else " in place of the projection head"
    return f"classifier of {loaded.classifier.out_features} classes as head{instead}"
