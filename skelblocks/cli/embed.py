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
import torch
from torch import Tensor

from skelblocks._utils.checks import check_integer
from skelblocks._utils.escape import escape
from skelblocks._utils.whole_file import whole_file
from skelblocks.cli.shown import Shown
from skelblocks.clips import ClipDataset, batches
from skelblocks.data import ArrayDataset, PreparedSet
from skelblocks.data.arrays.array_checks import Part
from skelblocks.encoders import READOUTS, ReadoutEncoder
from skelblocks.encoders.readout import Readout
from skelblocks.evaluation import extract_features
from skelblocks.evaluation.retrieval import nearest_neighbors
from skelblocks.interop.pretrained.check_fits import check_fits
from skelblocks.interop.pretrained.from_pretrained import from_pretrained
from skelblocks.interop.pretrained.pretrained import Pretrained

EMBEDDINGS, NEIGHBORS = "embeddings.npz", "neighbors.json"
_NEIGHBORS = 5


def add(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "embed",
        help="a feature a clip from a pretrained encoder, and nearest neighbors",
        description=f"Write {EMBEDDINGS} (embeddings, names, labels) and {NEIGHBORS} to a folder.",
    )
    parser.add_argument("encoder", type=Path, help="a folder that save_pretrained wrote, such as runs/demo/encoder")
    parser.add_argument("clips", type=Path, help="a prepared set, or a .npz or .npy file, which is prepared")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to write to")
    parser.add_argument("--part", choices=("train", "test"), help="of the set. Default: everything")
    parser.add_argument(
        "--readout", choices=READOUTS, help="how features are taken from the map (as the encoder was saved)"
    )
    parser.add_argument("--neighbors", type=int, help=f"for each clip; 0 for no table ({_NEIGHBORS}, or all others)")
    parser.add_argument("--batch-size", type=int, default=256, help="clips at a time (256)")
    parser.add_argument("--device", help="where the encoder runs (cuda where there is one, else cpu)")
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
    pretrained = from_pretrained(given.encoder, device=_device(given.device))
    dataset = _open(given.clips, given.part, pretrained)
    neighbors = min(_NEIGHBORS, len(dataset) - 1) if given.neighbors is None else given.neighbors
    if neighbors >= len(dataset):
        raise ValueError(f"neighbors: expected less than the {len(dataset)} clips, got {neighbors}")
    features = _features(pretrained, dataset, given.batch_size, given.readout or pretrained.readout)
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


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: {name!r} is not available on this machine; try 'cpu'") from error
    return device


def _open(path: Path, part: Part | None, pretrained: Pretrained) -> ClipDataset:
    if not path.exists():
        raise FileNotFoundError(f"clips: there is no file or folder {escape(path)!r}")
    if path.is_dir():
        prepared = PreparedSet(path, part=part)
        check_fits(prepared, pretrained)
        return prepared
    if pretrained.preprocessing is None:
        raise ValueError(
            "clips: the encoder's folder does not say how to prepare them; save it with "
            "preprocessing=Preprocessing(...), or embed a prepared set"
        )
    return ArrayDataset.from_file(path, layout=pretrained.layout, split=part, preprocessing=pretrained.preprocessing)


@torch.no_grad()
def _features(pretrained: Pretrained, dataset: ClipDataset, batch_size: int, readout: Readout) -> Tensor:
    """``(n, d)`` float32, on the CPU."""
    encoder = ReadoutEncoder(pretrained.encoder, readout)
    dtype = next(pretrained.encoder.parameters()).dtype
    parts, done, seen = [], 0, False
    with Shown(len(dataset), unit="clips") as shown:
        for sample in batches(dataset, batch_size):
            seen = seen or bool(sample.clip.any())
            x = pretrained.finish(sample.clip.to(dtype))
            parts.append(extract_features(encoder, [x]).float().cpu())
            done += len(x)
            shown.show(done)
    if not seen:
        raise ValueError("clips: expected somebody in some clip, got zeros alone; skelblocks inspect shows the file")
    features = torch.cat(parts)
    if not bool(torch.isfinite(features).all()):
        place = int((~torch.isfinite(features)).any(dim=1).nonzero()[0])
        raise ValueError(f"clips: the encoder gives NaN or infinity for {escape(dataset.names[place])!r}")
    return features


def _table(features: Tensor, dataset: ClipDataset, k: int) -> list[dict[str, Any]]:
    """For each clip the others that are most like it, nearest first, by cosine."""
    cosines, places = nearest_neighbors(features, features, k=k, exclude_self=True)
    named = [{"name": name, "label": label} for name, label in zip(dataset.names, dataset.labels.tolist(), strict=True)]
    return [
        {**own, "neighbors": [{**named[j], "similarity": round(value, 6)} for value, j in zip(*pair, strict=True)]}
        for own, *pair in zip(named, cosines.tolist(), places.tolist(), strict=True)
    ]
