"""The pictures of an evaluation: embeddings, confusion matrices, fine-tuning curves, attention and a clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from skelblocks.attention import energy_attention
from skelblocks.evaluation import classification_report
from skelblocks.protocols.evaluated_run import EvaluatedRun
from skelblocks.protocols.results import FUSED, Results, RunKey
from skelblocks.training.pictures import feature_maps, first_clip, in_picture, save_picture
from skelblocks.viz import animate_clip, clip_attention, clip_strip, confusion_matrix, curves, embedding_scatter


def draw_embeddings(results: Results, out: str | Path) -> list[str]:
    """Draw a map of the test clips' features, ``embedding_STREAM.png``, for the first seed of each method.

    Args:
        results: The results of the evaluation.
        out: Folder of the pictures.

    Returns:
        One line for each picture that failed. A failure does not affect the numbers.
    """
    pictures = _Pictures(Path(out))
    for key in _first_seeds(results):
        if key.stream != FUSED:
            pictures.draw(f"embedding_{file_label(results, key)}.png", _embedding, results, key)
    return pictures.failures


def draw_report(results: Results, out: str | Path, *, animation: bool = True) -> list[str]:
    """Draw the confusion matrices and fine-tuning curves of each stream's first seed, and a test clip.

    Args:
        results: The results of the evaluation.
        out: Folder of the pictures.
        animation: Whether to draw ``clip.gif`` too.

    Returns:
        One line for each picture that failed.
    """
    pictures = _Pictures(Path(out))
    losses: dict[str, list[float]] = {}
    for key in _first_seeds(results):
        row, label = results.rows[key], file_label(results, key)
        for protocol in ("linear", "finetune"):
            if protocol in row:
                pictures.draw(f"confusion_{protocol}_{label}.png", _confusion, results, key, protocol)
        if key.stream != FUSED and "finetune" in row:
            losses[results.label(key)] = [epoch["loss"] for epoch in row["finetune"][0].details["history"]]
    if losses:
        pictures.draw("finetune_loss.png", lambda: curves(losses, ylabel="loss", title="Fine-tuning"))
    run = next(iter(results.runs.values()))
    pictures.draw("clip.png", _clip, run)
    if _has_joints(run):
        pictures.draw("energy.png", _energy, run)
    if animation:
        pictures.write("clip.gif", _animate, run)
    return draw_embeddings(results, out) + pictures.failures


def report_pictures(results: Results) -> dict[str, str]:
    """The titles of the pictures that :func:`draw_report` draws.

    Args:
        results: The results of the evaluation.

    Returns:
        Titles by file name, without animations. A picture that failed is listed as well.
    """
    found = {}
    for key in _first_seeds(results):
        line, label = results.label(key), file_label(results, key)
        if key.stream != FUSED:
            found[f"embedding_{label}.png"] = f"Map of the test clips' features: {line}"
        for protocol in ("linear", "finetune"):
            if protocol in results.rows[key]:
                found[f"confusion_{protocol}_{label}.png"] = f"Confusion of classes: {line}, {protocol}"
    return {**found, "energy.png": "Energy-based attention over a test clip", "clip.png": "A test clip"}


def file_label(results: Results, key: RunKey) -> str:
    """The label of a run as part of a file name: every character but letters and digits becomes an underscore."""
    return "".join(each if each.isalnum() or each in "-." else "_" for each in results.label(key))


class _Pictures:
    """Pictures in a folder. A failed picture does not stop the others."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.failures = folder, list[str]()

    def draw(self, name: str, make: Callable[..., Any], *arguments: Any) -> None:
        """Save the figure that a function returns."""
        self.write(name, lambda place: save_picture(make(*arguments), place))

    def write(self, name: str, write: Callable[..., Any], *arguments: Any) -> None:
        """Call a function that writes a file; the path is its last argument."""
        try:
            write(*arguments, self.folder / name)
        except Exception as error:
            self.failures.append(f"{name} could not be drawn: {type(error).__name__}: {error}")


def _first_seeds(results: Results) -> list[RunKey]:
    seeds: dict[str, int] = {}
    for key in results.rows:
        seeds.setdefault(key.name, key.seed)
    return [key for key in results.rows if key.seed == seeds[key.name]]


def _embedding(results: Results, key: RunKey) -> Any:
    run = results.runs[key]
    title = f"{results.label(key)}, test clips"
    return embedding_scatter(run.test, run.labels[1], class_names=run.class_names, title=title)


def _confusion(results: Results, key: RunKey, protocol: str) -> Any:
    run, result = results.runs_of(key)[0], results.rows[key][protocol][0]
    report = classification_report(result.scores.scores, run.labels[1], class_names=run.class_names)
    title = f"{results.label(key)}, {protocol}: {result.accuracy:.1f} %"
    return confusion_matrix(report.confusion, class_names=run.class_names, title=title)


def _clip(run: EvaluatedRun) -> Any:
    clip, title = first_clip(run.sets)
    return clip_strip(clip, title=title, **_look(run, clip))


def _animate(run: EvaluatedRun, place: Path) -> None:
    clip, title = first_clip(run.sets)
    animate_clip(clip, place, title=title, **_look(run, clip))


def _energy(run: EvaluatedRun) -> Any:
    """Draw the energy-based attention of a test clip's feature map."""
    clip, _ = first_clip(run.sets)
    maps = feature_maps(run.trained.encoder, run.sets, stream=run.trained.stream)
    energy = energy_attention(maps[0]).mean(dim=-3)  # (m, t, v), mean over channels
    limits = (float(energy.min()), float(energy.max()))  # the range of a map is narrow
    about = "Energy-based attention of the feature map (EADM)"
    return clip_attention(clip, energy, limits=limits, title=about, **_look(run, clip))


def _has_joints(run: EvaluatedRun) -> bool:
    """Whether the feature map has an axis of joints; BiGRU's has none."""
    maps = feature_maps(run.trained.encoder, run.sets, stream=run.trained.stream)
    return maps.shape[-1] == run.trained.layout.num_joints


def _look(run: EvaluatedRun, clip: Tensor) -> dict[str, Any]:
    return {"layout": run.trained.layout, "flip_vertical": in_picture(clip)}
