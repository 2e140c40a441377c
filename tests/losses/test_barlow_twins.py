import math
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skelblocks.losses import BarlowTwinsLoss, barlow_twins_loss

GOLDEN = Path(__file__).parents[1] / "golden" / "pstl_f64.npz"


def reference(first, second, *, off_diagonal_weight, eps):
    """One pair of features at a time, in Python floats."""

    def standardized(x):
        columns = x.T.tolist()
        return [[(v - statistics.fmean(c)) / (statistics.pvariance(c) + eps) ** 0.5 for v in c] for c in columns]

    total = 0.0
    for i, a in enumerate(standardized(first)):
        for j, b in enumerate(standardized(second)):
            c = sum(p * q for p, q in zip(a, b, strict=True)) / len(a)
            total += (c - 1) ** 2 if i == j else off_diagonal_weight * c**2
    return total


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(2, 8),
    d=st.integers(1, 6),
    weight=st.sampled_from([0.0, 2e-4, 1.0]),
    eps=st.sampled_from([1e-5, 0.1]),
    seed=st.integers(0, 2**31),
)
def test_equals_the_slow_reference(n, d, weight, eps, seed):
    first, second = torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    options = {"off_diagonal_weight": weight, "eps": eps}
    loss = barlow_twins_loss(first, second, **options)
    assert loss.item() == pytest.approx(reference(first, second, **options), rel=1e-9, abs=1e-11)
    assert BarlowTwinsLoss(**options)(first, second).equal(loss)
    torch.testing.assert_close(barlow_twins_loss(second, first, **options), loss)
    order = torch.randperm(n)
    torch.testing.assert_close(barlow_twins_loss(first[order], second[order], **options), loss)


def test_the_defaults_are_those_of_the_released_code():
    first, second = torch.randn(2, 6, 3, dtype=torch.float64) / 100  # so small that eps counts
    expected = reference(first, second, off_diagonal_weight=2e-4, eps=1e-5)
    for loss in (barlow_twins_loss, BarlowTwinsLoss()):
        assert loss(first, second).item() == pytest.approx(expected, rel=1e-9)


def test_zero_for_agreeing_decorrelated_features_whatever_their_scale_and_offset():
    signs = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    assert barlow_twins_loss(5 * signs + 2, 7 * signs - 1, off_diagonal_weight=1.0, eps=1e-12) < 1e-15
    same = signs[:, :1].expand(4, 3)  # perfect agreement, complete redundancy
    redundant = barlow_twins_loss(same, same, off_diagonal_weight=0.5, eps=1e-12)
    torch.testing.assert_close(redundant, torch.tensor(3.0, dtype=torch.float64))


def test_a_feature_that_does_not_vary_counts_as_uncorrelated_and_has_a_finite_gradient():
    first, second = (x.requires_grad_() for x in torch.randn(2, 6, 4))
    constant = torch.cat((first[:, :3], torch.full((6, 1), 0.25)), dim=1)
    loss = barlow_twins_loss(constant, second, off_diagonal_weight=0.0)
    torch.testing.assert_close(loss, 1 + barlow_twins_loss(first[:, :3], second[:, :3], off_diagonal_weight=0.0))
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (first, second)))


def test_gradients_reach_both_views_and_inputs_stay():
    first, second = (x.requires_grad_() for x in torch.randn(2, 5, 4, dtype=torch.float64))
    before = first.detach().clone(), second.detach().clone()
    assert torch.autograd.gradcheck(lambda a, b: barlow_twins_loss(a, b, off_diagonal_weight=0.3), (first, second))
    assert torch.autograd.gradgradcheck(lambda a, b: barlow_twins_loss(a, b, off_diagonal_weight=0.3), (first, second))
    assert first.equal(before[0])
    assert second.equal(before[1])


def official_projector(golden):
    layers = [nn.Linear(16, 12, bias=False), nn.BatchNorm1d(12), nn.ReLU()]
    layers += [nn.Linear(12, 12, bias=False), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 12, bias=False)]
    projector = nn.Sequential(*layers).double()
    prefix = "sd/projector."
    projector.load_state_dict({k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)})
    return projector


def test_equals_the_official_loss_and_gradients_behind_the_projector():
    with np.load(GOLDEN) as file:
        golden = {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}
    assert golden["lambd"] == BarlowTwinsLoss().off_diagonal_weight
    projector = official_projector(golden)
    f1, f2 = (golden[name].clone().requires_grad_() for name in ("f1", "f2"))
    loss = BarlowTwinsLoss()(projector(f1), projector(f2))
    loss.backward()
    for ours, name in ((loss, "loss"), (f1.grad, "grad1"), (f2.grad, "grad2")):
        torch.testing.assert_close(ours, golden[name], rtol=1e-9, atol=1e-10)


def test_has_no_state_and_is_the_same_in_train_and_eval():
    module, (first, second) = BarlowTwinsLoss(), torch.randn(2, 6, 4)
    assert not module.state_dict()
    assert module.train()(first, second).equal(module.eval()(first, second))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_compute_in_float32(dtype):
    first, second = (x.to(dtype) for x in torch.randn(2, 64, 32))
    expected = barlow_twins_loss(first.double(), second.double()).float()
    with torch.autocast("cpu", dtype=dtype):
        loss = barlow_twins_loss(first, second)
        mixed = barlow_twins_loss(first.float(), second)
    for value in (loss, mixed):
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        ((1, 4), (1, 4), {}, r"first: expected at least two samples, got shape \(1, 4\); a batch of 1 has no variance"),
        ((0, 4), (0, 4), {}, "first: expected at least two samples"),
        ((3, 4), (2, 4), {}, "second: .* axis 'n' is 2, not 3"),
        ((3, 4), (3, 5), {}, "second: .* axis 'd' is 5, not 4"),
        ((3, 4, 1), (3, 4), {}, r"first: expected 2 axes \(n, d\)"),
        ((3, 4), (3, 4), {"eps": 0.0}, "eps: expected a number > 0"),
        ((3, 4), (3, 4), {"off_diagonal_weight": -1.0}, "off_diagonal_weight: expected a finite number >= 0"),
        ((3, 4), (3, 4), {"off_diagonal_weight": math.inf}, "off_diagonal_weight: expected a finite number .* got inf"),
    ],
)
def test_what_is_refused(first, second, options, message):
    with pytest.raises(ValueError, match=message):
        barlow_twins_loss(torch.zeros(first), torch.zeros(second), **options)
    if options:
        with pytest.raises(ValueError, match=message):
            BarlowTwinsLoss(**options)


def test_integers_are_refused():
    for given_, name in (((torch.int64, torch.float32), "first"), ((torch.float32, torch.int64), "second")):
        with pytest.raises(TypeError, match=f"{name}: expected a floating-point"):
            barlow_twins_loss(*(torch.zeros(3, 4, dtype=dtype) for dtype in given_))
