"""The protocols that ``skelblocks evaluate`` runs, and the files that it writes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from skelblocks._utils.escape import escape
from skelblocks._utils.optional import require
from skelblocks._utils.whole_file import whole_file
from skelblocks.pages.report_page import report_page
from skelblocks.pages.write_page import check_page_path, write_page
from skelblocks.protocols import (
    CostOptions,
    FuseOptions,
    ProtocolOptions,
    ReportOptions,
    Results,
    cost_table,
    draw_embeddings,
    draw_report,
    full_report,
    method_cost,
    open_encoder,
    results_table,
    results_to_json,
    run_protocols,
    save_classifier,
    structure_report,
)
from skelblocks.protocols.differences_table import differences_table
from skelblocks.protocols.report_pictures import file_label
from skelblocks.protocols.trained_encoder import split_stream
from skelblocks.training.command_line import parse_command, parse_options


def _on(*protocols: str) -> Callable[[Sequence[str], Any], Results]:
    return lambda folders, options: run_protocols(folders, protocols, options)


_ON_RUNS: dict[str, tuple[type[ProtocolOptions], Callable[[Sequence[str], Any], Results]]] = {
    "frozen": (ProtocolOptions, _on("knn", "linear")),
    "knn": (ProtocolOptions, _on("knn")),
    "linear": (ProtocolOptions, _on("linear")),
    "semi": (ProtocolOptions, _on("semi")),
    "finetune": (ProtocolOptions, _on("finetune")),
    "fuse": (FuseOptions, lambda folders, options: run_protocols(folders, [options.protocol], options, fused=True)),
    "tsne": (ProtocolOptions, structure_report),
    "report": (ReportOptions, full_report),
}
_PICTURES: dict[str, Callable[[Results, Any, Path], list[str]]] = {
    "tsne": lambda results, _, out: draw_embeddings(results, out),
    "report": lambda results, options, out: draw_report(results, out, animation=options.animation),
}


def evaluate(command: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a command, write its results, and print its table.

    Args:
        command: For instance ``"linear"``.
        arguments: Folders and options as on the command line.

    Returns:
        The content of the JSON file.
    """
    if command == "cost":
        sizes = parse_options(CostOptions, arguments, prog="skelblocks evaluate cost")
        with _results_folder(sizes.out or "runs/cost") as out:
            counted = method_cost(sizes)
            _write(out / f"cost_{Path(sizes.method).stem}", counted, cost_table(counted))
        return counted
    kind, measure = _ON_RUNS[command]
    if command in ("finetune", "semi"):
        arguments = _without_start(arguments)
    options, folders = parse_command(kind, arguments, prog=f"skelblocks evaluate {command}", places="runs")
    with _results_folder(options.out or open_encoder(folders[0]).results_folder) as out:
        page = _checked_page(options)  # in a folder that may be this one
        results = measure(folders, options)
        found = results_to_json(results)
        file = out / _file_name(command, folders, options)
        _write(file, found, results_table(results) + differences_table(results))
        if command in ("linear", "finetune"):
            _save_classifiers(results, command, file, options)
        failures = _PICTURES[command](results, options, out) if command in _PICTURES else []
    if failures and command == "tsne":
        raise ValueError(f"the results are in {file}.json, but some pictures failed: {'; '.join(failures)}")
    for failure in failures:
        print(f"Warning: {escape(failure)}")
    if page is not None:
        shown = shlex.join(["skelblocks", "evaluate", command, *map(str, arguments)])
        title = f"Report: {', '.join(dict.fromkeys(key.name for key in results.runs))}"
        write_page(page, report_page(results, title=title, command=shown, pictures=out))
        print(escape(page))
    return found


def _checked_page(options: ProtocolOptions) -> Path | None:
    """The page to write, after checking that it can be written. It replaces an earlier page, as all results do."""
    if not isinstance(options, ReportOptions) or options.html is None:
        return None
    require("jinja2", extra="pages")
    return check_page_path(options.html, name="html", overwrite=True)


def _without_start(arguments: Sequence[str]) -> list[str]:
    """Replace ``--start PATH`` by ``PATH``: the weights to start from are the run to fine-tune."""
    found = [argument.removeprefix("--start=") for argument in arguments]
    return [argument for argument in found if argument != "--start"]


@contextmanager
def _results_folder(place: str | Path) -> Iterator[Path]:
    """Make the folder before the work, which may take hours, and remove it if the work fails and writes nothing."""
    out = Path(place)
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"out: expected a folder, but {escape(out)!r} is a file; choose another name")
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield out
    except BaseException:
        with suppress(OSError):  # some results may be there already
            for folder in made:
                folder.rmdir()
        raise


def _file_name(command: str, folders: Sequence[str], options: ProtocolOptions) -> str:
    """The command's name, with a suffix where other results in the same folder would otherwise be overwritten."""
    parts = [command]
    stream = split_stream(folders[0])[1]
    if len(folders) == 1 and stream is not None:
        parts.append(stream)
    if options.data.path is not None:
        parts.append(Path(options.data.path).stem)
    if options.readout is not None:
        parts.append(options.readout)
    if options.evaluate.fit == "all":
        parts.append("all")
    if options.evaluate.select != "last":
        parts.append(options.evaluate.select)
    return "_".join(parts)


def _write(file: Path, found: dict[str, Any], table: str) -> None:
    for suffix, text in ((".json", json.dumps(found, indent=2) + "\n"), (".md", table)):
        with whole_file(file.with_name(file.name + suffix)) as place:
            place.write_text(text, encoding="utf-8")
    print(f"\n{table}\n{escape(file)}.json, .md")


def _save_classifiers(results: Results, protocol: str, file: Path, options: ProtocolOptions) -> None:
    """Save each run's encoder and classifier in FILE_model, or in FILE_model_STREAM_SEED for several runs."""
    for key, run_ in results.runs.items():
        own = f"_{file_label(results, key)}_{key.seed}" if len(results.runs) > 1 else ""
        folder = file.with_name(f"{file.name}_model{own}")
        save_classifier(run_, results.rows[key][protocol][0], folder)
        fitted, tested = len(run_.fit), len(run_.sets.test)
        if options.evaluate.fit == "all":
            learned = f"learned from all {fitted + tested} clips, after the accuracy was measured"
        elif protocol == "linear":
            learned = f"learned from {fitted} training clips; --evaluate.fit all adds the {tested} test clips"
        else:
            learned = f"learned from {fitted} training clips"
        print(f"{escape(folder)}: {learned}")
