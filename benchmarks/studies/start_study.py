"""Study: what released weights are worth on a small set, as they are and adapted to it without labels.

    python -m benchmarks.studies.start_study --weights FILE.pt --set nw_ucla=nw_ucla.npz --out FOLDER
    python -m benchmarks.studies.start_study --out FOLDER --table

Any npz file of skelblocks' form takes part, with the split of `SETS` or the default one. A row is a JSON file in
FOLDER. Rows that are there are not computed again, and a training that was killed resumes. Every row is judged by one
probe, `ridge_probe`, whose constant is chosen on training groups, and by the nearest neighbor. Test labels are used for
these figures alone: settings were chosen on training groups (docs/start-from-weights.md).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.studies.start_table import write_table
from skelblocks._utils.whole_file import whole_file
from skelblocks.clips import batches
from skelblocks.encoders import READOUTS, ReadoutPool, initialize_official
from skelblocks.encoders.readout import Readout
from skelblocks.evaluation import coordinate_features, knn_predict, mini_rocket_features, ridge_probe
from skelblocks.protocols import FinetuneOptions, finetune
from skelblocks.training import (
    DataOptions,
    MethodOptions,
    RunFolder,
    Sets,
    build_backbone,
    groups,
    load_page,
    load_sets,
    make_fabric,
    open_start,
    options_from_dict,
    pretrain,
    start_from,
)
from skelblocks.training.keep_encoder import keep_encoder

METHODS = ("msmclr", "skeletonclr", "aimclr")
# By set: its split, the epochs of an adaptation, and how much the views are sheared.
SETS: dict[str, tuple[dict[str, Any], int, float]] = {
    "nw_ucla": ({"split": "cross-view", "train_ids": [1, 2]}, 6, 0.5),
    "utd_mhad": ({"split": "cross-subject"}, 10, 0.2),
    "sbu": ({"split": "fold"}, 10, 0.5),
    "hdm05": ({"split": "is_train", "layout": "hdm05"}, 10, 0.5),
}


class Job(NamedTuple):
    """A row of the table."""

    name: str
    set_name: str
    compute: Callable[[], dict[str, Any]]


class Study:
    """The rows of one set.

    Args:
        name: Of the set.
        path: Of its npz file.
        weights: The released file.
        out: Where rows and runs go.
    """

    def __init__(self, name: str, path: str, *, weights: Path, out: Path) -> None:
        self.name, self.path, self.weights, self.out = name, path, weights, out
        self.split, self.epochs, self.shear = SETS.get(name, ({}, 10, 0.5))
        self._sets: dict[str | None, Sets] = {}

    def sets(self, align: str | None) -> Sets:
        """The clips on the weights' skeleton."""
        if align not in self._sets:
            options = {"path": self.path, "to": "ntu-rgb+d", "missing": "nearest", "align": align, "frames": 50}
            self._sets[align] = load_sets(options_from_dict(DataOptions, {**options, **self.split}))
        return self._sets[align]

    def jobs(self, seeds: int) -> Iterator[tuple[int, Job]]:
        """All rows, each with its turn: first those that need no training."""
        for align in (None, "official"):
            tag = "turned" if align else "plain"
            yield 0, self._job(f"raw-{tag}", lambda align=align: self._coordinates(align))
            yield 0, self._job(f"frozen-{tag}", lambda align=align: self._judge(self._frozen(), align))
        yield 1, self._job("minirocket", self._mini_rocket)
        for kind in ("torch", "official"):
            yield 1, self._job(f"untrained-{kind}", lambda kind=kind: self._judge(self._untrained(kind), None))
        for seed in range(seeds if self.name in ("nw_ucla", "utd_mhad") else 1):
            for turn, method in enumerate(METHODS):
                name = f"{method}-seed{seed}"
                yield 2 + 3 * seed + turn, self._job(name, lambda m=method, s=seed: self._adapt(m, s, start=True))
        yield 5, self._job("finetuned", self._finetune)
        for turn, method in enumerate(METHODS):
            yield 6 + turn, self._job(f"nothing-{method}", lambda m=method: self._adapt(m, 0, start=False))

    def _job(self, name: str, compute: Callable[[], dict[str, Any]]) -> Job:
        return Job(f"{self.name}-{name}", self.name, compute)

    def _frozen(self) -> nn.Module:
        return open_start(self.weights).encoders["joint"].eval()

    def _untrained(self, kind: str) -> nn.Module:
        torch.manual_seed(0)
        sets = self.sets(None)
        encoder = build_backbone(MethodOptions(), layout=sets.layout, persons=sets.persons)
        if kind == "official":
            initialize_official(encoder)
        return encoder.eval()

    def _adapt(self, method_name: str, seed: int, *, start: bool) -> dict[str, Any]:
        """Train on the training clips without labels, with the settings of `adapt.yaml`."""
        page, sets = load_page(method_name), self.sets(None)
        folder = self.out / "runs" / f"{self.name}-{method_name}-{seed}{'' if start else '-nothing'}"
        train = {"epochs": self.epochs, "batch_size": 32, "learning_rate": 0.02, "schedule": "cosine", "seed": seed}
        train |= {"warmup_epochs": 1, "precision": "bf16-mixed", "accelerator": "cpu", "folder": str(folder)}
        values: dict[str, Any] = {"train": train, "evaluate": {"every": 0}}
        values["encoder"] = {"dropout": 0.0, "initialization": "official" if start else "torch"}
        values["contrast"] = {"queue_size": 128 if len(sets.train) < 256 else 256, "key_momentum": 0.99}
        values["contrast"]["shear_amplitude"] = self.shear
        if method_name == "aimclr":
            values |= {"extreme": "official", "drop": "official"}
        options = options_from_dict(page.options, values)
        torch.manual_seed(seed)
        method = page.build(options, layout=sets.layout, persons=sets.persons, coordinates=3)
        started = start_from(method, self.weights) if start else None
        (encoder,) = method.encoders().values()
        before = {name: value.clone() for name, value in encoder.state_dict().items()}
        began = time.perf_counter()
        with RunFolder(folder) as run:
            pretrain(
                method,
                fabric=make_fabric(options.train),
                dataset=sets.train,
                make_views=page.make_views(options, layout=sets.layout),
                options=options,
                folder=run,
                started=started,
            )
        row: dict[str, Any] = {"seconds": time.perf_counter() - began, "options": options.to_dict()}
        row["last"] = self._judge(encoder.eval(), None)
        if start:
            kept = keep_encoder(encoder, before, sets.train, shear_amplitude=self.shear, seed=seed)
            row["step"], row["found"] = kept.step, kept.found
            row |= self._judge(encoder.eval(), None)
        return row

    def _finetune(self) -> dict[str, Any]:
        how = FinetuneOptions(epochs=self.epochs, batch_size=32, learning_rate=0.1, start_rate=0.01, schedule="cosine")
        how = replace(how, mode="eval", augment="weak", precision="bf16-mixed", warmup_epochs=1)
        found = finetune(self._frozen(), self.sets(None), how, accelerator="cpu")
        return {"finetuned": self._shares(found.logits.argmax(1) == self.sets(None).test.labels)}

    def _coordinates(self, align: str | None) -> dict[str, Any]:
        train, test = (torch.cat([b.clip for b in batches(part, 256)]) for part in self.sets(align))
        return {"readouts": {"mean": self._figures(coordinate_features(train), coordinate_features(test))}}

    def _mini_rocket(self) -> dict[str, Any]:
        train, test = (torch.cat([b.clip for b in batches(part, 256)]) for part in self.sets("official"))
        return {"readouts": {"mean": self._figures(*mini_rocket_features(train, test))}}

    def _judge(self, encoder: nn.Module, align: str | None) -> dict[str, Any]:
        """The figures of each readout, from one pass over the clips."""
        pools = {kind: ReadoutPool(kind, layout="ntu-rgb+d") for kind in READOUTS}
        features: list[dict[Readout, list[Tensor]]] = [{kind: [] for kind in READOUTS} for _ in range(2)]
        with torch.no_grad():
            for part, found in zip(self.sets(align), features, strict=True):
                for batch in batches(part, 128):
                    maps = encoder.block_maps(batch.clip)  # type: ignore[operator]
                    for kind, described in pools.items():
                        found[kind].append(described(maps[-3:] if kind == "blocks" else maps[-1]))
        train, test = features
        return {"readouts": {kind: self._figures(torch.cat(train[kind]), torch.cat(test[kind])) for kind in READOUTS}}

    def _figures(self, train: Tensor, test: Tensor) -> dict[str, Any]:
        sets = self.sets(next(iter(self._sets)))
        who = groups(sets.train, self.split.get("split"))
        who = None if who is None or len(np.unique(who)) < 2 else who
        probe = ridge_probe(train, sets.train.labels, test, sets.test.labels, groups=who)
        right = probe.logits.argmax(dim=1) == sets.test.labels
        near = knn_predict(test, train, sets.train.labels, k=1)
        assert isinstance(near, Tensor)
        found = {"linear": self._shares(right), "knn": self._shares(near == sets.test.labels)}
        return {**found, "constant": probe.constant}

    def _shares(self, right: Tensor) -> dict[str, float]:
        """In percent: of all test clips, and without those that are copies of training clips."""
        shares = {"all": 100 * float(right.float().mean())}
        arrays = np.load(self.path)
        if "duplicate_of_other_view" in arrays.files:
            copies = dict(zip(map(str, arrays["clip_name"]), arrays["duplicate_of_other_view"], strict=True))
            clean = torch.tensor([not copies[str(name)] for name in self.sets(None).test.names])
            shares["clean"] = 100 * float(right[clean].float().mean())
        return shares


def main() -> None:
    """Compute the rows that are missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a released file, a pretrained folder, or a run")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=FILE", help="may be given several times")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", action="store_true", help="only write the table of the rows that are there")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    jobs: list[tuple[int, Job]] = []
    for each in [] if chosen.table else chosen.set:
        name, _, path = each.partition("=")
        jobs += Study(name, path, weights=chosen.weights, out=chosen.out).jobs(chosen.seeds)
    for _, job in sorted(jobs, key=lambda each: each[0]):
        file = chosen.out / f"{job.name}.json"
        if file.exists():
            continue
        row = job.compute()
        with whole_file(file) as place:
            place.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
        print(job.name, flush=True)
    write_table(chosen.out)


if __name__ == "__main__":
    main()
