"""What a trained encoder is worth, by the protocols of the papers.

    python examples/evaluate.py linear runs/demo
    python examples/evaluate.py fuse runs/joint runs/bone runs/motion
    python examples/evaluate.py report runs/joint runs/bone runs/motion --out runs/report
    python examples/evaluate.py cost --method msmclr

A run is a folder that a training script has written, or a pretrained encoder's. Several runs of one stream are seeds:
tables have their mean and standard deviation. Everything that a command measures is in OUT/COMMAND.json, its table in
OUT/COMMAND.md, with the stream, the other set or the way to select in their names where such are given. Accuracies are
those of the last epoch, or of the one that was best on `--validation_ids`; the best on the test set, which the released
codes report, only with `--select test`, and the table says so. `linear` and `finetune` keep their classifier, with its
encoder, in OUT/COMMAND_model, for the class of new clips.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jsonargparse
import torch
from candidate import Candidate, Outcome, load_candidate, open_run, results_folder, without_stream
from command_line import add_options, with_underscores
from engine import NonFiniteLossError
from finetune import FinetuneOptions
from method_cost import CostOptions, cost, cost_table
from protocols import ProtocolOptions, finetuned, knn, linear, semi_supervised, structure
from report_pictures import draw_embeddings, draw_report
from results import FUSED, Results, Row, table, to_json
from run_folder import write_atomically
from save_encoder import save_encoder
from tqdm import tqdm

from skelblocks._utils.checks import check_integer
from skelblocks.encoders import DSTA, STGCN, BiGRU, initialize_official
from skelblocks.evaluation import FUSION_WEIGHTS, StreamScores, fuse_scores
from skelblocks.interop.pretrained.module_config import build_module, describe_module

Command = Callable[[Sequence[str], Any], Results]
UNTRAINED = {"torch": "untrained, torch's initialisation", "official": "untrained, N(0, 0.02)"}


@dataclass(kw_only=True)
class Options(ProtocolOptions):
    """What every command on runs knows."""

    out: str | None = None  # folder; default: `evaluation` in the first run's, NAME_evaluation beside a pretrained NAME
    weights: dict[str, float] | None = None  # of the fusion; default, joint 0.6, bone 0.6, motion 0.4


@dataclass(kw_only=True)
class ReportOptions(Options):
    """What the report knows besides."""

    untrained: bool = True  # judge untrained encoders of the same kind too, of both initialisations
    animation: bool = True  # of a test clip


@dataclass(kw_only=True)
class FuseOptions(Options):
    """What the fusion knows besides."""

    protocol: Literal["linear", "semi", "finetune"] = "linear"  # whose classifiers are fused


PROTOCOLS: dict[str, Callable[[Candidate, ProtocolOptions], Outcome]] = {
    "knn": knn,
    "linear": linear,
    "finetune": finetuned,
}


def measure(candidate: Candidate, protocols: Iterable[str], options: ProtocolOptions) -> Row:
    """Run protocols on one encoder."""
    row: Row = {}
    for protocol in protocols:
        if protocol == "semi":
            for fraction in options.fractions:
                outcomes = [
                    semi_supervised(candidate, options, fraction=fraction, draw=i) for i in range(options.draws)
                ]
                row[outcomes[0].protocol] = outcomes
        else:
            row[protocol] = [PROTOCOLS[protocol](candidate, options)]
    return row


def fuse(rows: dict[str, Row], candidate: Candidate, options: Options) -> Row:
    """The streams' classifiers together, sample by sample; the votes of kNN are not fused.

    Args:
        rows: The outcomes of each stream, all on the same test clips.
        candidate: The first stream's, for the labels.
        options: See there.
    """
    fused: Row = {}
    first = next(iter(rows.values()))
    for protocol, outcomes in first.items():
        if protocol == "knn":
            continue
        for i, outcome in enumerate(outcomes):
            scores = {stream: row[protocol][i].scores for stream, row in rows.items()}
            together = fuse_scores(scores, weights=options.weights)
            weights = {stream: (options.weights or FUSION_WEIGHTS)[stream] for stream in rows}
            fused.setdefault(protocol, []).append(
                candidate.outcome(protocol, together.scores, selected=outcome.selected, weights=weights)
            )
    return fused


def run_protocols(folders: Sequence[str], protocols: Sequence[str], options: Options, *, fused: bool) -> Results:
    """Judge every run, and every seed's streams together.

    Raises:
        ValueError: several runs of one stream and one seed, no draws, or, to fuse, a seed with a single stream or
            weights of other streams.
    """
    _check(folders, options, fused=fused)
    results = Results({}, {}, {}, {})
    for folder in tqdm(folders, unit="run", disable=len(folders) == 1):
        candidate = load_candidate(folder, options)
        seed, stream = candidate.run.seed, candidate.run.stream
        results.candidates[seed, stream] = candidate
        _check_clips(candidate, next(iter(results.candidates.values())))
        results.rows.setdefault(seed, {})[stream] = measure(candidate, protocols, options)
    for seed, rows in results.rows.items():
        if fused:
            first = results.candidates[seed, next(iter(rows))]
            results.rows[seed] = {**rows, FUSED: fuse(rows, first, options)}
    return results


def _check(folders: Sequence[str], options: Options, *, fused: bool) -> None:
    """Refuse before the work what could not be reported after it."""
    check_integer(options.draws, name="draws")
    for fraction in options.fractions:
        if not 0 < fraction <= 1:
            raise ValueError(f"fractions: expected shares in (0, 1], got {options.fractions}")
    streams: dict[int, list[str]] = {}
    for folder in folders:
        run = open_run(folder)
        if run.stream in streams.setdefault(run.seed, []):
            raise ValueError(f"runs: {folder!r} is a second run of the stream {run.stream!r} with seed {run.seed}")
        streams[run.seed].append(run.stream)
    for seed, names in streams.items() if fused else ():
        if len(names) == 1:
            raise ValueError(f"runs: of seed {seed} there is only {names[0]!r}; give at least two streams to fuse")
        fuse_scores({name: StreamScores(["a clip"], torch.zeros(1, 1)) for name in names}, weights=options.weights)


def _check_clips(candidate: Candidate, first: Candidate) -> None:
    """Refuse results on other test clips than the first run's, of which no mean and no sum makes sense."""
    (mine, theirs), (one, other) = (each.sets.test for each in (candidate, first)), (candidate.folder, first.folder)
    same = mine.names == theirs.names and mine.labels.equal(theirs.labels)
    if same and mine[0].clip.shape == theirs[0].clip.shape and candidate.chosen.center == first.chosen.center:
        same = mine[0].clip.allclose(theirs[0].clip, atol=1e-3)
    if not same:
        raise ValueError(f"runs: {one!r} is judged by other test clips than {other!r}; evaluate them one by one")


