"""``skelblocks embed``: compute each clip's feature vector with a pretrained encoder, and its nearest neighbors.

Axes: n samples, c coordinates, t frames, v joints, m persons, d features, k neighbors.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from skelblocks._utils.checks import check_integer
from skelblocks._utils.escape import escape
from skelblocks._utils.whole_file import whole_file
from skelblocks.cli.open_clips import add_clip_options, chosen_device, features_of, open_clips
from skelblocks.clips import ClipDataset
from skelblocks.encoders import READOUTS
from skelblocks.evaluation.retrieval import nearest_neighbors
from skelblocks.interop.pretrained.open_pretrained import open_pretrained

EMBEDDINGS, NEIGHBORS = "embeddings.npz", "neighbors.json"
_NEIGHBORS = 5


def add(commands: Any) -> None:
    """Register the command with the main parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "embed",
        help="compute a feature vector and the nearest neighbors of each clip",
        description=f"Compute a feature vector for each clip with a pretrained encoder. Write {EMBEDDINGS} "
        f"(embeddings, names, labels) and {NEIGHBORS} to a folder.",
    )
    parser.add_argument("encoder", type=Path, help="a pretrained folder, a run such as runs/demo, or a released file")
    add_clip_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to write to")
    parser.add_argument(
        "--readout",
        choices=READOUTS,
        help="how the feature map becomes one vector (default: as the encoder was saved)",
    )
    parser.add_argument(
        "--neighbors", type=int, help=f"neighbors to list for each clip; 0 writes no table (default: {_NEIGHBORS})"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.neighbors is not None:
        check_integer(args.neighbors, name="neighbors", least=0)
    check_integer(args.batch_size, name="batch-size")
    there = [name for name in (EMBEDDINGS, NEIGHBORS) if (args.out / name).exists()]
    if there and not args.overwrite:
        raise FileExistsError(
            f"out: {escape(args.out)!r} already has a {there[0]}; choose another folder, or add --overwrite"
        )
    if args.out.exists() and not args.out.is_dir():
        raise FileExistsError(f"out: expected a folder, but {escape(args.out)!r} is a file; choose another name")
    pretrained = open_pretrained(args.encoder, device=chosen_device(args.device))
    dataset = open_clips(args, pretrained)
    neighbors = min(_NEIGHBORS, len(dataset) - 1) if args.neighbors is None else args.neighbors
    if neighbors >= len(dataset):
        raise ValueError(
            f"neighbors: expected fewer than the {len(dataset)} clips, got {neighbors}; choose a smaller number"
        )
    readout = pretrained.readout if args.readout is None else args.readout
    features = features_of(pretrained, dataset, readout=readout, batch_size=args.batch_size, precision=args.precision)
    arrays = {"embeddings": features.numpy(), "names": np.array(dataset.names), "labels": dataset.labels.numpy()}
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / NEIGHBORS).unlink(missing_ok=True)  # a table of earlier embeddings would not match
    with whole_file(args.out / EMBEDDINGS) as place:
        place.write_bytes(file.getvalue())
    if neighbors:
        table = _table(features, dataset, neighbors)
        with whole_file(args.out / NEIGHBORS) as place:
            place.write_text(json.dumps(table, indent=1) + "\n")
    print(f"{escape(args.out)}: {len(features)} clips, {features.shape[1]} features each, {neighbors} neighbors")


def _table(features: Tensor, dataset: ClipDataset, k: int) -> list[dict[str, Any]]:
    """The most similar other clips of each clip, by cosine, nearest first."""
    cosines, places = nearest_neighbors(features, features, k=k, exclude_self=True)
    named = [{"name": name, "label": label} for name, label in zip(dataset.names, dataset.labels.tolist(), strict=True)]
    return [
        {**own, "neighbors": [{**named[j], "similarity": round(value, 6)} for value, j in zip(*pair, strict=True)]}
        for own, *pair in zip(named, cosines.tolist(), places.tolist(), strict=True)
    ]
