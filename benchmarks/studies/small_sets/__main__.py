"""What encoders are worth on small sets, beside features that nothing was learned for.

    python -m benchmarks.studies.small_sets run --set nw-ucla=nw_ucla.npz --weights FILE.pt --out FOLDER
    python -m benchmarks.studies.small_sets run --set mine=clips.npz --weights FILE.pt --out FOLDER --rows nothing
    python -m benchmarks.studies.small_sets run --set A=a.npz --set B=b.npz --out FOLDER --rows across --seeds 1
    python -m benchmarks.studies.small_sets run --set A=a.npz --weights FILE.pt --out FOLDER --rows claims
    python -m benchmarks.studies.small_sets table --out FOLDER

``across`` trains on each set, on synthetic motion and on all together, and tests on each set. ``claims`` adapts with
and without the pieces of the papers' methods. Any npz file of skelblocks' form takes part. A set with folds is trained
and tested fold by fold, and its test clips are counted together. What is there is not computed again, and a training
that was killed resumes. Test labels are used for the figures alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.studies.small_sets.across import run_across
from benchmarks.studies.small_sets.claims import run_claims
from benchmarks.studies.small_sets.figures import Part, hits, save_hits
from benchmarks.studies.small_sets.finetuned import run_finetuned
from benchmarks.studies.small_sets.rows import READOUTS, Features, Row, Study
from benchmarks.studies.small_sets.sets import StudySet, study_sets
from benchmarks.studies.small_sets.table import write_tables
from skelblocks._utils.whole_file import whole_file
from skelblocks.streams import Stream

KINDS = ("baselines", "frozen", "adapted", "streams", "nothing", "finetuned", "together")
OTHER_KINDS = ("finetuned-streams", "across", "claims")
# These rows start from --weights.
OF_WEIGHTS = frozenset({"frozen", "adapted", "streams", "finetuned", "finetuned-streams", "claims"})
_ROWS = f"which rows (default: {', '.join(KINDS)})"
_STREAMS = ("", ", bone", ", motion")


def main() -> None:
    """Compute the rows that are missing, or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "table"))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=FILE", help="may be given several times")
    parser.add_argument("--weights", type=Path, help="a released file, a pretrained folder, or a run")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs, features and figures")
    parser.add_argument("--rows", nargs="+", choices=(*KINDS, *OTHER_KINDS), default=KINDS, help=_ROWS)
    parser.add_argument("--methods", nargs="+", default=["msmclr", "skeletonclr", "aimclr"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--steps", type=int, help="length of the runs of across (default: the recipe's) and claims (50)"
    )
    chosen = parser.parse_args()
    if chosen.command == "run":
        _check(parser, chosen)
        named = [each.partition("=") for each in chosen.set]
        places = [study_sets(name, path) for name, _, path in named]
        for place in (place for parts in places for place in parts):
            _run(place, chosen)
        if "across" in chosen.rows:
            lasts = [parts[-1] for parts in places]
            run_across(lasts, out=chosen.out, seeds=chosen.seeds, method=chosen.methods[0], steps=chosen.steps)
    write_tables(chosen.out)


def _check(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> None:
    """End the program, before any work, if an option is missing or names a file that does not exist."""
    if not chosen.set:
        parser.error("--set: expected at least one NAME=FILE, got none; add a set")
    for each in chosen.set:
        name, _, path = each.partition("=")
        if not name or not Path(path).is_file():
            parser.error(f"--set: expected NAME=FILE with a file that exists, got {each!r}; correct it")
    needing = [kind for kind in chosen.rows if kind in OF_WEIGHTS]
    if needing and chosen.weights is None:
        parser.error(
            f"--weights: expected weights to start from for the rows {', '.join(needing)}, got none; add --weights "
            "PATH, or choose other --rows, such as baselines and nothing"
        )
    if chosen.weights is not None and not chosen.weights.exists():
        parser.error(f"--weights: there is no file or folder {str(chosen.weights)!r}; check the path")


def _run(place: StudySet, chosen: argparse.Namespace) -> None:
    study = Study(place, chosen.weights, chosen.out)
    for row in _rows(study, chosen):
        file = chosen.out / "features" / f"{place.label}={row.name}={row.seed}.npz"
        if not _complete(file):
            _save(file, row.compute())
            print(place.label, row.name, row.seed, flush=True)
        for kind in ("mean",) if row.name == "minirocket" else READOUTS:
            _judge(place, [row.name], kind, row.seed, name=row.name, out=chosen.out)
    if {"finetuned", "finetuned-streams"} & {*chosen.rows}:
        streams: tuple[Stream, ...] = ("joint", "bone", "motion") if "finetuned-streams" in chosen.rows else ("joint",)
        run_finetuned(study, out=chosen.out, seeds=chosen.seeds, streams=streams)
    if "claims" in chosen.rows:
        run_claims(place, weights=chosen.weights, out=chosen.out, seeds=chosen.seeds, steps=chosen.steps)
    if "together" in chosen.rows:
        _together(place, chosen)


def _rows(study: Study, chosen: argparse.Namespace) -> Iterator[Row]:
    methods = tuple(chosen.methods)
    yield from study.baselines() if "baselines" in chosen.rows else ()
    yield from study.frozen() if "frozen" in chosen.rows else ()
    yield from study.adapted(chosen.seeds, methods=methods) if "adapted" in chosen.rows else ()
    yield from study.streams(chosen.seeds, method=methods[0]) if "streams" in chosen.rows else ()
    yield from study.nothing(chosen.seeds, methods=methods) if "nothing" in chosen.rows else ()


def _together(place: StudySet, chosen: argparse.Namespace) -> None:
    """Rows of several features: three streams, and MiniRocket beside an encoder."""
    for method in chosen.methods:
        fused = [f"adapted, {method}{stream}" for stream in _STREAMS]
        for seed in range(chosen.seeds):
            for kind in READOUTS:
                for name, names in (
                    (f"adapted, {method}, three streams", fused),
                    (f"adapted, {method}, with MiniRocket", [fused[0], "minirocket"]),
                    (f"adapted, {method}, three streams with MiniRocket", [*fused, "minirocket"]),
                    (f"nothing, {method}, with MiniRocket", [f"nothing, {method}", "minirocket"]),
                    ("frozen, with MiniRocket", ["frozen", "minirocket"]),
                ):
                    _judge(place, names, kind, seed, name=name, out=chosen.out)


def _judge(place: StudySet, names: list[str], kind: str, seed: int, *, name: str, out: Path) -> None:
    """Write the figures of one row and readout, unless they are there or the features are not."""
    file = out / "hits" / f"{place.label}={name}={kind}={seed}.npz"
    parts = [_load(out / "features", place.label, each, kind, seed) for each in names]
    if file.exists() or any(part is None for part in parts):
        return
    sets = place.clips(frames=50)
    train, test = sets.train.labels, sets.test.labels
    assert isinstance(train, Tensor)
    assert isinstance(test, Tensor)
    found = hits([part for part in parts if part is not None], train, test, groups=place.groups(sets))
    save_hits(file, found)


def _complete(file: Path) -> bool:
    """Whether a row has its features; an encoder has features by every readout."""
    if not file.exists():
        return False
    with np.load(file) as arrays:
        kinds = {name.rpartition(".")[0] for name in arrays.files}
    return kinds == {"mean"} or kinds.issuperset(READOUTS)


def _save(file: Path, features: Features) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    small = {kind: np.float16 if kind == "grid" else np.float32 for kind in features}  # 33,000 numbers a clip
    arrays = {
        f"{kind}.{side}": part[i].numpy().astype(small[kind])
        for kind, part in features.items()
        for i, side in enumerate(("a", "b"))
    }
    with whole_file(file) as place, place.open("wb") as opened:
        np.savez(opened, **arrays)  # type: ignore[arg-type]  # numpy's stub takes keywords for allow_pickle


def _load(folder: Path, label: str, name: str, kind: str, seed: int) -> Part | None:
    """Features of one readout; rows without seeds have seed 0, and MiniRocket has one readout."""
    if name == "minirocket":
        kind = "mean"
    for number in (seed, 0):
        file = folder / f"{label}={name}={number}.npz"
        if file.exists():
            with np.load(file) as arrays:
                if f"{kind}.a" not in arrays:
                    return None
                train, test = (torch.from_numpy(arrays[f"{kind}.{side}"]).float() for side in ("a", "b"))
                return train, test
    return None


if __name__ == "__main__":
    main()
