"""``skelblocks classify``: labels for new clips, by an encoder and its classifier.

Axes: n clips, k ranks, c classes.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skelblocks._utils.checks import check_integer
from skelblocks._utils.escape import escape
from skelblocks._utils.whole_file import whole_file
from skelblocks.cli.open_clips import add_clip_options, chosen_device, features_of, open_clips
from skelblocks.clips import ClipDataset
from skelblocks.interop.export import check_free
from skelblocks.interop.pretrained.open_pretrained import open_pretrained
from skelblocks.interop.pretrained.pretrained import Pretrained

COLUMNS = ("clip", "rank", "class", "name", "probability")
# Where a window of a recording is, for sets that know it.
PLACES = ("recording", "person", "start", "stop", "start_seconds", "stop_seconds")
_SUFFIXES = (".csv", ".json")
_SHOWN = 5


def add(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "classify",
        help="labels for new clips, by an encoder with a classifier",
        description=f"Write the most probable classes of each clip to a table: {', '.join(COLUMNS)}; for windows of "
        f"recordings also {', '.join(PLACES)}.",
    )
    parser.add_argument(
        "encoder",
        type=Path,
        help="a pretrained folder with a classifier, such as runs/demo/evaluation/linear_model, or a released file",
    )
    add_clip_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table to write, .csv or .json")
    parser.add_argument("--top", type=int, default=1, help="how many classes of each clip, the most probable first (1)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Do what the arguments say."""
    check_integer(given.top, name="top")
    check_integer(given.batch_size, name="batch-size")
    if given.out.suffix not in _SUFFIXES:
        raise ValueError(f"out: expected a file that ends in {' or '.join(_SUFFIXES)}, got {escape(given.out.name)!r}")
    check_free(given.out, overwrite=given.overwrite)
    pretrained = open_pretrained(given.encoder, device=chosen_device(given.device))
    names = _class_names(pretrained, given.encoder)
    dataset = open_clips(given, pretrained)
    features = features_of(
        pretrained, dataset, readout=pretrained.readout, batch_size=given.batch_size, precision=given.precision
    )
    places = _places(dataset)
    rows = _rows(
        dataset.names, _probabilities(pretrained, features), names, top=min(given.top, len(names)), places=places
    )
    content = _as_csv(rows) if given.out.suffix == ".csv" else json.dumps(rows, indent=1) + "\n"
    with whole_file(given.out) as place:
        place.write_text(content, encoding="utf-8", newline="")
    print(f"{escape(given.out)}: {len(features)} clips, {len(names)} classes")
    first = Counter(row["name"] for row in rows if row["rank"] == 1)
    for name, count in first.most_common(_SHOWN):
        print(f"  {count}  {escape(name)}")
    if len(first) > _SHOWN:
        print(f"  and {len(first) - _SHOWN} classes more")


def _class_names(pretrained: Pretrained, place: Path) -> tuple[str, ...]:
    names = pretrained.class_names
    if not names:
        raise ValueError(
            f"encoder: expected one with a classifier and the names of its classes, got {escape(place)!r} without; "
            "`skelblocks evaluate linear` trains a classifier and saves it with the encoder"
        )
    return names


@torch.no_grad()
def _probabilities(pretrained: Pretrained, features: Tensor) -> Tensor:
    """``(n, c)`` float64, on the CPU."""
    assert pretrained.head is not None
    head = pretrained.head.float().cpu()
    if features.shape[1] != head.in_features:
        raise ValueError(
            f"encoder: expected a classifier of the {features.shape[1]} features of the readout "
            f"{pretrained.readout!r}, got one of {head.in_features}; save the encoder with the readout that the "
            "classifier was trained on"
        )
    probabilities: Tensor = head(features).double().softmax(dim=1)
    return probabilities


def _places(dataset: ClipDataset) -> list[dict[str, Any]]:
    """The recording, the person, the frames and the seconds of each clip, as far as the set knows them."""
    columns: dict[str, list[Any]] = {}
    for column in PLACES:
        key = column.replace("_seconds", "_ms")
        if "recording" not in dataset.group_names or key not in dataset.group_names:
            continue
        values = dataset.groups(key).tolist()
        if key != column:
            columns[column] = [value / 1000 for value in values]
        else:
            named = getattr(dataset, "origin_names", {}).get(column)
            columns[column] = values if named is None else [named[value] for value in values]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] or [
        {} for _ in dataset.names
    ]


def _rows(
    clips: tuple[str, ...],
    probabilities: Tensor,
    names: tuple[str, ...],
    *,
    top: int,
    places: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    best = probabilities.topk(top, dim=1)
    return [
        {"clip": clip, "rank": rank + 1, "class": label, "name": names[label], "probability": round(value, 6)} | where
        for clip, values, labels, where in zip(clips, best.values.tolist(), best.indices.tolist(), places, strict=True)
        for rank, (value, label) in enumerate(zip(values, labels, strict=True))
    ]


def _as_csv(rows: list[dict[str, Any]]) -> str:
    """The table, with names that no spreadsheet takes for a formula."""
    text = io.StringIO()
    table = csv.DictWriter(text, tuple(rows[0]), lineterminator="\n")
    table.writeheader()
    for row in rows:
        named = {key: escape(row[key], to="csv") for key in ("clip", "name", "recording") if key in row}
        table.writerow(row | named)
    return text.getvalue()
