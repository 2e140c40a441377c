"""The content of an ``explore`` page: clips with their features, from a run, an encoder, or saved features."""

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

# Options that describe the clips named on the command line.
_OF_CLIPS = ("part", "layout", "missing", "y", "coordinates")
_ARRAYS = ("embeddings", "names")
_FRAMES = 25  # of a clip of raw coordinates


@dataclass(frozen=True, kw_only=True)
class Explored:
    """Clips with their features.

    Attributes:
        dataset: The clips.
        features: Features of the clips, ``(n, d)``.
        scores: Accuracies, or None if the clips have no labels.
        encoder: Name of the encoder on the page.
        clips: Name of the set on the page.
    """

    dataset: ClipDataset
    features: Tensor
    scores: Scores | None
    encoder: str
    clips: str


def explored_run(args: argparse.Namespace) -> Explored:
    """The test clips of a run, with the accuracies of classifiers fitted to its training clips.

    Raises:
        ValueError: The folder does not record which clips the encoder was trained on.
    """
    from skelblocks.protocols import load_evaluated_run, open_encoder

    for name in _OF_CLIPS:
        if getattr(args, name) is not None:
            raise ValueError(
                f"{name}: this option describes clips named on the command line; name the clips after the encoder, or "
                f"leave --{name} out"
            )
    trained = open_encoder(args.encoder)
    if not trained.options.get("data"):
        raise ValueError(
            f"clips: {escape(args.encoder)!r} does not record which clips its encoder was trained on; name the clips "
            "after the encoder"
        )
    device = chosen_device(args.device).type
    options = options_of({"accelerator": "cuda" if device == "cuda" else "cpu"})
    run = load_evaluated_run(args.encoder, options)
    _check_color(args, run.sets.test, predicted=True)
    scores = run_scores(run, options, baselines=not args.no_baselines)
    shown = f"{trained.method or 'encoder'} in {args.encoder}"
    return Explored(
        dataset=run.sets.test,
        features=run.test,
        scores=scores,
        encoder=escape(shown),
        clips=escape(f"test clips of {run.data.path}"),
    )


def explored_pair(args: argparse.Namespace, *, most: int) -> Explored:
    """Any clips, with the features of any encoder that fits them."""
    pretrained = open_pretrained(args.encoder, device=chosen_device(args.device))
    dataset = _sampled(open_clips(args, pretrained), args, most=most)
    _check_color(args, dataset, predicted=_is_labeled(dataset))

    def features(encoder: Pretrained) -> Tensor:
        return features_of(
            encoder, dataset, readout=pretrained.readout, batch_size=args.batch_size, precision=args.precision
        )

    own = features(pretrained)
    beside = {}
    if _is_labeled(dataset) and not args.no_baselines:
        beside["untrained encoder"] = features(_untrained(pretrained, seed=args.seed))
    return _scored(args, dataset, own, beside, encoder=str(args.encoder))


def explored_features(args: argparse.Namespace, *, most: int) -> Explored:
    """Clips with the features that ``skelblocks embed`` saved."""
    if args.clips is None:
        raise ValueError(
            "clips: expected the clips of these features, which the page animates, got none; name the embedded set "
            "after the features"
        )
    features, names, labels = _read_features(args.encoder)
    dataset = _open_without_encoder(args)
    places = _places_of(names, dataset.names, file=args.encoder)
    if not np.array_equal(places, np.arange(len(dataset))):
        dataset = dataset.subset(places)
    _check_labels(labels, dataset, file=args.encoder)
    chosen = chosen_places(len(dataset), args, most=most)
    if chosen is not None:
        dataset, features = dataset.subset(chosen), features[chosen]
    _check_color(args, dataset, predicted=_is_labeled(dataset))
    return _scored(args, dataset, features, {}, encoder=str(args.encoder))


def chosen_places(n: int, args: argparse.Namespace, *, most: int) -> NDArray[np.int64] | None:
    """Indices of a random sample in ascending order; None for all clips.

    Raises:
        ValueError: There are more clips than a page can hold, or fewer than requested.
    """
    if args.sample is None:
        if n > most:
            raise ValueError(
                f"clips: expected at most {most}, the most that a page can hold, got {n}; add --sample {most} or --part"
            )
        return None
    if args.sample > min(n, most):
        raise ValueError(f"sample: expected at most {min(n, most)}, got {args.sample}; give a smaller number")
    places: NDArray[np.int64] = np.sort(np.random.default_rng(args.seed).permutation(n)[: args.sample])
    return places


def _sampled(dataset: ClipDataset, args: argparse.Namespace, *, most: int) -> ClipDataset:
    places = chosen_places(len(dataset), args, most=most)
    return dataset if places is None else dataset.subset(places)


