"""Markdown tables of what `real_data.py` has measured: accuracies, streams together, and paired differences.

A figure is the mean over seeds and the sample deviation of single runs. Folds are pooled: a seed's accuracy is that of
the test clips of all its folds, and a seed that lacks a fold which another one has is left out. A difference is that
of the mean over seeds of each test clip; its 95 % interval resamples the test clips, each with its pair, and so speaks
of other clips, not of other seeds. What those do is in the figure behind it: two standard errors of the difference, by
the spread of each side's seeds, where both have more than one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.studies.real_evaluate import MEASURES
from benchmarks.studies.real_run import finished
from skelblocks.evaluation import (
    StreamScores,
    bootstrap_interval,
    fuse_scores,
    paired_bootstrap,
    summarize_seeds,
)

HEADS = {"knn1": "kNN-1", "knn5": "kNN-5", "linear": "logistic", "probe": "probe"}
TOGETHER = ("joint", "bone", "motion")
FUSED = "+".join(TOGETHER)
COMPARED = ("knn1", "linear")
TRAINING = {"epochs": ".0f", "loss": ".2f", "clips_per_second": ".1f"}  # mean of all runs
BASELINES = (("untrained", "torch"), ("untrained", "official"), ("raw", "plain"), ("raw", "aligned"))
_LADDER = ("skeletonclr", "aimclr", "msmclr")  # each is meant to be better than the one before


class Section(NamedTuple):
    """What belongs in one table."""

    set_name: str
    protocol: str
    part: str


class Line(NamedTuple):
    """One line of it."""

    method: str
    variant: str
    side: str
    stream: str
    changed: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.method, self.variant, self.side, self.stream, self.changed)))


class Seed(NamedTuple):
    """Of one line and seed, all folds: whether each test clip is right, by its name, and who is in it."""

    hits: dict[str, dict[str, bool]]  # by measure, by clip
    people: dict[str, Any]
    training: list[dict[str, Any]]  # of each fold
    versions: set[str]
    precisions: set[str]


Found = dict[Section, dict[Line, dict[int, Seed]]]


def read_results(folder: Path) -> Found:
    """All whole results below a folder, and, of a method whose streams are all there, the streams together.

    Raises:
        ValueError: there is none.
    """
    found: Found = {}
    scores: dict[tuple[Section, Line, int], dict[str, Any]] = {}
    for path in sorted(folder.rglob("result.json")):
        result = finished(path.parent)
        if result is None:
            continue
        with np.load(path.with_name("scores.npz")) as file:
            linear = dict(zip(file["clips"].tolist(), file["linear"], strict=True))
        for part, mask in result["parts"].items():
            section = Section(result["set"], result["protocol"], part)
            line = Line(*(result[name] for name in Line._fields))
            rows = found.setdefault(section, {}).setdefault(line, {})
            seed = rows.setdefault(result["seed"], Seed({}, {}, [], set(), set()))
            names = [name for name, inside in zip(result["clips"], mask, strict=True) if inside]
            labels = np.array(result["labels"])[mask]
            for measure, predicted in result["predictions"].items():
                right = (np.array(predicted)[mask] == labels).tolist()
                seed.hits.setdefault(measure, {}).update(zip(names, right, strict=True))
            people = result["people"] or result["clips"]
            seed.people.update(zip(names, np.array(people)[mask].tolist(), strict=True))
            kept = scores.setdefault((section, line, result["seed"]), {})
            kept.update({name: (linear[name], int(y)) for name, y in zip(names, labels, strict=True)})
            seed.training.append(result["training"])
            seed.versions.add(", ".join(f"{name} {version}" for name, version in result["versions"].items()))
            seed.precisions.add(result["options"]["precision"])
    if not found:
        raise ValueError(f"results: there is none in {str(folder)!r}")
    for rows in found.values():
        for line, seeds in rows.items():
            most = max(len(seed.people) for seed in seeds.values())
            rows[line] = {number: seed for number, seed in seeds.items() if len(seed.people) == most}
    for section, line, seed_number in list(scores):
        if line.stream == "joint" and seed_number in found[section][line]:
            _fuse(found[section], scores, section, line, seed_number)
    return found


def _fuse(
    rows: dict[Line, dict[int, Seed]],
    scores: dict[tuple[Section, Line, int], dict[str, Any]],
    section: Section,
    line: Line,
    seed: int,
) -> None:
    """Add the streams' logistic regressions together, where all streams of a seed are there."""
    streams = {stream: scores.get((section, line._replace(stream=stream), seed)) for stream in TOGETHER}
    if any(clips is None or clips.keys() != streams["joint"].keys() for clips in streams.values()):  # type: ignore[union-attr]
        return
    together = fuse_scores(
        {
            stream: StreamScores(list(clips), torch.from_numpy(np.stack([score for score, _ in clips.values()])))
            for stream, clips in streams.items()
            if clips is not None
        }
    )
    true = [streams["joint"][name][1] for name in together.names]  # type: ignore[index]
    right = (together.scores.argmax(1) == torch.tensor(true)).tolist()
    hits = {"linear": dict(zip(together.names, right, strict=True))}
    first = rows[line][seed]
    rows.setdefault(line._replace(stream=FUSED), {})[seed] = first._replace(hits=hits, training=[])


