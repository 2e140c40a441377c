"""What frozen features are worth, measured in one way for every method and side of `real_data.py`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from skelblocks.evaluation import knn_scores, linear_probe
from skelblocks.training import probe_settings

MEASURES = ("knn1", "knn5", "linear", "probe")
_UNSEEN = -1e4  # a class without a training clip


class Evaluated(NamedTuple):
    """Scores of the test clips.

    Attributes:
        predictions: The class of each clip by each of ``MEASURES``.
        scores: Of the two linear classifiers, ``(n, c)``: log-probabilities and logits.
    """

    predictions: dict[str, list[int]]
    scores: dict[str, NDArray[np.float32]]


def evaluate(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, *, classes: int) -> Evaluated:
    """Cosine nearest neighbors, logistic regression (C 1, standardized) and our linear probe (standardized)."""
    neighbors = knn_scores(test, train, train_labels, k=(1, min(5, len(train))), num_classes=classes)
    probe = linear_probe(
        train,
        train_labels,
        test,
        test_labels,
        **probe_settings("standardized", rate=0.1, milestone=80),
        num_classes=classes,
        generator=torch.Generator().manual_seed(0),
    )
    scores = {
        "linear": logistic(train.numpy(), train_labels.numpy(), test.numpy(), classes=classes),
        "probe": probe.logits.float().numpy(),
    }
    votes = {"knn1": neighbors[1], "knn5": neighbors[max(neighbors)]}
    predictions = {name: each.argmax(1).tolist() for name, each in (votes | scores).items()}
    return Evaluated(predictions, scores)


def logistic(
    train: NDArray[Any], labels: NDArray[Any], test: NDArray[Any], *, classes: int, c: float = 1.0
) -> NDArray[np.float32]:
    """Log-probabilities ``(n, c)`` by multinomial logistic regression on features of mean 0 and deviation 1."""
    scaler = StandardScaler().fit(train.astype(np.float64))
    model = LogisticRegression(C=c, max_iter=5000).fit(scaler.transform(train.astype(np.float64)), labels)
    scores = np.full((len(test), classes), _UNSEEN, dtype=np.float32)
    scores[:, model.classes_] = model.predict_log_proba(scaler.transform(test.astype(np.float64)))
    return np.maximum(scores, _UNSEEN)
