"""``skelblocks classify``: label new clips with an encoder and its classifier.

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
# The columns that locate a window in its recording; only sets made from recordings have them.
PLACES = ("recording", "person", "start", "stop", "start_seconds", "stop_seconds")
_SUFFIXES = (".csv", ".json")
_SHOWN = 5


def add(commands: Any) -> None:
    """Register the command with the main parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "classify",
        help="label new clips with an encoder that has a classifier",
        description=f"Write a table of the most probable classes of each clip. Its columns are {', '.join(COLUMNS)}. "
        f"Windows of recordings also have {', '.join(PLACES)}.",
    )
    parser.add_argument(
        "encoder",
        type=Path,
        help="a pretrained folder with a classifier, such as runs/demo/evaluation/linear_model, or a released file",
    )
    add_clip_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table to write: .csv or .json")
    parser.add_argument(
        "--top", type=int, default=1, help="classes to list for each clip, the most probable first (default: 1)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_integer(args.top, name="top")
    check_integer(args.batch_size, name="batch-size")
    if args.out.suffix not in _SUFFIXES:
        raise ValueError(
            f"out: expected a file that ends in {' or '.join(_SUFFIXES)}, got {escape(args.out.name)!r}; rename it"
        )
    check_free(args.out, overwrite=args.overwrite)
    pretrained = open_pretrained(args.encoder, device=chosen_device(args.device))
    names = _class_names(pretrained, args.encoder)
    dataset = open_clips(args, pretrained)
    features = features_of(
        pretrained, dataset, readout=pretrained.readout, batch_size=args.batch_size, precision=args.precision
    )
    places = _places(dataset)
    rows = _rows(
        dataset.names, _probabilities(pretrained, features), names, top=min(args.top, len(names)), places=places
    )
    content = _as_csv(rows) if args.out.suffix == ".csv" else json.dumps(rows, indent=1) + "\n"
    with whole_file(args.out) as place:
        place.write_text(content, encoding="utf-8", newline="")
    print(f"{escape(args.out)}: {len(features)} clips, {len(names)} classes")
    first = Counter(row["name"] for row in rows if row["rank"] == 1)
    for name, count in first.most_common(_SHOWN):
        print(f"  {count}  {escape(name)}")
    if len(first) > _SHOWN:
        print(f"  and {len(first) - _SHOWN} more classes")


def _class_names(pretrained: Pretrained, place: Path) -> tuple[str, ...]:
    names = pretrained.class_names
    if not names:
        raise ValueError(
            f"encoder: expected an encoder with a classifier and class names, but {escape(place)!r} has none; run "
            "`skelblocks evaluate linear` to train a classifier and save it with the encoder"
        )
    return names


@torch.no_grad()
def _probabilities(pretrained: Pretrained, features: Tensor) -> Tensor:
    """Class probabilities ``(n, c)`` in float64, on the CPU."""
    assert pretrained.head is not None
    head = pretrained.head.float().cpu()
    if features.shape[1] != head.in_features:
        raise ValueError(
            f"encoder: expected a classifier that takes the {features.shape[1]} features of the readout "
            f"{pretrained.readout!r}, got one that takes {head.in_features}; save the encoder with the readout that "
            "the classifier was trained on"
        )
    probabilities: Tensor = head(features).double().softmax(dim=1)
    return probabilities


def _places(dataset: ClipDataset) -> list[dict[str, Any]]:
    """The recording, person, frames and seconds of each clip, as far as the set records them."""
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
    """The table as CSV. Names are escaped so that no spreadsheet reads them as a formula."""
    text = io.StringIO()
    table = csv.DictWriter(text, tuple(rows[0]), lineterminator="\n")
    table.writeheader()
    for row in rows:
        named = {key: escape(row[key], to="csv") for key in ("clip", "name", "recording") if key in row}
        table.writerow(row | named)
    return text.getvalue()
