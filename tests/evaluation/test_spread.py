"""Measures of features that need no labels, against loops in numpy."""

import math

import numpy as np
import pytest
import torch

from skelblocks.evaluation import alignment, effective_rank, uniformity


@pytest.fixture
def features():
    return torch.randn(30, 7, generator=torch.Generator().manual_seed(0))


def unit(x):
    return x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True)


def test_alignment_is_the_mean_squared_distance_of_unit_vectors(features):
    others = features + 0.3 * torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
    expected = np.mean([np.sum((a - b) ** 2) for a, b in zip(unit(features), unit(others), strict=True)])
    assert alignment(features, others) == pytest.approx(expected, rel=1e-5)
    assert alignment(features, 5 * features) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("sharpness", [0.5, 2.0])
def test_uniformity_is_the_potential_of_all_pairs(features, sharpness, monkeypatch):
    monkeypatch.setattr("skelblocks.evaluation.spread._ROWS", 8)
    x = unit(features)
    pairs = [math.exp(-sharpness * np.sum((x[i] - x[j]) ** 2)) for i in range(len(x)) for j in range(len(x)) if i != j]
    assert uniformity(features, sharpness=sharpness) == pytest.approx(math.log(np.mean(pairs)), rel=1e-5)


def test_uniformity_is_worst_where_all_clips_agree(features):
    assert uniformity(features[:1].expand(9, -1)) == pytest.approx(0, abs=1e-9)
    assert uniformity(features) < -1


def test_effective_rank_counts_directions():
    turned = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(2))).Q
    axes = torch.cat([torch.eye(3, 6), -torch.eye(3, 6)]) @ turned + 4
    assert effective_rank(axes) == pytest.approx(3, rel=1e-4)
    assert effective_rank(torch.ones(4, 3)) == 0
    values = np.linalg.svd(np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]]), compute_uv=False)
    share = values / values.sum()
    line = torch.tensor([[2.0, 0], [-2, 0], [0, 1], [0, -1]])
    assert effective_rank(line) == pytest.approx(math.exp(-(share * np.log(share)).sum()))


def test_what_is_no_set_of_features_is_refused(features):
    with pytest.raises(ValueError, match="at least two clips, got 1"):
        uniformity(features[:1])
    with pytest.raises(ValueError, match="at least two clips, got 0"):
        effective_rank(features[:0])
    with pytest.raises(ValueError, match="others"):
        alignment(features, features[:5])
    with pytest.raises(ValueError, match="NaN or infinite"):
        effective_rank(features * torch.nan)
    with pytest.raises(ValueError, match="sharpness"):
        uniformity(features, sharpness=0)
    with pytest.raises(TypeError, match="floating"):
        alignment(features.long(), features.long())
