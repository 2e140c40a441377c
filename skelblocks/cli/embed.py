"""``python -m skelblocks embed``: a feature a clip from a pretrained encoder, and each clip's nearest neighbours.

Axes: n samples, c coordinates, t frames, v joints, m persons, d features, k neighbours.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skelblocks._utils.checks import check_integer
from skelblocks._utils.whole_file import whole_file
from skelblocks.cli.shown import Shown
from skelblocks.data import ArrayDataset, PreparedSet
from skelblocks.evaluation import extract_features
from skelblocks.evaluation.retrieval import nearest_neighbors
from skelblocks.interop.pretrained.input_description import InputDescription
from skelblocks.interop.pretrained.pretrained import Pretrained, from_pretrained
from skelblocks.layouts import SkeletonLayout

EMBEDDINGS, NEIGHBORS = "embeddings.npz", "neighbors.json"
_NEIGHBORS = 5


def add(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "embed",
        help="a feature a clip from a pretrained encoder, and nearest neighbours",
        description=f"Write {EMBEDDINGS} (embeddings, names, labels) and {NEIGHBORS} to a folder.",
    )
    parser.add_argument("encoder", type=Path, help="a folder that save_pretrained wrote")
    parser.add_argument("clips", type=Path, help="a prepared set, or a .npz or .npy file, which is prepared")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to write to")
    parser.add_argument("--part", choices=("train", "test"), help="of the set. Default: everything")
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
        raise FileExistsError(f"out: there is {there[0]} in {str(given.out)!r}; choose another folder, or --overwrite")
    if given.out.exists() and not given.out.is_dir():
        raise FileExistsError(f"out: {str(given.out)!r} is a file; give a folder")
    pretrained = from_pretrained(given.encoder, device=_device(given.device))
    dataset = _open(given.clips, given.part, pretrained)
    neighbors = min(_NEIGHBORS, len(dataset) - 1) if given.neighbors is None else given.neighbors
    if neighbors >= len(dataset):
        raise ValueError(f"neighbors: expected less than the {len(dataset)} clips, got {neighbors}")
    features = _features(pretrained, dataset, given.batch_size)
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
    print(f"{given.out}: {len(features)} clips, {features.shape[1]} features each, {neighbors} neighbours")


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: expected one that is here, such as 'cpu', got {name!r}") from error
    return device


def _open(path: Path, part: str | None, pretrained: Pretrained) -> PreparedSet | ArrayDataset:
    described = pretrained.input
    if not path.exists():
        raise FileNotFoundError(f"clips: there is no file or folder {str(path)!r}")
    if path.is_dir():
        prepared = PreparedSet(path, part=part)
        _check_layout(prepared.layout, pretrained.layout)
        if described is None:
            print("the encoder's folder does not say how its clips were prepared; not compared", file=sys.stderr)
        else:
            _check_settings(prepared, described, pretrained.layout)
        return prepared
    if described is None:
        raise ValueError(
            "clips: the encoder's folder does not say how to prepare them; save it with input=InputDescription(...), "
            "or embed a prepared set"
        )
    return ArrayDataset.from_file(path, layout=pretrained.layout, split=part, **described.dataset_options())


def _check_layout(found: SkeletonLayout, expected: SkeletonLayout) -> None:
    """Parts and bodies may be others: an encoder does not know them."""
    same = {
        "joints": found.joints == expected.joints,
        "bones": set(map(frozenset, found.edges)) == set(map(frozenset, expected.edges)),
        "a centre": found.center == expected.center,
    }
    for name, equal in same.items():
        if not equal:
            raise ValueError(
                f"clips: expected the skeleton of the encoder, {expected.name!r}, got {found.name!r}, which has "
                f"{name} of its own"
            )


def _check_settings(dataset: PreparedSet, described: InputDescription, layout: SkeletonLayout) -> None:
    settings = dataset.manifest["settings"]
    found = {name: settings.get(name) for name in ("center", "per", "body", "align")}
    found |= {"frames": dataset.shape[1], "persons": dataset.shape[3]}
    expected = {name: getattr(described, name) for name in found}
    for values in (found, expected):
        if values["center"] == "layout":
            values["center"] = layout.joints[layout.center]
        elif values["center"] is None:
            values["per"] = values["body"] = None  # without a centre they say nothing
    if expected["frames"] is None:
        found["frames"] = None
    wrong = [f"{name}={found[name]!r}, not {value!r}" for name, value in expected.items() if found[name] != value]
    if wrong:
        raise ValueError(
            f"clips: expected them as the encoder was trained, got {'; '.join(wrong)}; prepare the set again so"
        )


@torch.no_grad()
def _features(pretrained: Pretrained, dataset: PreparedSet | ArrayDataset, batch_size: int) -> Tensor:
    """``(n, d)`` float32, on the CPU."""
    dtype = next(pretrained.encoder.parameters()).dtype
    parts, done = [], 0
    with Shown(len(dataset), unit="clips") as shown:
        for clips in _batches(dataset, batch_size):
            x = clips.to(dtype)
            if pretrained.input is not None:
                x = pretrained.input.finish(x, layout=pretrained.layout)
            parts.append(extract_features(pretrained.encoder, [x]).float().cpu())
            done += len(clips)
            shown.show(done)
    features = torch.cat(parts)
    if not bool(torch.isfinite(features).all()):
        place = int((~torch.isfinite(features)).any(dim=1).nonzero()[0])
        raise ValueError(f"clips: the encoder gives NaN or infinity for {dataset.names[place]!r}")
    return features


def _batches(dataset: PreparedSet | ArrayDataset, batch_size: int) -> Iterator[Tensor]:
    if isinstance(dataset, ArrayDataset):
        return (sample.clip for sample in dataset.batches(batch_size))
    samples = dataset.batches(batch_size, seed=0, epoch=0, shuffle=False, drop_last=False)
    return (sample.clip for sample in samples)


def _table(features: Tensor, dataset: PreparedSet | ArrayDataset, k: int) -> list[dict[str, Any]]:
    """For each clip the others that are most like it, nearest first, by cosine."""
    cosines, places = nearest_neighbors(features, features, k=k, exclude_self=True)
    named = [{"name": name, "label": label} for name, label in zip(dataset.names, dataset.labels.tolist(), strict=True)]
    return [
        {**own, "neighbors": [{**named[j], "similarity": round(value, 6)} for value, j in zip(*pair, strict=True)]}
        for own, *pair in zip(named, cosines.tolist(), places.tolist(), strict=True)
    ]
