"""Measure the methods on real sets, beside their released code.

    python -m benchmarks.studies.real_data run --method msmclr --set nw-ucla --protocol recipe --seeds 0 1 2 --data DIR
    python -m benchmarks.studies.real_data run --method msmclr --set nw-ucla --protocol recipe --side official --data D
    python -m benchmarks.studies.real_data run --method untrained --set nw-ucla --protocol recipe --data DIR
    python -m benchmarks.studies.real_data table

DIR holds the sets' files, which `real_sets.py` names. `protocols/` says what a protocol is; `--train.epochs 20`, or any
other option of `skelblocks train METHOD`, changes it, and such a run stands apart in the tables. The released code is
cloned from GitHub when it is first asked for; `--official-source` names a folder of copies instead.

Every run is a folder RESULTS/SET/PROTOCOL/NAME with result.json and scores.npz, which are there once it is whole: then
it is skipped, and until then the same command goes on where a killed one stopped. Both sides get the same clips,
prepared in the same way, as many steps of as many clips, and the same evaluation, `real_evaluate.py`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.studies import official_code, real_run, real_sets, real_tables
from skelblocks.streams import STREAMS
from skelblocks.training import MethodOptions, load_page, parse_options
from skelblocks.training.command_line import with_underscores
from skelblocks.training.resume import flat

PROTOCOLS = Path(__file__).parent / "protocols"
BASELINES = {"untrained": ("torch", "official"), "raw": ("plain", "aligned")}  # and the variants of each
METHODS = (*official_code.RELEASED, "crossmoco")
RAW_FRAMES = 20


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure the methods on real sets, beside their released code.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train and evaluate; also takes the options of skelblocks train METHOD")
    run.add_argument("--method", required=True, choices=(*METHODS, *BASELINES))
    run.add_argument("--set", required=True, choices=tuple(real_sets.FILES))
    run.add_argument("--protocol", default="recipe", help="a file of benchmarks/studies/protocols, without .yaml")
    run.add_argument("--seeds", type=int, nargs="+", default=[0])
    run.add_argument("--stream", default="joint", choices=STREAMS)
    run.add_argument("--side", default="ours", choices=("ours", "official"))
    run.add_argument("--precision", default="32-true", help="of our training; not a part of a run's name")
    run.add_argument("--folds", type=positive, help="where there are folds, only the first ones; default: all")
    run.add_argument("--data", required=True, help="folder of the sets' files")
    cache = Path("runs/official_code")
    run.add_argument("--official-cache", type=Path, default=cache, help="folder that released code is cloned into")
    run.add_argument("--official-source", type=Path, help="folder of copies of it, in place of GitHub")
    table = commands.add_parser("table", help="Markdown of all results")
    table.add_argument("--people", action="store_true", help="resample whole people, not clips")
    for command in (run, table):
        command.add_argument("--results", type=Path, default=Path("runs/real_data"))
    chosen, rest = parser.parse_known_args(arguments)
    if chosen.command == "table":
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        print(real_tables.tables(real_tables.read_results(chosen.results), people=chosen.people))
        return
    failed = [told for told in map(attempt, jobs(chosen, rest)) if told]
    if failed:
        raise ValueError(f"{len(failed)} runs have failed: {'; '.join(failed)}")


def attempt(job: real_run.Job) -> str | None:
    """Do a run; what failed, so that the others go on where the loss of one is not finite."""
    try:
        real_run.run(job)
    except (RuntimeError, ValueError) as wrong:
        print(f"{job.folder}: {wrong}", file=sys.stderr, flush=True)
        return f"{job.folder}: {wrong}"
    return None


def jobs(chosen: argparse.Namespace, changes: Sequence[str]) -> Iterator[real_run.Job]:
    """Every run that a command asks for: of its seeds, folds and, of a baseline, variants."""
    method = chosen.method
    if chosen.side == "official" and method not in official_code.RELEASED:
        there = ", ".join(official_code.RELEASED)
        raise ValueError(f"side: there is released code of {there}, none of {method}")
    path = real_sets.data_file(chosen.data, chosen.set)
    options = protocol_options(chosen.protocol, set_name=chosen.set, method=method, changes=changes)
    options = dataclasses.replace(options, data=dataclasses.replace(options.data, path=path, stream=chosen.stream))
    if chosen.side == "ours" and method in METHODS:
        options = dataclasses.replace(options, train=dataclasses.replace(options.train, precision=chosen.precision))
    if method == "crossmoco":  # its streams share nothing but the sum of their losses
        options = dataclasses.replace(options, streams=[chosen.stream])  # type: ignore[call-arg]
    changed = changed_as(changes)
    folds: list[Any] = [None]
    if options.data.split == "fold" and not options.data.train_ids:
        folds = real_sets.folds_of(path)
    for seed in chosen.seeds if method != "raw" else [0]:
        for fold in folds[: chosen.folds]:
            for variant in BASELINES.get(method, ("",)):
                made = dataclasses.replace(options, train=dataclasses.replace(options.train, seed=seed))
                if fold is not None:
                    ids = [each for each in folds if each != fold]
                    made = dataclasses.replace(made, data=dataclasses.replace(made.data, train_ids=ids))
                if method == "raw":
                    align: Any = "frame" if variant == "aligned" else None
                    data = dataclasses.replace(made.data, frames=RAW_FRAMES, align=align)
                    made = dataclasses.replace(made, data=data)
                if method == "untrained":
                    encoder = dataclasses.replace(made.encoder, initialization=variant)  # type: ignore[arg-type]
                    made = dataclasses.replace(made, encoder=encoder)
                parts = (method, variant, chosen.side, chosen.stream, changed)
                name = "-".join([*filter(None, parts), *([] if fold is None else [f"fold{fold}"]), f"seed{seed}"])
                yield real_run.Job(
                    set_name=chosen.set,
                    protocol=chosen.protocol,
                    method=method,
                    variant=variant,
                    side=chosen.side,
                    changed=changed,
                    fold=fold,
                    options=made,
                    folder=chosen.results / chosen.set / chosen.protocol / name,
                    official_cache=chosen.official_cache,
                    official_source=chosen.official_source,
                )


def positive(text: str) -> int:
    """An integer above zero, for argparse."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer >= 1, got {text}")
    return number


