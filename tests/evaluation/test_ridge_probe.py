"""The ridge probe against scikit-learn, which solves the same problem clip by clip and fold by fold."""

import numpy as np
import pytest
import torch

from skelblocks.evaluation import ridge_probe

linear_model = pytest.importorskip("sklearn.linear_model")


def clips(n, d, *, classes=3, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    features = torch.randn(n, d, generator=generator)
    features[:, :classes] += 1.5 * torch.nn.functional.one_hot(labels, classes)
    return features * scale, labels


@pytest.mark.parametrize(("n", "d"), [(40, 7), (30, 50)])
def test_leave_one_out_agrees_with_scikit_learn(n, d):
    (train, labels), (test, test_labels) = clips(n, d), clips(21, d, seed=1)
    result = ridge_probe(train, labels, test, test_labels)
    standardized = (train - train.mean(0)) / train.std(0, correction=0)
    reference = linear_model.RidgeClassifierCV(np.logspace(-3, 5, 15)).fit(
        standardized.double().numpy(), labels.numpy()
    )
    assert result.constant == pytest.approx(reference.alpha_)
    queries = ((test - train.mean(0)) / train.std(0, correction=0)).double().numpy()
    np.testing.assert_allclose(result.logits.numpy(), reference.decision_function(queries), atol=1e-4)


@pytest.mark.parametrize(("n", "d"), [(40, 7), (30, 50)])
def test_held_out_groups_agree_with_a_loop(n, d):
    train, labels = clips(n, d)
    groups = np.arange(n) % 5
    result = ridge_probe(train, labels, train, labels, groups=groups, folds=5, constants=(0.1, 10.0, 1000.0))
    for constant, share in result.validation.items():
        right = 0
        for held in range(5):
            inside, out = groups != held, groups == held
            mean, std = train[inside].mean(0), train[inside].std(0, correction=0)
            reference = linear_model.RidgeClassifier(constant)
            reference.fit(((train[inside] - mean) / std).double().numpy(), labels[inside].numpy())
            right += (reference.predict(((train[out] - mean) / std).double().numpy()) == labels[out].numpy()).sum()
        assert share == pytest.approx(right / n)
    assert result.validation[result.constant] == max(result.validation.values())


def test_scale_and_shift_of_features_do_not_matter():
    (train, labels), (test, test_labels) = clips(60, 8), clips(30, 8, seed=1)
    plain = ridge_probe(train, labels, test, test_labels)
    moved = ridge_probe(train * 1e-4 + 3, labels, test * 1e-4 + 3, test_labels)
    assert moved.constant == plain.constant
    torch.testing.assert_close(moved.logits, plain.logits, atol=2e-2, rtol=0)


def test_constant_features_do_not_matter():
    (train, labels), (test, test_labels) = clips(60, 8), clips(30, 8, seed=1)
    plain = ridge_probe(train, labels, test, test_labels)
    noise = 0.5 + 3e-8 * torch.randn(60, 1)
    padded = ridge_probe(
        torch.cat([train, noise], 1), labels, torch.cat([test, torch.full((30, 1), 0.5001)], 1), test_labels
    )
    torch.testing.assert_close(padded.logits, plain.logits, atol=1e-5, rtol=0)


def test_head_gives_the_logits_of_raw_features():
    (train, labels), (test, test_labels) = clips(60, 8, scale=40.0), clips(30, 8, seed=1, scale=40.0)
    result = ridge_probe(train, labels, test, test_labels)
    torch.testing.assert_close(result.head(test).detach(), result.logits, atol=1e-4, rtol=0)
    assert result.accuracy == (result.logits.argmax(1) == test_labels).float().mean()


def test_groups_stay_together():
    train, labels = clips(40, 6)
    # Each group is one class, so that no held-out clip can be told right from the others.
    alone = ridge_probe(train, labels, train, labels, groups=labels, constants=(1.0,))
    assert alone.validation[1.0] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": np.zeros(40)}, "groups: expected at least two, got one"),
        ({"groups": np.zeros(39)}, "groups: expected one for each of the 40 training clips, got shape"),
        ({"constants": (0.0, 1.0)}, "constants: expected numbers above 0"),
        ({"constants": ()}, "constants: expected numbers above 0"),
        ({"folds": 1}, "folds: expected an integer >= 2, got 1"),
        ({"num_classes": 2}, "labels"),
    ],
)
def test_wrong_arguments(change, message):
    train, labels = clips(40, 6)
    with pytest.raises(ValueError, match=message):
        ridge_probe(train, labels, train, labels, **change)


def test_features_that_are_not_finite():
    train, labels = clips(40, 6)
    broken = train.clone()
    broken[3, 2] = torch.nan
    with pytest.raises(ValueError, match="test_features: expected finite numbers"):
        ridge_probe(train, labels, broken, labels)
