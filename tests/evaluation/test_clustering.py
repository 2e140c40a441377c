import itertools
import math
import pickle
import random
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.evaluation import ClusterScores, cluster_scores
from skelblocks.evaluation.clustering import _assigned_share
from skelblocks.testing import with_cuda

pytest.importorskip("sklearn")


def blobs(n=90, d=8, classes=3, seed=0, spread=0.3):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.nn.functional.normalize(torch.randn(classes, d, generator=torch.Generator().manual_seed(1)), dim=1)
    labels = torch.arange(n) % classes
    return centers[labels] + spread * torch.randn(n, d, generator=generator), labels


def global_states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


def reference(truth, found):
    """The three measures from their definitions, by counting pairs and trying every assignment."""
    n = len(truth)
    classes, clusters = sorted(set(truth)), sorted(set(found))
    joint = {
        (a, b): sum(t == a and f == b for t, f in zip(truth, found, strict=True)) / n for a in classes for b in clusters
    }
    p, q = {a: truth.count(a) / n for a in classes}, {b: found.count(b) / n for b in clusters}
    information = sum(v * math.log(v / (p[a] * q[b])) for (a, b), v in joint.items() if v)
    entropies = [-sum(v * math.log(v) for v in shares.values()) for shares in (p, q)]
    nmi = information / (sum(entropies) / 2)

    pairs = list(itertools.combinations(range(n), 2))
    together_truth = sum(truth[i] == truth[j] for i, j in pairs)
    together_found = sum(found[i] == found[j] for i, j in pairs)
    both = sum(truth[i] == truth[j] and found[i] == found[j] for i, j in pairs)
    chance = together_truth * together_found / len(pairs)
    rand = (both - chance) / ((together_truth + together_found) / 2 - chance)
    return nmi, rand, best_share(truth, found)


def best_share(truth, found):
    classes, clusters = sorted(set(truth)), sorted(set(found))
    pad = [None] * max(0, len(classes) - len(clusters))
    return max(
        sum((t, f) in set(zip(classes, chosen, strict=False)) for t, f in zip(truth, found, strict=True)) / len(truth)
        for chosen in itertools.permutations(clusters + pad, len(classes))
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=25))
@settings(max_examples=60, deadline=None)
def test_the_assignment_is_the_best_of_all(pairs):
    truth, found = map(list, zip(*pairs, strict=True))
    assert _assigned_share(np.array(truth), np.array(found)) == pytest.approx(best_share(truth, found))


@pytest.mark.parametrize("num_clusters", [None, 2, 5])
def test_equals_the_definitions_on_the_clusters_of_k_means(num_clusters):
    from sklearn.cluster import KMeans

    features, labels = blobs(n=60, spread=0.6)
    got = cluster_scores(features, labels, num_clusters=num_clusters, seeds=(3, 8))
    unit = (features.double() / features.double().norm(dim=1, keepdim=True)).numpy()
    for seed, run in zip((3, 8), got.runs, strict=True):
        found = KMeans(num_clusters or 3, n_init=1, random_state=seed).fit_predict(unit)
        assert run == pytest.approx(reference(labels.tolist(), found.tolist()))
    assert got[:3] == pytest.approx(tuple(sum(column) / 2 for column in zip(*got.runs, strict=True)))


def test_separate_classes_are_found_and_noise_is_not():
    features, labels = blobs(spread=0.05)
    assert cluster_scores(features, labels, seeds=(4,))[:3] == pytest.approx((1.0, 1.0, 1.0))
    noise = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    scores = cluster_scores(noise, torch.arange(300) % 3)
    assert abs(scores.adjusted_rand) < 0.05
    assert scores.accuracy < 0.5


def test_numbers_of_classes_and_a_rotation_do_not_matter():
    features, labels = blobs(spread=0.4)
    expected = cluster_scores(features, labels)
    assert cluster_scores(features, (labels * 7 + 2).to(torch.int16)) == expected
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)).Q
    assert cluster_scores(features.double() @ turn, labels)[:3] == pytest.approx(expected[:3])


def test_length_matters_only_where_it_is_kept():
    generator = torch.Generator().manual_seed(0)
    features, labels = blobs(spread=0.05)
    scaled = features * (0.01 + torch.rand(90, 1, generator=generator) * 20)
    assert cluster_scores(scaled, labels).accuracy == pytest.approx(cluster_scores(features, labels).accuracy)
    assert cluster_scores(scaled, labels, normalize=False).accuracy < 0.9


def test_repeats_exactly_and_leaves_every_global_generator_alone():
    features, labels = blobs(spread=0.8)
    before = global_states()
    first = cluster_scores(features.requires_grad_(), labels)
    assert cluster_scores(features, labels) == first
    assert len(set(first.runs)) > 1  # the seeds do something
    assert global_states() == before
    assert isinstance(first, ClusterScores)
    assert pickle.loads(pickle.dumps(first)) == first


def test_five_starts_by_default():
    features, labels = blobs(spread=0.8)
    assert cluster_scores(features, labels) == cluster_scores(features, labels, seeds=(0, 1, 2, 3, 4))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_features_are_clustered_in_double_precision(dtype):
    features, labels = blobs()
    features = features.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = cluster_scores(features, labels, seeds=(0,))
    assert got == cluster_scores(features.double(), labels, seeds=(0,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.zeros(4, 3, 1)}, "features: expected 2 axes"),
        ({"features": torch.full((4, 3), torch.inf)}, "features: expected finite numbers"),
        ({"labels": torch.arange(3)}, "labels: .* axis 'n' is 3, not 4"),
        ({"num_clusters": 5}, "num_clusters: expected at most 4, the number of samples, got 5"),
        ({"num_clusters": 0}, "num_clusters: expected an integer >= 1"),
        ({"seeds": ()}, "seeds: expected at least one"),
        ({"seeds": (-1,)}, "seeds: expected an integer >= 0"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, message):
    arguments = {"features": torch.eye(4, 3), "labels": torch.tensor([0, 1, 0, 1]), **change}
    with pytest.raises(ValueError, match=message):
        cluster_scores(**arguments)


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="features: expected a floating-point tensor"):
        cluster_scores(torch.zeros(4, 3, dtype=torch.long), torch.arange(4))
    with pytest.raises(TypeError, match="seeds: expected an integer"):
        cluster_scores(torch.eye(4), torch.arange(4), seeds=(0.5,))


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match=r'pip install "skelblocks\[eval\]"'):
        cluster_scores(torch.eye(4), torch.arange(4))


@with_cuda
def test_the_same_on_cuda():
    features, labels = blobs()
    assert cluster_scores(features.cuda(), labels.cuda()) == cluster_scores(features, labels)