def untrained(candidate: Candidate, options: Options, *, seed: int) -> dict[str, Row]:
    """kNN and linear of encoders like a run's before any training: torch's initialisation, and N(0, 0.02)."""
    run = candidate.run
    config = describe_module(run.encoder, role="encoder")
    rows = {}
    for name in UNTRAINED:
        torch.manual_seed(seed)
        encoder = build_module(config, role="encoder", layout=run.layout).to(next(run.encoder.parameters()))
        if name == "official":
            initialize_official(encoder)
        like = load_candidate(candidate.folder, options, run=run._replace(encoder=encoder.eval()))
        rows[UNTRAINED[name]] = measure(like, ["knn", "linear"], options)
    return rows


def tsne(folders: Sequence[str], options: Options) -> Results:
    """How well the test clips' features fall into classes, beside their picture."""
    results = run_protocols(folders, ["knn"], options, fused=False)
    results.structure.update({place: structure(candidate) for place, candidate in results.candidates.items()})
    return results


def report(folders: Sequence[str], options: ReportOptions) -> Results:
    """All protocols, and untrained encoders beside the trained ones."""
    several = len({open_run(folder).stream for folder in folders}) > 1
    for folder in folders if options.untrained else ():
        if not isinstance(open_run(folder).encoder, STGCN | DSTA | BiGRU):
            raise ValueError(f"untrained: {folder!r} has two encoders side by side; give --untrained false")
    results = run_protocols(folders, ["knn", "linear", "semi", "finetune"], options, fused=several)
    for (seed, stream), candidate in results.candidates.items() if options.untrained else ():
        for name, row in untrained(candidate, options, seed=seed).items():
            results.others.setdefault(f"{stream}, {name}", []).append(row)
    results.structure.update({place: structure(candidate) for place, candidate in results.candidates.items()})
    return results


