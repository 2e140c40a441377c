"""``python -m skelblocks export``: a pretrained encoder as a graph that runs without this package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.cli.open_clips import add_recording_options, recorded_settings
from skelblocks.encoders import READOUTS, BiGRU
from skelblocks.interop.export import check_free, export_onnx, export_program, save_program
from skelblocks.interop.graph_preparation import GraphPreparation
from skelblocks.interop.pretrained.open_pretrained import open_pretrained
from skelblocks.interop.pretrained.pretrained import Pretrained

_SUFFIXES = (".pt2", ".onnx")
_OF_RECORDINGS = ("layout", "missing", "y", "coordinates")


def add(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="write a pretrained encoder as a torch.export program or as ONNX",
        description="Write a pretrained encoder as a graph of clips (n, c, t, v, m) to features (n, d), for any n.",
    )
    parser.add_argument("encoder", type=Path, help="a folder that save_pretrained wrote, a run, or a released file")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write, .pt2 or .onnx")
    parser.add_argument("--classifier", action="store_true", help="end in the classifier's probabilities (n, classes)")
    parser.add_argument(
        "--preparation", action="store_true", help="begin with the preparation: the graph takes clips as recorded"
    )
    parser.add_argument(
        "--readout", choices=READOUTS, help="how features are taken from the map (as the encoder was saved)"
    )
    parser.add_argument("--map", action="store_true", help="end in the feature map, not in features")
    add_recording_options(parser)
    parser.add_argument("--persons", type=int, help="in every clip (as the encoder was trained, else 2)")
    parser.add_argument(
        "--frames",
        type=int,
        help="in every clip (any number from 5 up, with --preparation from 2; of DSTA and BiGRU, its own)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Do what the arguments say."""
    if given.out.suffix not in _SUFFIXES:
        raise ValueError(f"out: expected a file that ends in {' or '.join(_SUFFIXES)}, got {escape(given.out.name)!r}")
    if given.map and (given.classifier or given.readout):
        other = "--classifier" if given.classifier else "--readout"
        raise ValueError(f"map: expected it without {other}, got both; a map is what comes before features")
    check_free(given.out, overwrite=given.overwrite)
    pretrained = open_pretrained(given.encoder)
    encoder, described = pretrained.encoder, pretrained.preprocessing
    preparation = _preparation(given, pretrained)
    persons, frames = given.persons, given.frames
    if persons is None:
        persons = encoder.persons if isinstance(encoder, BiGRU) else (described and described.persons) or 2
    if frames is None and preparation is None and isinstance(encoder, BiGRU) and described is not None:
        frames = described.frames
    _say_what_is_left_out(given, pretrained)
    graph: dict[str, Any] = {
        "pool": not given.map,
        "persons": persons,
        "frames": frames,
        "readout": pretrained.readout if given.readout is None else given.readout,
        "classifier": _classifier(given, pretrained),
        "preparation": preparation,
    }
    about: dict[str, Any] = {
        "class_names": pretrained.class_names if given.classifier else (),
        "preprocessing": described if preparation is None else preparation.preprocessing,
        "stream": None if described is None else pretrained.stream,
        "overwrite": given.overwrite,
    }
    if given.out.suffix == ".onnx":
        export_onnx(encoder, given.out, **graph, **about)
    else:
        save_program(export_program(encoder, **graph), given.out, encoder=encoder, preparation=preparation, **about)
    print(
        f"{escape(given.out)}: {type(encoder).__name__} of {escape(pretrained.layout.name)}, "
        f"{given.out.stat().st_size:,} bytes"
    )


def _classifier(given: argparse.Namespace, pretrained: Pretrained) -> Any:
    if not given.classifier:
        return None
    if not pretrained.class_names:
        raise ValueError(
            f"classifier: expected an encoder with a classifier and the names of its classes, got "
            f"{escape(given.encoder)!r} without; `skelblocks evaluate linear` trains one and saves it with the encoder"
        )
    return pretrained.head


def _preparation(given: argparse.Namespace, pretrained: Pretrained) -> GraphPreparation | None:
    named = [name for name in _OF_RECORDINGS if getattr(given, name) is not None]
    if not given.preparation:
        if named:
            raise ValueError(
                f"{named[0]}: expected it only with --preparation, which takes recorded clips, got it without; add "
                f"--preparation, or leave --{named[0]} out"
            )
        return None
    expected = pretrained.preprocessing
    if expected is None:
        raise ValueError(
            "preparation: the encoder's folder does not say how clips are prepared; save it with "
            "preprocessing=Preprocessing(...)"
        )
    if given.layout is not None:
        recorded = layouts.get_or_load(given.layout)
    else:
        recorded = pretrained.layout if expected.source is None else layouts.get(expected.source)
    settings = recorded_settings(given, expected, recorded, pretrained.layout)
    channels = {2: 3, 3: 2, None: pretrained.encoder.in_channels}[settings.coordinates]
    assert isinstance(channels, int)
    return GraphPreparation(
        settings, layout=recorded, channels=channels, target=pretrained.layout, stream=pretrained.stream
    )


def _say_what_is_left_out(given: argparse.Namespace, pretrained: Pretrained) -> None:
    kept = {"head"} if given.classifier else set()
    left = [name for name in ("head", "attention") if getattr(pretrained, name) is not None and name not in kept]
    if "head" in left and pretrained.class_names:
        print("the graph ends without the classifier of the folder; --classifier keeps it", file=sys.stderr)
    elif left:
        print(f"the graph has the encoder alone; {' and '.join(left)} of the folder is left out", file=sys.stderr)