def changed_as(changes: Sequence[str]) -> str:
    """One name for the same changes, in whatever order and with ``=`` or a space between option and value."""
    words = " ".join(with_underscores(each).replace("=", " ", 1) for each in changes).removeprefix("--")
    return "_".join(sorted(words.split(" --"))).replace(" ", "_").replace("/", "-")


def protocol_options(name: str, *, set_name: str, method: str, changes: Sequence[str] = ()) -> MethodOptions:
    """A method's options by a protocol: for all, for the set, for the method, and those of the command line.

    Raises:
        ValueError: no such protocol, or a set that it does not have.
    """
    path = PROTOCOLS / f"{name}.yaml"
    if not path.is_file():
        there = ", ".join(sorted(each.stem for each in PROTOCOLS.glob("*.yaml")))
        raise ValueError(f"protocol: there is no {name!r}; there are {there}")
    protocol: dict[str, Any] = yaml.safe_load(path.read_text())
    if set_name not in protocol["sets"]:
        raise ValueError(f"set: the protocol {name!r} has no {set_name!r}; it has {', '.join(protocol['sets'])}")
    of_set, of_method = protocol["sets"][set_name], protocol.get("methods", {}).get(method, {})
    settings = {
        name: value for part in (protocol.get("all", {}), of_set, of_method) for name, value in flat(part).items()
    }
    settings.pop("config", None)
    flags = [f"--{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in settings.items()]
    options = load_page(method).options if method in METHODS else MethodOptions
    files = [each["config"] for each in (of_set, of_method) if "config" in each]
    configs = [f"--config={(PROTOCOLS / each).resolve()}" for each in files]
    made: MethodOptions = parse_options(options, [*configs, *flags, *changes])
    share = protocol.get("milestone_share")
    if share is None or any(each.startswith("--train.milestones") for each in changes):
        return made
    milestones = [round(share * made.train.epochs)]
    return dataclasses.replace(made, train=dataclasses.replace(made.train, milestones=milestones))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as wrong:
        raise SystemExit(f"error: {wrong}") from None
