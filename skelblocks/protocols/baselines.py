"""Baselines that an encoder has to beat: raw coordinates, as recorded and aligned, and fixed random convolutions.

Axes: n clips, c coordinates, t frames, v joints, m persons, d features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from skelblocks.clips import Preprocessing
from skelblocks.clips.preprocessing import Align
from skelblocks.evaluation import coordinate_features, mini_rocket_features
from skelblocks.protocols.evaluated_clips import evaluated_sets
from skelblocks.protocols.evaluated_run import EvaluatedRun
from skelblocks.protocols.options import Baselines, ProtocolOptions
from skelblocks.protocols.results import Row
from skelblocks.protocols.run_protocols import measure
from skelblocks.training.accuracies import clips_of
from skelblocks.training.datasets import Sets

_FRAMES = 25  # of a clip of raw coordinates


def measure_baselines(
    run: EvaluatedRun, options: ProtocolOptions, *, baselines: Baselines, seeds: Sequence[int]
) -> dict[str, list[Row]]:
    """Evaluate features that need no training on the clips of a run, by kNN and the linear protocol.

    The clips are prepared as for the run's encoder: once as recorded, and once with the shoulders turned to the camera.
    A prepared set and clips with selected joints are not turned.

    Args:
        run: The run whose clips are evaluated.
        options: The options of the evaluation.
        baselines: ``"coordinates"``: raw coordinates of 25 frames. ``"minirocket"`` adds MiniRocket alone, and
            MiniRocket together with the run's encoder, which is often better than either. ``"none"``: no baseline.
        seeds: Random seeds of MiniRocket; each gives one row.

    Returns:
        The results, by the label of their line in the table.

    Raises:
        ImportError: MiniRocket is requested, but the extra ``baselines`` is not installed.
    """
    if baselines == "none":
        return {}
    rows: dict[str, list[Row]] = {}
    views = _views(run)
    for view, sets in views.items():
        train, test = (coordinate_features(clips, frames=_FRAMES) for clips in _clips(sets))
        rows[f"coordinates, {view}"] = [_measured(run, train, test, options)]
    if baselines == "minirocket":
        view, sets = list(views.items())[-1]
        train, test = _clips(sets)
        random = [mini_rocket_features(train, test, seed=seed) for seed in seeds]
        rows[f"MiniRocket, {view}"] = [_measured(run, *features, options) for features in random]
        own = _measured(run, run.train, run.test, options)
        rows[f"MiniRocket, {view}, and the encoder"] = [
            _together(run, features, [row, own], options)
            for features, row in zip(random, rows[f"MiniRocket, {view}"], strict=True)
        ]
    return rows


def _measured(run: EvaluatedRun, train: Tensor, test: Tensor, options: ProtocolOptions) -> Row:
    row = measure(dataclasses.replace(run, train=train, test=test), ["knn", "linear"], options)
    # The classifier does not belong to the run's encoder.
    return {name: [result._replace(classifier=None) for result in results] for name, results in row.items()}


def _together(run: EvaluatedRun, others: tuple[Tensor, Tensor], rows: Sequence[Row], options: ProtocolOptions) -> Row:
    """Combine the encoder's features with others: add the linear scores, concatenate unit vectors for kNN."""
    found = [row["linear"][0] for row in rows]
    scores = torch.stack([each.scores.scores for each in found]).sum(dim=0)
    train, test = (
        torch.cat([F.normalize(part.float(), dim=1) for part in parts], dim=1)
        for parts in zip((run.train, run.test), others, strict=True)
    )
    near = measure(dataclasses.replace(run, train=train, test=test), ["knn"], options)
    return {**near, "linear": [run.result("linear", scores, selected=found[0].selected)]}


def _views(run: EvaluatedRun) -> dict[str, Sets]:
    """The clips as recorded and, if possible, with the shoulders turned to the camera."""
    settings = run.trained.preprocessing
    if settings is None or Path(run.data.path).is_dir():
        return {"as prepared": run.sets}
    turned: Align = settings.align or "official"
    views = {"plain": _aligned(run, None)}
    try:
        dataclasses.replace(settings, align=turned).validate(layout=run.sets.layout, channels=run.sets.coordinates)
    except ValueError:  # the clips have no shoulders or no depth
        return views
    return {**views, "turned": _aligned(run, turned)}


def _aligned(run: EvaluatedRun, align: Align | None) -> Sets:
    settings = run.trained.preprocessing
    assert isinstance(settings, Preprocessing)
    if settings.align == align:
        return run.sets
    like = dataclasses.replace(run.trained, preprocessing=dataclasses.replace(settings, align=align))
    return evaluated_sets(like, run.data, layout=run.data.layout, tell=False)[0]


def _clips(sets: Sets) -> list[Tensor]:
    return [torch.cat(list(clips_of(part))) for part in sets]
