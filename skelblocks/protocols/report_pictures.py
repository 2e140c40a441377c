"""The pictures of an evaluation: embedding, confusion, fine-tuning, and what the encoder looks at."""

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
    """Draw the features of the test clips in a plane: ``embedding_STREAM.png``, of the first seed of each method.

    Args:
        results: What the evaluation found.
        out: Folder of the pictures.

    Returns:
        A line for each picture that could not be drawn; the numbers of an evaluation do not depend on its pictures.
    """
    pictures = _Pictures(Path(out))
    for key in _first_seeds(results):
        if key.stream != FUSED:
            pictures.draw(f"embedding_{file_label(results, key)}.png", _embedding, results, key)
    return pictures.failures


def draw_report(results: Results, out: str | Path, *, animation: bool = True) -> list[str]:
    """Draw what each stream of the first seed gets wrong, how fine-tuning went, and a test clip.

    Args:
        results: What the evaluation found.
        out: Folder of the pictures.
        animation: Whether to draw ``clip.gif`` too.

    Returns:
        A line for each picture that could not be drawn.
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
    """The pictures that :func:`draw_report` draws, by the names of their files, with what each of them shows.

    Args:
        results: What the evaluation found.

    Returns:
        Titles by name; pictures that move are left out, and a picture that could not be drawn is there nevertheless.
    """
    found = {}
    for key in _first_seeds(results):
        line, label = results.label(key), file_label(results, key)
        if key.stream != FUSED:
            found[f"embedding_{label}.png"] = f"Features of the test clips in a plane: {line}"
        for protocol in ("linear", "finetune"):
            if protocol in results.rows[key]:
                found[f"confusion_{protocol}_{label}.png"] = f"Confusion of classes: {line}, {protocol}"
    return {**found, "energy.png": "Energy-based attention over a test clip", "clip.png": "A test clip"}


def file_label(results: Results, key: RunKey) -> str:
    """The line of a run as a part of a file's name: letters, digits, and underscores for everything else."""
    return "".join(each if each.isalnum() or each in "-." else "_" for each in results.label(key))


class _Pictures:
    """Pictures in a folder, each of which may fail alone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.failures = folder, list[str]()

    def draw(self, name: str, make: Callable[..., Any], *arguments: Any) -> None:
        """Save the figure that a function makes."""
        self.write(name, lambda place: save_picture(make(*arguments), place))

    def write(self, name: str, write: Callable[..., Any], *arguments: Any) -> None:
        """Let a function write a file, whose place is its last argument."""
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
    """Where the energy-based attention of a test clip's feature map is high."""
    clip, _ = first_clip(run.sets)
    maps = feature_maps(run.trained.encoder, run.sets, stream=run.trained.stream)
    energy = energy_attention(maps[0]).mean(dim=-3)  # (m, t, v), which joints stand out in the channels' mean
    limits = (float(energy.min()), float(energy.max()))  # it hardly varies
    about = "Energy-based attention of the feature map (EADM)"
    return clip_attention(clip, energy, limits=limits, title=about, **_look(run, clip))


def _has_joints(run: EvaluatedRun) -> bool:
    """Whether the feature map has the joints of the skeleton; BiGRU's has none."""
    maps = feature_maps(run.trained.encoder, run.sets, stream=run.trained.stream)
    return maps.shape[-1] == run.trained.layout.num_joints


def _look(run: EvaluatedRun, clip: Tensor) -> dict[str, Any]:
    return {"layout": run.trained.layout, "flip_vertical": in_picture(clip)}
