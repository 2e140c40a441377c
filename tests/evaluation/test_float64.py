"""No function of the package asks the device of its inputs for float64, which Apple's devices lack."""

import pytest
import torch
from torch import nn

from skelblocks import evaluation
from skelblocks.testing import NoFloat64

FEATURES, LABELS = torch.randn(24, 6), torch.arange(24) % 3
SETS = (FEATURES, LABELS, FEATURES, LABELS)
STREAMS = {name: evaluation.StreamScores(list("abc"), torch.randn(3, 4)) for name in ("joint", "bone")}
CALLS = {
    "accuracy": lambda: evaluation.accuracy(FEATURES, LABELS),
    "bootstrap_interval": lambda: evaluation.bootstrap_interval(FEATURES[:, 0], groups=LABELS),
    "paired_bootstrap": lambda: evaluation.paired_bootstrap(LABELS == 0, LABELS == 1),
    "classification_report": lambda: evaluation.classification_report(FEATURES, LABELS),
    "cluster_scores": lambda: evaluation.cluster_scores(FEATURES, LABELS, seeds=[0]),
    "extract_features": lambda: evaluation.extract_features(nn.Flatten(), torch.randn(4, 3, 2, 2, 1)),
    "fuse_scores": lambda: evaluation.fuse_scores(STREAMS, normalize="softmax"),
    "knn_accuracy": lambda: evaluation.knn_accuracy(*SETS, k=[1, 5]),
    "knn_scores": lambda: evaluation.knn_scores(FEATURES, FEATURES, LABELS, k=[3], weights="uniform"),
    "labeled_draw": lambda: evaluation.labeled_draw(LABELS, 0.5),
    "linear_probe": lambda: evaluation.linear_probe(*SETS, validation=SETS[:2], epochs=6, standardize=True),
    "nearest_neighbors": lambda: evaluation.nearest_neighbors(FEATURES, FEATURES, k=3, exclude_self=True),
    "retrieval_scores": lambda: evaluation.retrieval_scores(FEATURES, LABELS, FEATURES, LABELS, topk=(1, 5)),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_float64_on_the_device(name):
    with NoFloat64():
        CALLS[name]()
