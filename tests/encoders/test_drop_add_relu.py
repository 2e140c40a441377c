"""The fused end of a block equals its steps, draws what it should, and keeps little for backward."""

import pytest
import torch
from torch.nn import functional as F

from skelblocks.encoders.drop_add_relu import drop_add_relu, keep_mask


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def reference(x, residual, mask, keep, slope):
    """One value at a time."""
    values = []
    for i, value in enumerate(x.flatten()):
        y = value / keep if mask.flatten()[i] else 0 * value
        y = y if residual is None else y + residual.flatten()[i]
        values.append(y if y > 0 else slope * y)
    return torch.stack(values).view(x.shape)


@pytest.mark.parametrize("p", [0.5, 0.3])
@pytest.mark.parametrize("slope", [0.0, 0.1])
@pytest.mark.parametrize("with_residual", [False, True])
def test_values_and_gradients_equal_the_slow_reference(p, slope, with_residual):
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    residual = torch.randn_like(x, requires_grad=True) if with_residual else None
    inputs = [x, residual] if with_residual else [x]
    torch.manual_seed(1)
    mask, keep = keep_mask(x, p)
    expected = reference(x, residual, mask, keep, slope)
    torch.manual_seed(1)
    found = drop_add_relu(x, residual, p=p, slope=slope)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn_like(x)
    for a, b in zip(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_gradients_of_both_orders(slope):
    x, residual = (torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def seeded(x, residual):
        torch.manual_seed(1)
        return drop_add_relu(x, residual, p=0.3, slope=slope)

    assert torch.autograd.gradcheck(seeded, (x, residual))
    assert torch.autograd.gradgradcheck(seeded, (x, residual))


@pytest.mark.parametrize("p", [0.5, 0.3, 0.001])
def test_mask_has_the_rate_the_strides_and_the_seed(p):
    x = torch.randn(20, 40, 30, 25).contiguous(memory_format=torch.channels_last)
    mask, keep = keep_mask(x, p)
    assert keep == pytest.approx(1 - p, abs=2**-17)
    assert mask.stride() == x.stride()
    assert mask.float().mean().item() == pytest.approx(keep, abs=4 * (p * keep / mask.numel()) ** 0.5)
    ordered = mask.permute(0, 2, 3, 1).flatten().float()
    for lag in (1, 2, 4, 8):  # the bytes of one draw depend on each other no more than other draws
        together = (ordered[lag:] * ordered[:-lag]).mean().item()
        assert together == pytest.approx(keep**2, abs=0.003)
    torch.manual_seed(2)
    first = keep_mask(x, p)[0]
    torch.manual_seed(2)
    assert keep_mask(x, p)[0].equal(first)
    assert not keep_mask(x, p)[0].equal(first)


def test_every_byte_of_a_draw_decides_alike():
    kept = keep_mask(torch.zeros(1000, 8), 0.5)[0].float().mean(dim=0)
    torch.testing.assert_close(kept, torch.full((8,), 0.5), rtol=0, atol=0.07)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_mean_is_kept_in_every_dtype(dtype):
    y = drop_add_relu(torch.ones(100, 100, dtype=dtype), torch.zeros(100, 100, dtype=dtype), p=0.3)
    assert y.dtype == dtype
    assert y.float().mean().item() == pytest.approx(1, abs=0.03)
    assert len(y.unique()) == 2


def test_dtypes_are_promoted_like_a_sum():
    branch, residual = torch.ones(4, 4, dtype=torch.bfloat16, requires_grad=True), torch.ones(4, 4, requires_grad=True)
    y = drop_add_relu(branch, residual, p=0.5)
    y.sum().backward()
    assert y.dtype == torch.float32
    assert branch.grad.dtype == torch.bfloat16
    assert set(y.flatten().tolist()) <= {1.0, 3.0}


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_without_dropout_it_is_the_plain_form(slope):
    x, residual = torch.randn(3, 4), torch.randn(3, 4)
    untouched = x.clone()
    for p, training in ((0.0, True), (0.3, False)):
        y = drop_add_relu(x, residual, p=p, training=training, slope=slope)
        assert y.equal(F.leaky_relu(x + residual, slope))
        assert drop_add_relu(x, p=p, training=training, slope=slope).equal(F.leaky_relu(x, slope))
    assert not drop_add_relu(x, p=1.0).any()
    assert x.equal(untouched)


def test_nan_and_infinity_are_not_hidden():
    x = torch.full((64,), float("nan"))
    assert drop_add_relu(x, x, p=0.5).isnan().all()
    assert (drop_add_relu(torch.full((64,), -float("inf")), torch.zeros(64), p=2**-20) == 0).all()


def test_strides_are_those_of_the_branch():
    x = torch.randn(2, 3, 4, 5)
    last = x.contiguous(memory_format=torch.channels_last)
    assert drop_add_relu(last, x, p=0.5).stride() == last.stride()
    assert drop_add_relu(x, last, p=0.5).stride() == x.stride()


def test_empty_input():
    assert drop_add_relu(torch.zeros(0, 3), p=0.5).shape == (0, 3)


def test_transforms_take_the_plain_form():
    x = torch.randn(3, 4)
    y = torch.vmap(lambda row: drop_add_relu(row, p=0.5), randomness="different")(x)
    assert y.shape == x.shape
    tangent = torch.func.jvp(lambda x: drop_add_relu(x, x, p=0.5).sum(), (x,), (torch.ones_like(x),))[1]
    assert tangent.isfinite()
    gradient = torch.func.grad(lambda x: drop_add_relu(x, x, p=0.5).sum())(x)
    assert gradient.shape == x.shape


@pytest.mark.slow
def test_compiles_without_a_break():
    x = torch.randn(3, 4, requires_grad=True)
    y = torch.compile(lambda x: drop_add_relu(x, x, p=0.5, slope=0.1), fullgraph=True)(x)
    y.sum().backward()
    assert x.grad.shape == x.shape


def test_backward_keeps_the_mask_in_bytes_and_the_result():
    x = torch.randn(10, 10, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.nbytes) or t, lambda t: t):
        drop_add_relu(x, torch.zeros(10, 10), p=0.5)
    assert sum(kept) == 100 + 400
