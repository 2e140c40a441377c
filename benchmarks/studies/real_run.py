"""One run of `real_data.py`: features of one method, side and seed, what they are worth, and the two files of it."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sklearn
import torch
from torch import Tensor

import skelblocks
from benchmarks.studies import official_code, real_evaluate, real_sets
from skelblocks import streams
from skelblocks._utils.whole_file import whole_file
from skelblocks.data import ArrayDataset
from skelblocks.encoders import initialize_official
from skelblocks.evaluation.fingerprints import data_fingerprint
from skelblocks.interop import from_pretrained
from skelblocks.training import MethodOptions, build_backbone, frozen_features, load_page
from skelblocks.training.resume import flat

# Where and how a run is done, not what it computes.
_FREE = {"data.path", "evaluate.every"}
_FREE |= {f"train.{name}" for name in ("accelerator", "checkpoint_every", "folder", "resume", "timeout", "workers")}

Features = tuple[
    Tensor, Tensor, Mapping[str, Any]
]  # of training and test clips, and what is to be said of the training


class Job(NamedTuple):
    """What to run.

    Attributes:
        set_name: Of the real set.
        protocol: Of the settings.
        method: Or "untrained" or "raw".
        variant: Of a baseline: the initialization, or the alignment.
        side: "ours" or "official".
        changed: The options that the command line has changed, as text.
        fold: The fold that tests, where there are folds.
        options: All of the run.
        folder: Of its files.
        official_cache: Where released code is cloned into.
        official_source: Where copies of it are; None: GitHub.
    """

    set_name: str
    protocol: str
    method: str
    variant: str
    side: str
    changed: str
    fold: int | None
    options: MethodOptions
    folder: Path
    official_cache: Path
    official_source: Path | None


def run(job: Job) -> None:
    """Train, or go on, and evaluate; unless that is done.

    Raises:
        RuntimeError: the training has failed.
        ValueError: there is a result with other options, or of other clips; or features that are not finite.
    """
    settings = {name: value for name, value in flat(job.options.to_dict()).items() if name not in _FREE}
    settings = json.loads(json.dumps(settings))  # tuples are lists there
    there = finished(job.folder)
    if there is not None:
        both = sorted(there["options"].keys() | settings.keys())
        other = [name for name in both if there["options"].get(name) != settings.get(name)]
        if other:
            raise ValueError(f"results: it was run with another {', '.join(other)}; choose another folder of results")
    real = real_sets.load(job.options.data)
    clips = [data_fingerprint(part) for part in real.sets]
    if there is not None:
        if there.get("fingerprints", clips) != clips:
            raise ValueError(
                f"results: it was run on other clips than {job.options.data.path} has; choose another folder"
            )
        print(f"{job.folder}: there already", flush=True)
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    train, test, training = FEATURES["official" if job.side == "official" else job.method](job, real)
    seconds = time.perf_counter() - started
    labels, true = real.sets.train.labels, real.sets.test.labels
    classes = max(real.sets.train.num_classes, real.sets.test.num_classes)
    evaluated = real_evaluate.evaluate(train, labels, test, true, classes=classes)
    hits = {name: np.array(predicted) == true.numpy() for name, predicted in evaluated.predictions.items()}
    shares = {
        part: {name: 100 * float(each[mask].mean()) for name, each in hits.items()} for part, mask in real.parts.items()
    }
    result = {
        "set": job.set_name,
        "protocol": job.protocol,
        "method": job.method,
        "variant": job.variant,
        "side": job.side,
        "stream": job.options.data.stream,
        "changed": job.changed,
        "fold": job.fold,
        "seed": job.options.train.seed,
        "options": settings,
        "versions": versions(),
        "seconds": round(seconds, 1),  # of the last process
        "training": training,
        "accuracies": shares,
        "fingerprints": clips,
        "clips": list(real.sets.test.names),
        "labels": true.tolist(),
        "people": None if real.people is None else np.asarray(real.people).tolist(),
        "parts": {part: mask.tolist() for part, mask in real.parts.items()},
        "predictions": evaluated.predictions,
    }
    with whole_file(job.folder / "scores.npz") as partial:
        np.savez_compressed(partial, clips=np.array(real.sets.test.names), **evaluated.scores)  # type: ignore[arg-type]
    with whole_file(job.folder / "result.json") as partial:  # the last one: it says that all is there
        partial.write_text(json.dumps(result) + "\n")
    told = [f"{part}: " + ", ".join(f"{k} {share:.1f}" for k, share in each.items()) for part, each in shares.items()]
    print(f"{job.folder}: {'; '.join(told)}, {seconds:.0f} s", flush=True)


def finished(folder: Path) -> dict[str, Any] | None:
    """A whole result, or None."""
    try:
        found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return found if (folder / "scores.npz").is_file() else None


def versions() -> dict[str, str]:
    """Of what the numbers depend on."""
    packages = {"skelblocks": skelblocks, "torch": torch, "numpy": np, "scikit-learn": sklearn}
    found = {name: str(module.__version__) for name, module in packages.items()}
    return {"python": platform.python_version(), **found, "processor": platform.machine()}


def raw(job: Job, real: real_sets.RealSet) -> Features:
    """The coordinates themselves."""
    found = []
    for part in real.sets:
        assert isinstance(part, ArrayDataset)
        found.append(streams.convert(part.as_tensor(), job.options.data.stream, layout=part.layout).flatten(1))
    return found[0], found[1], {}


def untrained(job: Job, real: real_sets.RealSet) -> Features:
    """An encoder as it is before any training."""
    torch.manual_seed(job.options.train.seed)
    encoder = build_backbone(job.options, layout=real.sets.layout, persons=real.sets.persons)
    if job.variant == "official":
        initialize_official(encoder)
    return (*frozen_features(encoder.eval(), real.sets, stream=job.options.data.stream), {})


def trained(job: Job, real: real_sets.RealSet) -> Features:
    """The query encoder of a run of the example."""
    folder = job.folder / "run"
    options = dataclasses.replace(
        job.options,
        train=dataclasses.replace(job.options.train, folder=str(folder)),
        evaluate=dataclasses.replace(job.options.evaluate, every=0),
    )
    load_page(job.method).train(options, sets=real.sets)
    together = len(options.trained_streams()) > 1
    encoder = from_pretrained(folder / (f"encoder_{options.data.stream}" if together else "encoder")).encoder.float()
    return (*frozen_features(encoder, real.sets, stream=options.data.stream), training_of(folder))


def official(job: Job, _: real_sets.RealSet) -> Features:
    """The query encoder of the released code."""
    folder = job.folder / "run"
    source, cache = job.official_source, job.official_cache
    train, test, code = official_code.train(job.method, job.options, folder=folder, cache=cache, source=source)
    return train, test, {**training_of(folder), **code}


def training_of(folder: Path) -> dict[str, Any]:
    """Of a run's log: epochs, the last epoch's mean loss, and the median speed."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    speed = float(np.median([row["clips_per_second"] for row in rows]))
    return {"epochs": len(rows), "loss": rows[-1]["loss"], "clips_per_second": round(speed, 2)}


FEATURES: dict[str, Callable[[Job, real_sets.RealSet], Features]] = {
    "raw": raw,
    "untrained": untrained,
    "official": official,
    **dict.fromkeys((*official_code.RELEASED, "crossmoco"), trained),
}
