"""Attention at the edges of a dtype: large features, small ones, and features of zeros."""

import pytest
import torch

from skelblocks import layouts
from skelblocks.attention import MHSAM, MsMAttention, energy_attention, motion_attention, soft_mask_pool
from skelblocks.encoders import decoupled_attention, pool


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def close(low, full, tolerance=0.02):
    assert low.isfinite().all()
    assert (low.float() - full.float()).norm() <= tolerance * full.float().norm()


@pytest.mark.parametrize("scale", ["part", "body"])
@pytest.mark.parametrize("value", [1e-4, 30000.0])
def test_groups_of_joints_are_averaged_within_the_range_of_float16(scale, value):
    attend = MsMAttention(8, layout="ntu-rgb+d", scales=(scale,)).half()
    torch.nn.init.zeros_(attend.conv_up.weight)
    torch.nn.init.constant_(attend.conv_up.bias, -20.0)  # gates close to zero: the pooled map comes out
    x = torch.full((1, 8, 2, 25), value).half()
    (y,) = attend(x)
    torch.testing.assert_close(y, x[..., : y.shape[-1]], rtol=2e-3, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_groups_of_joints_are_their_plain_means(dtype):
    attend = MsMAttention(8, layout="ntu-rgb+d").to(dtype)
    x = torch.randn(2, 8, 3, 25, dtype=dtype)
    for name in ("part", "body"):
        groups = layouts.get("ntu-rgb+d").groups(name)
        expected = torch.stack([x[..., list(group.joints)].mean(dim=-1) for group in groups], dim=-1)
        torch.testing.assert_close(attend._pool(x, name), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("normalization", ["node", "token"])
def test_features_of_zeros_have_the_cosine_zero(dtype, normalization):
    z = torch.zeros(2, 4, 5, 6, dtype=dtype, requires_grad=True)
    attended, weights = motion_attention(z, similarity="cosine", normalization=normalization)
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / 5))
    assert not attended.any()
    attended.sum().backward()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("unit", [1e-25, 1e-15])
def test_the_cosine_of_small_features_does_not_depend_on_their_unit(dtype, unit):
    z = torch.randn(2, 4, 5, 6, dtype=dtype)
    # Below the epsilon of the normalization, which is linear there.
    _, expected = motion_attention(1e-8 * z, similarity="cosine")
    _, weights = motion_attention(unit * z, similarity="cosine")
    torch.testing.assert_close(weights, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [1e-3, 1.0, 1e4])
def test_half_precision_follows_float32(dtype, value):
    z = (value * torch.randn(8, 8, 6, 25)).to(dtype)
    for options in ({}, {"segment": 4}, {"normalization": "token"}, {"similarity": "cosine"}):
        for low, full in zip(motion_attention(z, **options), motion_attention(z.float(), **options), strict=True):
            close(low, full, 0.1)
    torch.testing.assert_close(energy_attention(z), energy_attention(z.float()))
    mask = torch.rand(2, 4, 8, 6, 25).to(dtype)
    z = z.unflatten(0, (2, 4))
    close(pool(z.abs()), pool(z.abs().float()))
    for low, full in zip(soft_mask_pool(z.abs(), mask), soft_mask_pool(z.abs().float(), mask.float()), strict=True):
        close(low, full)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_soft_mask_of_large_features(dtype):
    module = MHSAM(16, num_heads=2)
    x = (1e4 * torch.randn(2, 16, 4, 5)).to(dtype)
    close(module.to(dtype)(x), module.float()(x.float()))


@pytest.mark.parametrize("over", ["joints", "frames"])
@pytest.mark.parametrize("value", [0.02, 1.0, 200.0])
def test_decoupled_attention_of_large_queries(over, value):
    x = torch.randn(1, 2, 64, 25)
    query = value * torch.randn(1, 1, 64, 64, 25)
    key = query.clone()
    key[..., 1::2] *= -1
    alpha = torch.ones(1)
    full = decoupled_attention(x, query.half().float(), key.half().float(), alpha=alpha, over=over)
    close(decoupled_attention(x.half(), query.half(), key.half(), alpha=alpha.half(), over=over), full, 0.05)
