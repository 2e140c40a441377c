"""VICReg's loss against plain loops, and at points whose value is known."""

import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.losses import VarianceCovarianceLoss, variance_covariance_loss


def reference(first, second, *, weights, form, eps):
    """Feature by feature, in Python floats."""
    views = [first.tolist(), second.tolist()]
    n, d = len(views[0]), len(views[0][0])
    squares = [(a - b) ** 2 for x, y in zip(*views, strict=True) for a, b in zip(x, y, strict=True)]
    distance = sum(squares) / n / (d if form == "official" else 1)
    variance = covariance = 0.0
    for view in views:
        columns = [list(column) for column in zip(*view, strict=True)]
        lack = [max(0.0, 1 - math.sqrt(statistics.variance(column) + eps)) for column in columns]
        variance += sum(lack) / d / (2 if form == "official" else 1)
        pairs = [(a, b) for i, a in enumerate(columns) for j, b in enumerate(columns) if i != j]
        products = [
            sum((p - statistics.fmean(a)) * (q - statistics.fmean(b)) for p, q in zip(a, b, strict=True))
            for a, b in pairs
        ]
        covariance += sum((product / (n - 1)) ** 2 for product in products) / d
    return weights[0] * distance + weights[1] * variance + weights[2] * covariance


def keywords(weights):
    return dict(zip(("invariance_weight", "variance_weight", "covariance_weight"), weights, strict=True))


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(2, 8),
    d=st.integers(1, 6),
    weights=st.sampled_from([(25.0, 25.0, 1.0), (0.0, 1.0, 0.5), (1.0, 0.0, 0.0)]),
    form=st.sampled_from(["paper", "official"]),
    eps=st.sampled_from([1e-4, 0.1]),
    seed=st.integers(0, 2**31),
)
def test_equals_the_slow_reference(n, d, weights, form, eps, seed):
    first, second = torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    options = {**keywords(weights), "form": form, "eps": eps}
    loss = variance_covariance_loss(first, second, **options)
    expected = reference(first, second, weights=weights, form=form, eps=eps)
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-11)
    assert VarianceCovarianceLoss(**options)(first, second).equal(loss)
    torch.testing.assert_close(variance_covariance_loss(second, first, **options), loss)
    order = torch.randperm(n)
    torch.testing.assert_close(variance_covariance_loss(first[order], second[order], **options), loss)


def test_the_defaults_are_those_of_the_paper():
    first, second = torch.randn(2, 6, 3, dtype=torch.float64) / 100
    expected = reference(first, second, weights=(25.0, 25.0, 1.0), form="paper", eps=1e-4)
    for loss in (variance_covariance_loss, VarianceCovarianceLoss()):
        assert loss(first, second).item() == pytest.approx(expected, rel=1e-9)


def test_collapsed_features_cost_and_have_a_finite_gradient():
    collapsed = torch.full((5, 4), 0.25, requires_grad=True)
    loss = variance_covariance_loss(collapsed, collapsed, invariance_weight=0)
    loss.backward()
    assert loss.item() == pytest.approx(2 * 25 * 0.99, rel=1e-5)
    assert collapsed.grad.isfinite().all()


def test_features_that_repeat_each_other_cost_their_covariance():
    column = torch.tensor([-2.0, 2.0, -2.0, 2.0], dtype=torch.float64)
    repeated = torch.stack([column, column], dim=1)
    loss = variance_covariance_loss(repeated, repeated)
    assert loss.item() == pytest.approx(2 * (16 / 3) ** 2)  # two pairs over two features, in both views


def test_gradients_reach_both_views():
    first, second = (x.requires_grad_() for x in torch.randn(2, 5, 4, dtype=torch.float64))
    assert torch.autograd.gradcheck(variance_covariance_loss, (first, second))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_compute_in_float32(dtype):
    first, second = (x.to(dtype) for x in torch.randn(2, 64, 32))
    expected = variance_covariance_loss(first.double(), second.double()).float()
    with torch.autocast("cpu", dtype=dtype):
        for loss in (variance_covariance_loss(first, second), variance_covariance_loss(first.float(), second)):
            assert loss.dtype == torch.float32
            torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        ((1, 4), (1, 4), {}, r"first: expected at least two samples, got shape \(1, 4\); a batch of 1 has no variance"),
        ((3, 4), (2, 4), {}, "second: .* axis 'n' is 2, not 3"),
        ((3, 4), (3, 5), {}, "second: .* axis 'd' is 5, not 4"),
        ((3, 4, 1), (3, 4), {}, r"first: expected 2 axes \(n, d\)"),
        ((3, 4), (3, 4), {"eps": 0.0}, "eps: expected a number > 0"),
        ((3, 4), (3, 4), {"form": "code"}, "form: expected one of 'paper', 'official'"),
        ((3, 4), (3, 4), {"variance_weight": -1.0}, "variance_weight: expected a finite number >= 0"),
        ((3, 4), (3, 4), {"covariance_weight": math.nan}, "covariance_weight: expected a finite number >= 0"),
    ],
)
def test_what_is_refused(first, second, options, message):
    with pytest.raises(ValueError, match=message):
        variance_covariance_loss(torch.zeros(first), torch.zeros(second), **options)
    if options:
        with pytest.raises(ValueError, match=message):
            VarianceCovarianceLoss(**options)


def test_integers_are_refused():
    with pytest.raises(TypeError, match="second: expected a floating-point"):
        variance_covariance_loss(torch.zeros(3, 4), torch.zeros(3, 4, dtype=torch.int64))
