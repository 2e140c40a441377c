"""``python -m skelblocks export``: a pretrained encoder as a graph that runs without this package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from skelblocks.encoders import BiGRU
from skelblocks.interop.export import check_free, export_onnx, export_program, save_program
from skelblocks.interop.pretrained.from_pretrained import from_pretrained

_SUFFIXES = (".pt2", ".onnx")


def add(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="write a pretrained encoder as a torch.export program or as ONNX",
        description="Write a pretrained encoder as a graph of clips (n, c, t, v, m) to features (n, d), for any n.",
    )
    parser.add_argument("encoder", type=Path, help="a folder that save_pretrained wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write, .pt2 or .onnx")
    parser.add_argument("--map", action="store_true", help="end in the feature map, not in its mean")
    parser.add_argument("--persons", type=int, help="in every clip (as the encoder was trained, else 2)")
    parser.add_argument("--frames", type=int, help="in every clip (any number from 5 up; of DSTA and BiGRU, its own)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Do what the arguments say."""
    if given.out.suffix not in _SUFFIXES:
        raise ValueError(f"out: expected a file that ends in {' or '.join(_SUFFIXES)}, got {given.out.name!r}")
    check_free(given.out, overwrite=given.overwrite)
    pretrained = from_pretrained(given.encoder)
    encoder, described = pretrained.encoder, pretrained.preprocessing
    persons, frames = given.persons, given.frames
    if persons is None:
        persons = encoder.persons if isinstance(encoder, BiGRU) else (described and described.persons) or 2
    if frames is None and isinstance(encoder, BiGRU) and described is not None:
        frames = described.frames
    pool, stream = not given.map, None if described is None else pretrained.stream
    if pretrained.head is not None or pretrained.attention is not None:
        left = " and ".join(name for name in ("head", "attention") if getattr(pretrained, name) is not None)
        print(
            f"the graph has the encoder alone; {left} of the folder, such as a classifier, is left out", file=sys.stderr
        )
    if given.out.suffix == ".onnx":
        export_onnx(
            encoder,
            given.out,
            pool=pool,
            persons=persons,
            frames=frames,
            preprocessing=described,
            stream=stream,
            overwrite=given.overwrite,
        )
    else:
        program = export_program(encoder, pool=pool, persons=persons, frames=frames)
        save_program(
            program, given.out, encoder=encoder, preprocessing=described, stream=stream, overwrite=given.overwrite
        )
    print(f"{given.out}: {type(encoder).__name__} of {pretrained.layout.name}, {given.out.stat().st_size:,} bytes")
