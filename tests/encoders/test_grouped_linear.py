"""Products of groups equal the sum over channels, by either library."""

import pytest
import torch

from skelblocks.encoders.grouped_linear import by_convolution, grouped_linear


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def arguments(a, b, g, c, o, dtype=torch.float32):
    return torch.randn(a, b, g, c, dtype=dtype), torch.randn(g, o, c, dtype=dtype)


@pytest.mark.parametrize(("a", "b", "fast"), [(16, 8, True), (15, 8, False), (16, 7, False)])
@pytest.mark.parametrize("groups", [1, 3])
def test_values_and_gradients_equal_the_sum_over_channels(a, b, fast, groups):
    x, weight = (each.requires_grad_() for each in arguments(a, b, groups, 4, 5))
    assert by_convolution(x) is fast
    found, expected = grouped_linear(x, weight), torch.einsum("abgc, goc -> abgo", x, weight)
    weights = torch.randn_like(found)
    gradients = torch.autograd.grad((found * weights).sum(), (x, weight))
    exact = torch.autograd.grad((expected * weights).sum(), (x, weight))
    for first, second in zip((found, *gradients), (expected, *exact), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("strides", ["contiguous", "transposed", "expanded"])
def test_any_strides(strides):
    x, weight = arguments(16, 8, 3, 4, 5)
    if strides == "transposed":
        x = x.permute(2, 0, 1, 3).contiguous().permute(1, 2, 0, 3)
    elif strides == "expanded":
        x = x[:, :1].expand(-1, 8, -1, -1)
    torch.testing.assert_close(grouped_linear(x, weight), torch.einsum("abgc, goc -> abgo", x, weight))
    if strides == "contiguous":
        assert grouped_linear(x, weight).is_contiguous()


def test_gradients_of_both_orders_of_the_convolution():
    x, weight = (each.requires_grad_() for each in arguments(16, 8, 2, 2, 3))
    y = grouped_linear(x, weight)
    (of_x,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    second = torch.autograd.grad(of_x.square().sum(), (x, weight))
    y = torch.einsum("abgc, goc -> abgo", x, weight)
    (of_x,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    for found, expected in zip(second, torch.autograd.grad(of_x.square().sum(), (x, weight)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


def test_steps_back_where_a_convolution_is_no_gain():
    x, _ = arguments(16, 8, 1, 4, 5)
    assert by_convolution(x)
    assert not by_convolution(x.double())
    assert not by_convolution(x.bfloat16())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not by_convolution(x)
    with torch.backends.mkldnn.flags(enabled=False):
        assert not by_convolution(x)


def test_vmap_equals_the_calls_one_by_one():
    x, weight = arguments(16, 8, 2, 4, 5)
    batched = torch.func.vmap(grouped_linear, in_dims=(0, None))(x[None], weight)
    torch.testing.assert_close(batched[0], grouped_linear(x, weight))
