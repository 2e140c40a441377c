"""``python -m skelblocks embed``: a feature a clip from a pretrained encoder, and each clip's nearest neighbors.

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
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "embed",
        help="a feature a clip from a pretrained encoder, and nearest neighbors",
        description=f"Write {EMBEDDINGS} (embeddings, names, labels) and {NEIGHBORS} to a folder.",
    )
    parser.add_argument(
        "encoder", type=Path, help="a folder that save_pretrained wrote, a run such as runs/demo, or a released file"
    )
    add_clip_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to write to")
    parser.add_argument(
        "--readout", choices=READOUTS, help="how features are taken from the map (as the encoder was saved)"
    )
    parser.add_argument("--neighbors", type=int, help=f"for each clip; 0 for no table ({_NEIGHBORS}, or all others)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Do what the arguments say."""
    if given.neighbors is not None:
        check_integer(given.neighbors, name="neighbors", least=0)
    check_integer(given.batch_size, name="batch-size")
    there = [name for name in (EMBEDDINGS, NEIGHBORS) if (given.out / name).exists()]
    if there and not given.overwrite:
        raise FileExistsError(
            f"out: there is {there[0]} in {escape(given.out)!r}; choose another folder, or --overwrite"
        )
    if given.out.exists() and not given.out.is_dir():
        raise FileExistsError(f"out: {escape(given.out)!r} is a file; give a folder")
    pretrained = open_pretrained(given.encoder, device=chosen_device(given.device))
    dataset = open_clips(given, pretrained)
    neighbors = min(_NEIGHBORS, len(dataset) - 1) if given.neighbors is None else given.neighbors
    if neighbors >= len(dataset):
        raise ValueError(f"neighbors: expected less than the {len(dataset)} clips, got {neighbors}")
    readout = pretrained.readout if given.readout is None else given.readout
    features = features_of(pretrained, dataset, readout=readout, batch_size=given.batch_size, precision=given.precision)
    arrays = {"embeddings": features.numpy(), "names": np.array(dataset.names), "labels": dataset.labels.numpy()}
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / NEIGHBORS).unlink(missing_ok=True)  # of other embeddings
    with whole_file(given.out / EMBEDDINGS) as place:
        place.write_bytes(file.getvalue())
    if neighbors:
        table = _table(features, dataset, neighbors)
        with whole_file(given.out / NEIGHBORS) as place:
            place.write_text(json.dumps(table, indent=1) + "\n")
    print(f"{escape(given.out)}: {len(features)} clips, {features.shape[1]} features each, {neighbors} neighbors")


def _table(features: Tensor, dataset: ClipDataset, k: int) -> list[dict[str, Any]]:
    """For each clip the others that are most like it, nearest first, by cosine."""
    cosines, places = nearest_neighbors(features, features, k=k, exclude_self=True)
    named = [{"name": name, "label": label} for name, label in zip(dataset.names, dataset.labels.tolist(), strict=True)]
    return [
        {**own, "neighbors": [{**named[j], "similarity": round(value, 6)} for value, j in zip(*pair, strict=True)]}
        for own, *pair in zip(named, cosines.tolist(), places.tolist(), strict=True)
    ]