def _scored(
    args: argparse.Namespace, dataset: ClipDataset, features: Tensor, beside: dict[str, Tensor], *, encoder: str
) -> Explored:
    scores = None
    if _is_labeled(dataset):
        rows = {"this encoder": features, **beside}
        if not args.no_baselines:
            rows["raw coordinates"] = coordinate_features(dataset.batch(np.arange(len(dataset))), frames=_FRAMES)
        scores = neighbor_scores(rows, dataset.labels)
    part = "" if args.part is None else f", {args.part} part"
    return Explored(
        dataset=dataset, features=features, scores=scores, encoder=escape(encoder), clips=escape(f"{args.clips}{part}")
    )


def _untrained(pretrained: Pretrained, *, seed: int) -> Pretrained:
    """The same encoder with newly initialized weights."""
    from skelblocks.interop.pretrained.module_config import build_module, describe_module

    config = describe_module(pretrained.encoder, role="encoder")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = build_module(config, role="encoder", layout=pretrained.layout)
    return replace(pretrained, encoder=encoder.to(next(pretrained.encoder.parameters())).eval())


def _is_labeled(dataset: ClipDataset) -> bool:
    return int((dataset.labels >= 0).sum()) >= 2


def _check_color(args: argparse.Namespace, dataset: ClipDataset, *, predicted: bool) -> None:
    """Reject an unknown column before the encoder runs."""
    names = [column.name for column in dataset_columns(dataset)]
    check_color(args.color, [*names, CLUSTER, *([PREDICTED] if predicted else [])])


def _read_features(path: Path) -> tuple[Tensor, list[str], NDArray[Any] | None]:
    expected = f"expected an .npz file with the arrays {', '.join(_ARRAYS)}, as skelblocks embed writes it"
    try:
        found: dict[str, NDArray[Any]] = read_arrays(path, keys={"clips": "embeddings"})
    except ValueError as error:
        why = str(error).split(": ", 1)[-1].split(" for the clips")[0]
        raise ValueError(f"encoder: {expected}; {why}") from error
    if "names" not in found:
        raise ValueError(
            f"encoder: {expected}, but {escape(path.name)!r} has no array 'names'; name the file that embed wrote"
        )
    features, names = found["clips"], found["names"]
    if features.ndim != 2 or features.dtype.kind != "f" or names.shape != features.shape[:1]:
        raise ValueError(
            f"encoder: expected floating-point embeddings (n, d) and n names, got {features.dtype} {features.shape} "
            f"and names {names.shape}; name the file that skelblocks embed wrote"
        )
    if not np.isfinite(features).all():
        raise ValueError(
            f"encoder: expected finite embeddings, got NaN or infinity in {escape(path)!r}; look for bad clips"
        )
    return torch.from_numpy(features.astype(np.float32)), [str(name) for name in names.tolist()], found.get("labels")


def _open_without_encoder(args: argparse.Namespace) -> ClipDataset:
    path: Path = args.clips
    if not path.exists():
        raise FileNotFoundError(f"clips: there is no file or folder {escape(path)!r}; check the path")
    if path.is_dir():
        return PreparedSet(path, part=args.part)
    settings = Preprocessing(y=args.y or "up", coordinates=args.coordinates)
    layout = None if args.layout is None else layouts.get_or_load(args.layout)
    return ArrayDataset.from_file(path, layout=layout, split=args.part, preprocessing=settings)


def _places_of(names: list[str], there: tuple[str, ...], *, file: Path) -> NDArray[np.int64]:
    """Indices in the set of the clips that have features."""
    if tuple(names) == there:
        return np.arange(len(there))
    numbers = tuple(map(str, range(len(names))))
    if tuple(names) == numbers and there[: len(names)] == numbers:  # clips without names of their own
        raise ValueError(
            f"clips: the features in {escape(file)!r} belong to other clips: they are of {len(names)} clips, and the "
            f"set has {len(there)}; name the set that was embedded, with the same --part"
        )
    place = {name: i for i, name in enumerate(there)}
    if len(place) < len(there):
        raise ValueError(
            "clips: expected a unique name for every clip, because features are matched by name, got duplicates; "
            "rename the clips"
        )
    lacking = [name for name in names if name not in place]
    if lacking:
        raise ValueError(
            f"clips: the features in {escape(file)!r} belong to other clips: the set has no {escape(lacking[0])!r}"
            f"{f' and {len(lacking) - 1} more' if len(lacking) > 1 else ''}; name the set that was embedded"
        )
    return np.array([place[name] for name in names])


def _check_labels(labels: NDArray[Any] | None, dataset: ClipDataset, *, file: Path) -> None:
    """Raise if the clips have other labels than the embedded ones. Clips without names are matched by number alone."""
    if labels is None or labels.shape != (len(dataset),) or labels.dtype.kind not in "iu":
        return
    own = dataset.labels.numpy()
    other = np.flatnonzero((labels != own) & (labels >= 0) & (own >= 0))
    if len(other):
        first = int(other[0])
        raise ValueError(
            f"clips: the features in {escape(file)!r} belong to other clips: {len(other)} of {len(own)} have another "
            f"label, such as {escape(dataset.names[first])!r}, which has {labels[first]} there and {own[first]} here; "
            "name the set that was embedded"
        )