def save_classifiers(results: Results, protocol: str, file: Path) -> None:
    """Each run's encoder and classifier as a pretrained folder, FILE_model; of several runs, FILE_model_STREAM_SEED."""
    for (seed, stream), candidate in results.candidates.items():
        outcome = results.rows[seed][stream][protocol][0]
        assert outcome.classifier is not None
        encoder, classifier = outcome.classifier
        folder = file.with_name(f"{file.name}_model" + (f"_{stream}_{seed}" if len(results.candidates) > 1 else ""))
        names = candidate.class_names or map(str, range(candidate.num_classes))
        saved = save_encoder(
            encoder,
            folder,
            sets=candidate.sets,
            options=candidate.chosen,
            stream=stream,
            metadata={"class_names": list(names), "protocol": protocol, "selected": outcome.selected},
            classifier=classifier,
        )
        if saved:
            print(folder)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run a command; write its results and print its table."""
    parser = jsonargparse.ArgumentParser(description="What a trained encoder is worth, by the protocols of the papers.")
    commands = parser.add_subcommands()
    for name, (kind, about) in COMMANDS.items():
        command = jsonargparse.ArgumentParser(description=about)
        command.add_argument("--config", action="config", help="a YAML file of this command's options")
        if kind is not CostOptions:
            command.add_argument("runs", nargs="+", help="folders of runs or of pretrained encoders")
        add_options(command, kind, semi=FinetuneOptions, finetune=FinetuneOptions)
        commands.add_subcommand(name, command, help=about)
    given = parser.parse_args(with_underscores(arguments))
    name = given.subcommand
    values = given[name].as_dict()
    values.pop("config")
    folders = values.pop("runs", [])
    for nested in ("semi", "finetune"):
        if nested in values:
            values[nested] = FinetuneOptions(**values[nested])
    options = COMMANDS[name][0](**values)
    out = Path(options.out or (results_folder(folders[0]) if folders else "runs/cost"))
    if options.out:
        out.mkdir(parents=True, exist_ok=True)  # before the work, which may take hours
    results = None if name == "cost" else COMMANDS_ON_RUNS[name](folders, options)
    found = cost(options) if results is None else to_json(results)
    text = cost_table(found) if results is None else table(results)
    out.mkdir(parents=True, exist_ok=True)
    file = out / _file_name(name, folders, options)
    write_atomically(file.with_name(f"{file.name}.json"), (json.dumps(found, indent=2) + "\n").encode())
    write_atomically(file.with_name(f"{file.name}.md"), text.encode())
    print(f"\n{text}\n{file}.json, .md")
    if results is not None and name in ("linear", "finetune"):
        save_classifiers(results, name, file)
    if name in PICTURES:  # after the numbers, which may have taken hours
        PICTURES[name](results, options, out)
    return found


def _file_name(command: str, folders: Sequence[str], options: Any) -> str:
    """The command, with what tells its results from others that go to the same folder."""
    if command == "cost":
        return f"cost_{options.method}"
    parts = [command]
    if len(folders) == 1 and without_stream(folders[0]) != folders[0]:
        parts.append(folders[0].rpartition(":")[2])
    if options.data is not None:
        parts.append(Path(options.data).stem)
    if options.select != "last":
        parts.append(options.select)
    return "_".join(parts)


def _on(*protocols: str) -> Command:
    return lambda folders, options: run_protocols(folders, protocols, options, fused=False)


COMMANDS_ON_RUNS: dict[str, Command] = {
    **{name: _on(name) for name in (*PROTOCOLS, "semi")},
    "frozen": _on("knn", "linear"),
    "fuse": lambda folders, options: run_protocols(folders, (options.protocol,), options, fused=True),
    "tsne": tsne,
    "report": report,
}
PICTURES: dict[str, Callable[[Any, Any, Path], None]] = {
    "tsne": lambda results, _, out: draw_embeddings(results, out),
    "report": lambda results, options, out: draw_report(results, out, animation=options.animation),
}
COMMANDS: dict[str, tuple[type[Any], str]] = {
    "frozen": (Options, "knn and linear"),
    "knn": (Options, "nearest neighbours on frozen features"),
    "linear": (Options, "a linear classifier on frozen features"),
    "semi": (Options, "the whole model on a share of the labels"),
    "finetune": (Options, "the whole model on all labels"),
    "fuse": (FuseOptions, "classifiers of several streams together"),
    "tsne": (Options, "a picture of the features"),
    "report": (ReportOptions, "all of these, untrained encoders, and pictures"),
    "cost": (CostOptions, "parameters and operations of a method"),
}


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, NonFiniteLossError) as wrong:
        raise SystemExit(f"error: {wrong}") from None
