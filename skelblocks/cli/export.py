"""``skelblocks export``: write a pretrained encoder as a graph that runs without this package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.cli.open_clips import add_recording_options, recorded_settings
from skelblocks.encoders import DSTA, READOUTS, BiGRU
from skelblocks.interop.export import check_free, export_onnx, export_program, save_program
from skelblocks.interop.graph_preparation import GraphPreparation
from skelblocks.interop.pretrained.open_pretrained import open_pretrained
from skelblocks.interop.pretrained.pretrained import Pretrained

_SUFFIXES = (".pt2", ".onnx")
_OF_RECORDINGS = ("layout", "missing", "y", "coordinates")


def add(commands: Any) -> None:
    """Register the command with the main parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="write a pretrained encoder as a torch.export program or an ONNX file",
        description="Write a pretrained encoder as a graph that maps clips (n, c, t, v, m) to features (n, d), for any "
        "n.",
    )
    parser.add_argument("encoder", type=Path, help="a pretrained folder, a run, or a released file")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write: .pt2 or .onnx")
    parser.add_argument("--classifier", action="store_true", help="output the classifier's probabilities (n, classes)")
    parser.add_argument(
        "--preparation",
        action="store_true",
        help="include the preparation of clips, so that the graph takes recorded ones",
    )
    parser.add_argument(
        "--readout",
        choices=READOUTS,
        help="how the feature map becomes one vector (default: as the encoder was saved)",
    )
    parser.add_argument("--map", action="store_true", help="output the feature map instead of features")
    add_recording_options(parser)
    parser.add_argument("--persons", type=int, help="persons in every clip (default: as in training, else 2)")
    parser.add_argument(
        "--frames",
        type=int,
        help="frames in every clip (default: any number from 5, or from 2 with --preparation; DSTA and BiGRU take only "
        "the number that they were built with)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.out.suffix not in _SUFFIXES:
        raise ValueError(
            f"out: expected a file that ends in {' or '.join(_SUFFIXES)}, got {escape(args.out.name)!r}; rename it"
        )
    if args.map and (args.classifier or args.readout):
        other = "--classifier" if args.classifier else "--readout"
        raise ValueError(f"map: expected --map without {other}, got both; choose one, since a map has no features yet")
    check_free(args.out, overwrite=args.overwrite)
    pretrained = open_pretrained(args.encoder)
    encoder, described = pretrained.encoder, pretrained.preprocessing
    preparation = _preparation(args, pretrained)
    persons, frames = args.persons, args.frames
    if persons is None:
        persons = encoder.persons if isinstance(encoder, BiGRU) else (described and described.persons) or 2
    if frames is None and preparation is None and isinstance(encoder, BiGRU) and described is not None:
        frames = described.frames
    _say_what_is_left_out(args, pretrained)
    graph: dict[str, Any] = {
        "pool": not args.map,
        "persons": persons,
        "frames": frames,
        "readout": pretrained.readout if args.readout is None else args.readout,
        "classifier": _classifier(args, pretrained),
        "preparation": preparation,
    }
    about: dict[str, Any] = {
        "class_names": pretrained.class_names if args.classifier else (),
        "preprocessing": described if preparation is None else preparation.preprocessing,
        "stream": None if described is None else pretrained.stream,
        "overwrite": args.overwrite,
    }
    if args.out.suffix == ".onnx":
        export_onnx(encoder, args.out, **graph, **about)
    else:
        save_program(export_program(encoder, **graph), args.out, encoder=encoder, preparation=preparation, **about)
    print(
        f"{escape(args.out)}: {type(encoder).__name__} of {escape(pretrained.layout.name)}, "
        f"{args.out.stat().st_size:,} bytes"
    )
    source = pretrained.layout if preparation is None else preparation.layout
    channels = encoder.in_channels if preparation is None else preparation.channels
    fixed = encoder.frames if preparation is None and isinstance(encoder, DSTA) else frames
    sizes = f"(clips, {channels}, {fixed or 'frames'}, {source.num_joints}, {persons})"
    hint = "" if args.persons is not None or isinstance(encoder, BiGRU) else "; --persons sets the last number"
    print(f"It takes clips {sizes}: channels, frames, joints, persons{hint}.")


def _classifier(args: argparse.Namespace, pretrained: Pretrained) -> Any:
    if not args.classifier:
        return None
    if not pretrained.class_names:
        raise ValueError(
            f"classifier: expected an encoder with a classifier and class names, but {escape(args.encoder)!r} has "
            "none; run `skelblocks evaluate linear` to train a classifier and save it with the encoder"
        )
    return pretrained.head


def _preparation(args: argparse.Namespace, pretrained: Pretrained) -> GraphPreparation | None:
    named = [name for name in _OF_RECORDINGS if getattr(args, name) is not None]
    if not args.preparation:
        if named:
            raise ValueError(
                f"{named[0]}: expected this option only with --preparation, because it describes recorded clips; add "
                f"--preparation, or leave --{named[0]} out"
            )
        return None
    expected = pretrained.preprocessing
    if expected is None:
        raise ValueError(
            "preparation: the encoder's folder does not record how clips are prepared; save it with "
            "preprocessing=Preprocessing(...)"
        )
    if args.layout is not None:
        recorded = layouts.get_or_load(args.layout)
    else:
        recorded = pretrained.layout if expected.source is None else layouts.get(expected.source)
    settings = recorded_settings(args, expected, recorded, pretrained.layout)
    channels = {2: 3, 3: 2, None: pretrained.encoder.in_channels}[settings.coordinates]
    assert isinstance(channels, int)
    return GraphPreparation(
        settings, layout=recorded, channels=channels, target=pretrained.layout, stream=pretrained.stream
    )


def _say_what_is_left_out(args: argparse.Namespace, pretrained: Pretrained) -> None:
    kept = {"head"} if args.classifier else set()
    left = [name for name in ("head", "attention") if getattr(pretrained, name) is not None and name not in kept]
    if "head" in left and pretrained.class_names:
        print("the graph leaves out the folder's classifier; add --classifier to include it", file=sys.stderr)
    elif left:
        print(f"the graph has the encoder alone and leaves out the folder's {' and '.join(left)}", file=sys.stderr)