def tables(found: Found, *, people: bool = False) -> str:
    """All sections, each with its figures and its differences."""
    return "\n".join(text for section, rows in found.items() for text in _section(section, rows, people=people))


def _section(section: Section, rows: dict[Line, dict[int, Seed]], *, people: bool) -> Iterator[str]:
    part = "" if section.part == "all" else f", {section.part} split"
    yield f"## {section.set_name}{part}, protocol {section.protocol}\n"
    heads = ["test clips", *(HEADS[name] for name in MEASURES), "logistic, 95 % of clips", "epochs", "loss", "clips/s"]
    yield f"| | seeds | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 2) + "|"
    for line, seeds in sorted(rows.items()):
        cells = [str(len(next(iter(seeds.values())).people))]
        cells += [_figure([seed.hits.get(name) for seed in seeds.values()]) for name in MEASURES]
        hits, who = _mean_hits(seeds.values(), "linear"), _who(seeds, people=people)
        _, low, high = bootstrap_interval(hits, groups=who)
        cells.append(f"{100 * low:.1f} to {100 * high:.1f}")
        cells += [_training(seeds, name, spec) for name, spec in TRAINING.items()]
        yield f"| {line} | {', '.join(map(str, sorted(seeds)))} | {' | '.join(cells)} |"
    pairs = list(_pairs(rows))
    if pairs:
        yield "\n| difference, points | " + " | ".join(HEADS[name] for name in COMPARED) + " |"
        yield "|---" * (len(COMPARED) + 1) + "|"
    for a, b in pairs:
        cells = [difference(rows[a], rows[b], measure, people=people) for measure in COMPARED]
        yield f"| {a} − {b} | {' | '.join(cells)} |"
    seen = [seed for seeds in rows.values() for seed in seeds.values()]
    versions = "; ".join(sorted(set[str]().union(*(seed.versions for seed in seen))))
    precisions = ", ".join(sorted(set[str]().union(*(seed.precisions for seed in seen))))
    yield f"\nMeasured with {versions}; trained in {precisions}.\n"


def _figure(hits: Sequence[dict[str, bool] | None]) -> str:
    shares = [100 * float(np.mean(list(each.values()))) for each in hits if each is not None]
    return format(summarize_seeds(shares), ".1f").split(" (")[0] if shares else ""


def _training(seeds: dict[int, Seed], name: str, spec: str) -> str:
    """A figure of the trainings; the mean."""
    found = [fold[name] for seed in seeds.values() for fold in seed.training if name in fold]
    return format(float(np.mean(found)), spec) if found else ""


def _mean_hits(seeds: Any, measure: str) -> NDArray[np.float64]:
    """The mean over seeds of each test clip, in the order of the clips' names."""
    return np.mean([[each.hits[measure][name] for name in sorted(each.hits[measure])] for each in seeds], axis=0)


def _who(seeds: dict[int, Seed], *, people: bool) -> list[Any] | None:
    first = next(iter(seeds.values())).people
    return [first[name] for name in sorted(first)] if people else None


def difference(a: dict[int, Seed], b: dict[int, Seed], measure: str, *, people: bool = False) -> str:
    """Of two lines, with its interval and what seeds do to it; empty where one has not been measured so."""
    if any(measure not in seed.hits for seed in (*a.values(), *b.values())):
        return ""
    clips = [next(iter(each.values())).hits[measure].keys() for each in (a, b)]
    if clips[0] != clips[1]:
        return "other clips"
    hits = [_mean_hits(each.values(), measure) for each in (a, b)]
    found = paired_bootstrap(*hits, groups=_who(a, people=people))
    text = f"{100 * found.difference:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f}"
    if min(len(a), len(b)) == 1:
        return f"{text})"
    shares = [[100 * float(np.mean(list(seed.hits[measure].values()))) for seed in each.values()] for each in (a, b)]
    error = sum(float(np.var(each, ddof=1)) / len(each) for each in shares) ** 0.5
    return f"{text}; seeds ± {2 * error:.1f})"


def _pairs(rows: dict[Line, dict[int, Seed]]) -> Iterator[tuple[Line, Line]]:
    """Ours against released code; each method against the one before it; ours against baselines; all streams or one."""
    for line in sorted(rows):
        others = [line._replace(side="official")] if line.side == "ours" else []
        if line.method in _LADDER[1:]:
            others.append(line._replace(method=_LADDER[_LADDER.index(line.method) - 1]))
        if line.stream == FUSED:
            others += [line._replace(stream=stream) for stream in TOGETHER]
        elif line.side == "ours" and line.method not in ("untrained", "raw"):
            for method, variant in BASELINES:
                there = (Line(method, variant, "ours", line.stream, changed) for changed in (line.changed, ""))
                others += [each for each in there if each in rows][:1]
        yield from ((line, other) for other in others if other in rows)
