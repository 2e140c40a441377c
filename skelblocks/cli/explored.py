"""What ``skelblocks explore`` shows: clips with their features, from a run, an encoder, or saved features."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.cli.open_clips import chosen_device, features_of, open_clips
from skelblocks.clips import ClipDataset, Preprocessing
from skelblocks.data import ArrayDataset, PreparedSet, read_arrays
from skelblocks.evaluation import coordinate_features
from skelblocks.interop.pretrained.open_pretrained import open_pretrained
from skelblocks.interop.pretrained.pretrained import Pretrained
from skelblocks.pages.explore_columns import CLUSTER, PREDICTED, check_color, dataset_columns
from skelblocks.pages.explore_scores import Scores, neighbor_scores, options_of, run_scores

_OF_CLIPS = ("part", "layout", "missing", "y", "coordinates")  # options that speak of named clips
_ARRAYS = ("embeddings", "names")
_FRAMES = 25  # of the raw coordinates


@dataclass(frozen=True, kw_only=True)
class Explored:
    """Clips with their features.

    Attributes:
        dataset: The clips.
        features: ``(n, d)``.
        scores: Accuracies, or None where there are no labels.
        encoder: What the page calls the encoder.
        clips: What the page calls the set.
    """

    dataset: ClipDataset
    features: Tensor
    scores: Scores | None
    encoder: str
    clips: str


def explored_run(given: argparse.Namespace) -> Explored:
    """The test clips of a run, evaluated by its training clips.

    Raises:
        ValueError: The folder does not say which clips the encoder was trained on.
    """
    from skelblocks.protocols import load_evaluated_run, open_encoder

    for name in _OF_CLIPS:
        if getattr(given, name) is not None:
            raise ValueError(f"{name}: it speaks of clips that are named; name them after the encoder, or leave it out")
    trained = open_encoder(given.encoder)
    if not trained.options.get("data"):
        raise ValueError(
            f"clips: {escape(given.encoder)!r} does not say which clips its encoder was trained on; name the clips "
            "after the encoder"
        )
    device = chosen_device(given.device).type
    options = options_of({"accelerator": "cuda" if device == "cuda" else "cpu"})
    run = load_evaluated_run(given.encoder, options)
    _check_color(given, run.sets.test, predicted=True)
    scores = run_scores(run, options, baselines=not given.no_baselines)
    shown = f"{trained.method or 'encoder'} in {given.encoder}"
    return Explored(
        dataset=run.sets.test,
        features=run.test,
        scores=scores,
        encoder=escape(shown),
        clips=escape(f"test clips of {run.data.path}"),
    )


def explored_pair(given: argparse.Namespace, *, most: int) -> Explored:
    """Any clips, by any encoder that fits them."""
    pretrained = open_pretrained(given.encoder, device=chosen_device(given.device))
    dataset = _sampled(open_clips(given, pretrained), given, most=most)
    _check_color(given, dataset, predicted=_is_labeled(dataset))

    def features(encoder: Pretrained) -> Tensor:
        return features_of(
            encoder, dataset, readout=pretrained.readout, batch_size=given.batch_size, precision=given.precision
        )

    own = features(pretrained)
    beside = {}
    if _is_labeled(dataset) and not given.no_baselines:
        beside["untrained encoder"] = features(_untrained(pretrained, seed=given.seed))
    return _scored(given, dataset, own, beside, encoder=str(given.encoder))


def explored_features(given: argparse.Namespace, *, most: int) -> Explored:
    """Clips with the features that ``skelblocks embed`` has saved."""
    if given.clips is None:
        raise ValueError("clips: features alone cannot move; name the clips that they are of")
    features, names = _read_features(given.encoder)
    dataset = _open_without_encoder(given)
    places = _places_of(names, dataset.names, file=given.encoder)
    if not np.array_equal(places, np.arange(len(dataset))):
        dataset = dataset.subset(places)
    chosen = chosen_places(len(dataset), given, most=most)
    if chosen is not None:
        dataset, features = dataset.subset(chosen), features[chosen]
    _check_color(given, dataset, predicted=_is_labeled(dataset))
    return _scored(given, dataset, features, {}, encoder=str(given.encoder))


def chosen_places(n: int, given: argparse.Namespace, *, most: int) -> NDArray[np.int64] | None:
    """The places of a sample, in order; None for all clips.

    Raises:
        ValueError: There are more clips than a page can hold, or fewer than asked for.
    """
    if given.sample is None:
        if n > most:
            raise ValueError(
                f"clips: expected at most {most}, which a page can hold, got {n}; add --sample {most}, or name a --part"
            )
        return None
    if given.sample > min(n, most):
        raise ValueError(f"sample: expected at most {min(n, most)}, got {given.sample}; give a smaller number")
    places: NDArray[np.int64] = np.sort(np.random.default_rng(given.seed).permutation(n)[: given.sample])
    return places


def _sampled(dataset: ClipDataset, given: argparse.Namespace, *, most: int) -> ClipDataset:
    places = chosen_places(len(dataset), given, most=most)
    return dataset if places is None else dataset.subset(places)


def _scored(
    given: argparse.Namespace, dataset: ClipDataset, features: Tensor, beside: dict[str, Tensor], *, encoder: str
) -> Explored:
    scores = None
    if _is_labeled(dataset):
        rows = {"this encoder": features, **beside}
        if not given.no_baselines:
            rows["raw coordinates"] = coordinate_features(dataset.batch(np.arange(len(dataset))), frames=_FRAMES)
        scores = neighbor_scores(rows, dataset.labels)
    part = "" if given.part is None else f", {given.part} part"
    return Explored(
        dataset=dataset, features=features, scores=scores, encoder=escape(encoder), clips=escape(f"{given.clips}{part}")
    )


def _untrained(pretrained: Pretrained, *, seed: int) -> Pretrained:
    """The same encoder with the weights that it had before any training."""
    from skelblocks.interop.pretrained.module_config import build_module, describe_module

    config = describe_module(pretrained.encoder, role="encoder")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = build_module(config, role="encoder", layout=pretrained.layout)
    return replace(pretrained, encoder=encoder.to(next(pretrained.encoder.parameters())).eval())


def _is_labeled(dataset: ClipDataset) -> bool:
    return int((dataset.labels >= 0).sum()) >= 2


def _check_color(given: argparse.Namespace, dataset: ClipDataset, *, predicted: bool) -> None:
    """Refuse an unknown column before the encoder runs."""
    names = [column.name for column in dataset_columns(dataset)]
    check_color(given.color, [*names, CLUSTER, *([PREDICTED] if predicted else [])])


def _read_features(path: Path) -> tuple[Tensor, list[str]]:
    expected = f"expected an .npz file with the arrays {', '.join(_ARRAYS)}, as skelblocks embed writes it"
    try:
        found: dict[str, NDArray[Any]] = read_arrays(path, keys={"clips": "embeddings"})
    except ValueError as error:
        why = str(error).split(": ", 1)[-1].split(" for the clips")[0]
        raise ValueError(f"encoder: {expected}; {why}") from error
    if "names" not in found:
        raise ValueError(f"encoder: {expected}; {escape(path.name)!r} has no array 'names'")
    features, names = found["clips"], found["names"]
    if features.ndim != 2 or features.dtype.kind != "f" or names.shape != features.shape[:1]:
        raise ValueError(
            f"encoder: expected embeddings (n, d) of floating-point numbers with n names, got {features.dtype} "
            f"{features.shape} with names {names.shape}"
        )
    if not np.isfinite(features).all():
        raise ValueError(f"encoder: expected finite embeddings, got NaN or infinity in {escape(path)!r}")
    return torch.from_numpy(features.astype(np.float32)), [str(name) for name in names.tolist()]


def _open_without_encoder(given: argparse.Namespace) -> ClipDataset:
    path: Path = given.clips
    if not path.exists():
        raise FileNotFoundError(f"clips: there is no file or folder {escape(path)!r}")
    if path.is_dir():
        return PreparedSet(path, part=given.part)
    settings = Preprocessing(y=given.y or "up", coordinates=given.coordinates)
    layout = None if given.layout is None else layouts.get_or_load(given.layout)
    return ArrayDataset.from_file(path, layout=layout, split=given.part, preprocessing=settings)


def _places_of(names: list[str], there: tuple[str, ...], *, file: Path) -> NDArray[np.int64]:
    """Where the clips of the features are in the set."""
    if tuple(names) == there:
        return np.arange(len(there))
    place = {name: i for i, name in enumerate(there)}
    if len(place) < len(there):
        raise ValueError("clips: expected a name of its own for every clip, since the features go by the names")
    lacking = [name for name in names if name not in place]
    if lacking:
        raise ValueError(
            f"clips: the features in {escape(file)!r} are of other clips: the set has no {escape(lacking[0])!r}"
            f"{f' and {len(lacking) - 1} more' if len(lacking) > 1 else ''}; name the set that was embedded"
        )
    return np.array([place[name] for name in names])
