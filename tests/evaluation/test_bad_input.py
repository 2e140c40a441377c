"""Whatever is passed, an error names the argument and what was expected."""

import numpy as np
import pytest
import torch

from skelblocks import evaluation

F = torch.randn(20, 4)
Y = torch.arange(20) % 3
CALLS = {
    "acc k float": lambda: evaluation.accuracy(F, Y, topk=(1.0,)),
    "acc labels list": lambda: evaluation.accuracy(F, [0] * 20),
    "knn k str": lambda: evaluation.knn_predict(F, F, Y, k="5"),
    "knn None k": lambda: evaluation.knn_predict(F, F, Y, k=None),
    "knn temp str": lambda: evaluation.knn_predict(F, F, Y, temperature="a", k=1),
    "knn bank np": lambda: evaluation.knn_predict(F, F.numpy(), Y, k=1),
    "ret topk int": lambda: evaluation.retrieval_scores(F, Y, F, Y, topk=5),
    "nn k None": lambda: evaluation.nearest_neighbors(F, F, k=None),
    "probe milestones int": lambda: evaluation.linear_probe(F, Y, F, Y, milestones=80),
    "probe validation one": lambda: evaluation.linear_probe(F, Y, F, Y, validation=F),
    "probe lr nan": lambda: evaluation.linear_probe(F, Y, F, Y, learning_rate=float("nan")),
    "probe lr str": lambda: evaluation.linear_probe(F, Y, F, Y, learning_rate="a"),
    "probe nan ms": lambda: evaluation.linear_probe(F, Y, F, Y, milestones=(float("nan"),)),
    "clu seeds int": lambda: evaluation.cluster_scores(F, Y, seeds=3),
    "draw frac str": lambda: evaluation.labeled_draw(Y, "0.1"),
    "draw nan": lambda: evaluation.labeled_draw(Y, float("nan")),
    "boot level str": lambda: evaluation.bootstrap_interval([1, 0], level="a"),
    "boot none": lambda: evaluation.bootstrap_interval(None),
    "boot str": lambda: evaluation.bootstrap_interval("abc"),
    "boot groups scalar": lambda: evaluation.bootstrap_interval([1, 0], groups=3),
    "boot ragged": lambda: evaluation.bootstrap_interval([[1], [1, 2]]),
    "pair": lambda: evaluation.paired_bootstrap([1, 0], [1]),
    "seeds nan": lambda: evaluation.summarize_seeds([float("nan")]),
    "seeds masked": lambda: evaluation.summarize_seeds(np.ma.masked_equal([1, 2], 2)),
    "fuse list": lambda: evaluation.fuse_scores([F]),
    "fuse w str": lambda: evaluation.fuse_scores(
        {"joint": evaluation.StreamScores(["a"], F[:1])}, weights={"joint": "a"}
    ),
    "fuse names none": lambda: evaluation.fuse_scores({"joint": evaluation.StreamScores(None, F[:1])}),
    "feat bs": lambda: evaluation.extract_features(
        torch.nn.Flatten(), torch.randn(2, 3, 2, 2, 1), batch_size=float("nan")
    ),
    "cost": lambda: evaluation.model_cost(torch.nn.Linear(2, 2), torch.zeros(1, 2), convention=None),
    "report names none": lambda: evaluation.classification_report(F, Y, class_names=[None] * 4),
}


@pytest.mark.parametrize("name", CALLS)
def test_says_what_was_expected(name):
    with pytest.raises((TypeError, ValueError), match=r"^\w+(\[.*\])?(\.\w+)?: expected |^learning_rate: "):
        CALLS[name]()
