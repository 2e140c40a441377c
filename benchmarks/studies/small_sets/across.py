"""From set to set: encoders that learn on one set or on all, from nothing, and what they are worth on each set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.studies.small_sets.figures import hits, load_hits, save_hits
from benchmarks.studies.small_sets.fit import chosen_options, fit
from benchmarks.studies.small_sets.joined import SYNTHETIC, TARGET, write_joined
from benchmarks.studies.small_sets.rows import describe
from benchmarks.studies.small_sets.sets import StudySet
from skelblocks.data import ArrayDataset
from skelblocks.encoders import STGCN
from skelblocks.encoders.readout import Readout
from skelblocks.training import DataOptions, MethodOptions, Sets, load_sets

READOUTS: tuple[Readout, ...] = ("mean", "grid")
ALL = "all"
UNTRAINED = "none, untrained"
_MARK = "across, "  # before the source in the name of a row


def run_across(places: list[StudySet], *, out: Path, seeds: int, method: str, steps: int | None) -> None:
    """Compute the figures of the matrix that are missing.

    Every source trains by ``small.yaml`` on the training clips of ``OUT/joined.npz``, and each set's training clips are
    the bank and the labels for its own test clips.

    Args:
        places: The sets, which are sources and targets; of a set with folds the last fold tests.
        out: Folder of the study.
        seeds: How many.
        method: Name of the method's page.
        steps: Length of each run. Default: the recipe's.
    """
    file = out / "joined.npz"
    if not file.exists():
        write_joined(file, places)
    for seed in range(seeds):
        for source in (UNTRAINED, *(place.name for place in places), SYNTHETIC, ALL):
            missing = [place for place in places if not all(path.exists() for path in _files(out, place, source, seed))]
            if not missing:
                continue
            folder = out / "runs" / f"across-{method}-{source}-{seed}"
            arguments = ["--config", "small", "--data.path", str(file), "--data.split", "none"]
            options = chosen_options(method, arguments, seed=seed, folder=folder)
            encoder = _encoder(source, options, method=method, steps=steps)
            for place in missing:
                _judge(encoder, place, data=options.data, out=out, source=source, seed=seed)
            print("across", source, seed, flush=True)


def matrix(out: Path) -> list[str]:
    """The lines of the tables: a row a source, a column a set, with the linear figure and the nearest neighbor."""
    found: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = {}
    for path in sorted((out / "hits").glob(f"*={_MARK}*.npz")):
        label, row, kind, _ = path.stem.split("=")
        seen = load_hits(path)
        figures = 100 * float(seen["all"].mean()), 100 * float(seen["kNN-1"].mean())
        row = row.removeprefix(_MARK)
        found.setdefault((kind, row), {}).setdefault(label.partition("@")[0], []).append(figures)
    targets = sorted({name for cells in found.values() for name in cells})
    lines: list[str] = []
    for kind in dict.fromkeys(kind for kind, _ in found):
        lines += [
            f"\n## Across sets, {kind}\n",
            "Linear, kNN-1; rows are what was trained on, columns what is tested.\n",
        ]
        lines += [f"| trained on | {' | '.join(targets)} |", "| --- " * (1 + len(targets)) + "|"]
        for source in _ordered([row for own, row in found if own == kind], targets):
            cells = [_cell(found[kind, source].get(name, [])) for name in targets]
            lines.append(f"| {source} | {' | '.join(cells)} |")
    return lines


def _ordered(sources: list[str], targets: list[str]) -> list[str]:
    places = [UNTRAINED, *targets, SYNTHETIC, ALL]
    return sorted(sources, key=places.index)


def _cell(seeds: list[tuple[float, float]]) -> str:
    cells = []
    for values in zip(*seeds, strict=True):
        spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.1f}{spread}")
    return ", ".join(cells)


def _files(out: Path, place: StudySet, source: str, seed: int) -> Iterator[Path]:
    return (out / "hits" / f"{place.label}={_MARK}{source}={kind}={seed}.npz" for kind in READOUTS)


def _encoder(source: str, options: MethodOptions, *, method: str, steps: int | None) -> nn.Module:
    if source == UNTRAINED:
        torch.manual_seed(options.train.seed)
        encoder = STGCN(TARGET, out_channels=options.encoder.out_channels or 256)
        return encoder.eval()
    whole = load_sets(options.data).train
    assert isinstance(whole, ArrayDataset)
    part = whole if source == ALL else whole.subset(whole.arrays["set"] == source)
    return fit(method, options, Sets(part, part), steps=steps)


def _judge(encoder: nn.Module, place: StudySet, *, data: DataOptions, out: Path, source: str, seed: int) -> None:
    sets = place.clips(frames=data.frames, align=data.align, to=TARGET, missing="nearest")
    features = describe(encoder, sets)
    train, test = sets.train.labels, sets.test.labels
    assert isinstance(train, torch.Tensor)
    assert isinstance(test, torch.Tensor)
    for kind, file in zip(READOUTS, _files(out, place, source, seed), strict=True):
        save_hits(file, hits([features[kind]], train, test, groups=place.groups(sets), counts=()))
