"""The protocols on frozen features: nearest neighbors, a linear classifier, retrieval and clustering."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks.evaluation import accuracy, cluster_scores, knn_scores, linear_probe, retrieval_scores
from skelblocks.protocols.evaluated_run import EvaluatedRun, ProtocolResult
from skelblocks.protocols.options import ProtocolOptions
from skelblocks.protocols.ridge_classifier import ridge_classifier, several_groups
from skelblocks.training.accuracies import probe_settings
from skelblocks.training.dataset_split import group_name, groups
from skelblocks.training.options import EvaluateOptions


def knn_protocol(run: EvaluatedRun, options: ProtocolOptions) -> ProtocolResult:
    """Classify by cosine nearest neighbors, for each number of neighbors in ``options.evaluate.neighbors``.

    The reported number is set beforehand, or chosen on the validation clips.

    Args:
        run: The encoder with its clips.
        options: Numbers of neighbors, and how to select the reported one.

    Returns:
        The scores with the reported number; ``details["by_neighbors"]`` has the accuracy with each.

    Raises:
        ValueError: A number of neighbors exceeds the number of training clips.
    """
    train, test = run.labels
    most = len(run.fit)
    usual = min(run.trained.restored(EvaluateOptions, "evaluate").neighbors, most)
    reported = usual if options.evaluate.k is None else options.evaluate.k
    if reported > most:
        raise ValueError(f"evaluate.k: expected at most the {most} training clips, got {reported}; choose a smaller k")
    numbers = sorted({reported, *(number for number in options.evaluate.neighbors if number <= most)})

    def scored(queries: Tensor) -> dict[int, Tensor]:
        bank, labels = run.train[run.fit], train[run.fit]
        return knn_scores(queries, bank, labels, k=numbers, num_classes=run.num_classes)

    def percents(scores: dict[int, Tensor], labels: Tensor) -> dict[int, float]:
        return {k: 100 * accuracy(each, labels, topk=(1,))[1] for k, each in scores.items()}

    scores = scored(run.test)
    by_neighbors = percents(scores, test)
    selected = f"k = {reported}, set beforehand"
    if options.evaluate.select == "validation":
        held = percents(scored(run.train[run.held]), train[run.held])
        reported = max(held, key=lambda k: held[k])
        selected = f"k = {reported}, best on the validation set"
    elif options.evaluate.select == "test":
        reported = max(by_neighbors, key=lambda k: by_neighbors[k])
        selected = f"k = {reported}, best on the test set"
    return run.result("knn", scores[reported], selected=selected, by_neighbors=by_neighbors)


def linear_protocol(run: EvaluatedRun, options: ProtocolOptions, *, rows: Tensor | None = None) -> ProtocolResult:
    """Train a linear classifier on the frozen features.

    With the probe ``"ridge"`` the classifier is :func:`~skelblocks.evaluation.ridge_probe`.
    Cross-validation on the training clips chooses its regularization: over the groups of the split (subjects, views or
    folds) if there are several, else over single clips. The softmax of the saved classifier gives probabilities. With
    ``evaluate.fit="all"`` the scores are the same, and the classifier learns from the training and the test clips.

    Args:
        run: The encoder with its clips.
        options: The probe (default: the run's), and how to select the epoch.
        rows: Indices of the training clips to fit on. Default: ``run.fit``.

    Returns:
        The scores, and the encoder with the classifier.
    """
    rows = run.fit if rows is None else rows
    who, tested = (groups(part, run.data.split) for part in run.sets)
    found = _fit(run, options, run.train[rows], run.labels[0][rows], None if who is None else who[rows.numpy()])
    if options.evaluate.fit == "train":
        return found
    everyone = None if who is None or tested is None else np.concatenate([who, tested])
    on_all = _fit(run, options, torch.cat([run.train, run.test]), torch.cat(run.labels), everyone)
    return found._replace(classifier=on_all.classifier)


def _fit(
    run: EvaluatedRun, options: ProtocolOptions, features: Tensor, labels: Tensor, who: NDArray[Any] | None
) -> ProtocolResult:
    """Fit the probe to features ``(n, d)`` with labels and groups ``(n,)``, and score the test clips."""
    own = run.trained.restored(EvaluateOptions, "evaluate")
    select = options.evaluate.select
    probe = options.evaluate.probe or own.probe
    if probe == "ridge":
        return _ridge(run, features, labels, who)
    result = linear_probe(
        features,
        labels,
        run.test,
        run.labels[1],
        **probe_settings(probe, rate=own.probe_rate, milestone=own.probe_milestone),
        num_classes=run.num_classes,
        validation=(run.train[run.held], run.labels[0][run.held]) if select == "validation" else None,
        select=select,
        generator=torch.Generator().manual_seed(options.evaluate.seed),
    )
    found = run.result("linear", result.logits, selected=result.selected, epoch=result.epoch)
    return found._replace(classifier=(run.trained.encoder, result.head))


def _ridge(run: EvaluatedRun, features: Tensor, labels: Tensor, who: NDArray[Any] | None) -> ProtocolResult:
    who = several_groups(who)
    result = ridge_classifier((features, labels), (run.test, run.labels[1]), groups=who, num_classes=run.num_classes)
    over = "single clips" if who is None else f"{group_name(run.sets.train, run.data.split)}s"
    selected = f"ridge, constant by cross-validation over {over} of the training part"
    found = run.result("linear", result.logits, selected=selected, probe="ridge", constant=result.constant)
    return found._replace(classifier=(run.trained.encoder, result.head))


def feature_structure(run: EvaluatedRun) -> dict[str, float]:
    """Measure how well features separate the classes, without a classifier, in percent.

    Test clips retrieve training clips, and test clips are clustered. Retrieval leaves out test clips of classes that no
    training clip has.

    Args:
        run: The encoder with its clips.

    Returns:
        Recall, mean average precision, normalized mutual information, and the adjusted Rand index.
    """
    (train, test), bank = run.labels, run.train
    asked = torch.isin(test, train)
    found = retrieval_scores(run.test[asked], test[asked], bank, train, topk=(1, min(5, len(bank))))
    clusters = cluster_scores(run.test, test)
    return {
        **{f"recall at {k}": 100 * share for k, share in found.recall.items()},
        "mean average precision": 100 * found.mean_average_precision,
        "NMI": 100 * clusters.nmi,
        "adjusted Rand": 100 * clusters.adjusted_rand,
    }
