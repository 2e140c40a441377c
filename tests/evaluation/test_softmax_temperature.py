"""The temperature of a softmax: against a fine grid, and on scores whose right temperature is known."""

import pytest
import torch
from torch.nn import functional as F

from skelblocks.evaluation import ridge_probe, softmax_temperature


def test_no_temperature_of_a_fine_grid_is_better():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    labels = (scores + torch.randn(60, 4, generator=generator)).argmax(dim=1)
    found = softmax_temperature(scores, labels)
    least = min(float(F.cross_entropy(scores / each, labels)) for each in torch.logspace(-2, 2, 2001).double())
    assert float(F.cross_entropy(scores / found, labels)) <= least + 1e-9


@pytest.mark.parametrize("scale", [0.02, 1.0, 30.0])
def test_labels_that_follow_a_softmax_give_its_temperature(scale):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(20_000, 3, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    assert softmax_temperature(scale * logits, labels) == pytest.approx(scale, rel=0.05)


def test_the_ridge_probe_is_as_sure_as_it_is_right():
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(600) % 3
    features = F.one_hot(labels, 3) + 0.8 * torch.randn(600, 3, generator=generator)
    result = ridge_probe(features[:300], labels[:300], features[300:], labels[300:])
    sure = (result.logits / result.temperature).softmax(dim=1).amax(dim=1).mean()
    assert float(sure) == pytest.approx(result.accuracy, abs=0.05)


def test_what_is_refused():
    scores, labels = torch.eye(2), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="scores: expected finite numbers"):
        softmax_temperature(scores / 0, labels)
    with pytest.raises(ValueError, match="scores: expected 2 axes"):
        softmax_temperature(scores[0], labels)
    with pytest.raises(TypeError, match="scores: expected a floating-point tensor"):
        softmax_temperature(labels[None], labels)
    with pytest.raises(ValueError, match="labels: expected"):
        softmax_temperature(scores, labels + 1)
