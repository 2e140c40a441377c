from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from skelblocks import layouts
from skelblocks.attention import actionlet_mask, actionlet_pool
from skelblocks.encoders import Pool

GOLDEN = Path(__file__).parents[1] / "golden" / "actclr_f64.npz"
CLOSE = {"rtol": 1e-9, "atol": 1e-10}


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


def linear_embed(weight, bias=None):
    head = nn.Linear(*weight.shape[::-1], bias=bias is not None).double()
    with torch.no_grad():
        head.weight.copy_(weight)
        if bias is not None:
            head.bias.copy_(bias)
    return nn.Sequential(Pool(), head)


def example(n=2, m=2, c=4, t=3, v=15, d=3):
    torch.manual_seed(0)
    return torch.randn(n, m, c, t, v).double().relu(), torch.randn(d).double(), linear_embed(torch.randn(d, c).double())


def slow_mask(feature_map, anchor, weight, groups):
    """From the closed form of the cosine's gradient, place by place."""
    n, m, c, t, v = feature_map.shape
    mask = torch.zeros(n, m, 1, t, v, dtype=torch.float64)
    for i in range(n):
        z = weight @ feature_map[i].mean(dim=(0, 2, 3))
        unit, target = z / z.norm(), anchor / anchor.norm()
        by_embedding = -(target - (unit @ target) * unit) / z.norm()  # of 1 - cos
        by_feature = weight.T @ by_embedding / (m * t * v)
        for person in range(m):
            for frame in range(t):
                for group in groups:
                    cams = []
                    for joint in group.joints:
                        products = [by_feature[k] * feature_map[i, person, k, frame, joint] for k in range(c)]
                        cams.append(max(float(sum(products).detach()) / c, 0.0))
                    for joint in group.joints:
                        mask[i, person, 0, frame, joint] = sum(cams) / len(cams)
    return mask


@pytest.mark.parametrize("smooth", ["joint", "part", "body"])
def test_mask_equals_the_slow_loop(smooth):
    feature_map, anchor, embed = example()
    expected = slow_mask(feature_map, anchor, embed[1].weight, layouts.get("sbu").groups(smooth))
    assert (expected > 0).any()
    options = {"layout": "sbu", "smooth": smooth}
    largest = expected.flatten(2).amax(dim=2).view(2, 2, 1, 1, 1)
    torch.testing.assert_close(actionlet_mask(feature_map, anchor, embed, gain=None, **options), expected / largest)
    small = 0.5 / float(expected.max())
    torch.testing.assert_close(actionlet_mask(feature_map, anchor, embed, gain=small, **options), small * expected)
    clipped = actionlet_mask(feature_map, anchor, embed, gain=4 * small, **options)
    torch.testing.assert_close(clipped, (4 * small * expected).clamp(max=1))


def test_mask_and_pooling_equal_the_released_code(golden):
    """With its embedding normalized along the embedding's axis; its gain is for the mean over the batch."""
    feature_map, embed = golden["map"], linear_embed(golden["weight"], golden["bias"])
    n = feature_map.shape[0]
    for name, gain in (("mask", 1e8), ("soft", 1e3)):
        mask = actionlet_mask(feature_map, golden["anchor"], embed, layout="ntu-rgb+d", gain=gain / n)
        torch.testing.assert_close(mask, golden[name], **CLOSE)
    torch.testing.assert_close(actionlet_pool(feature_map, golden["soft"]), golden["pooled"], **CLOSE)


def test_mask_does_not_depend_on_other_clips():
    feature_map, anchor, embed = example(n=3)
    mask = actionlet_mask(feature_map, anchor, embed, layout="sbu", gain=None)
    for i in range(3):
        alone = actionlet_mask(feature_map[i : i + 1], anchor, embed, layout="sbu", gain=None)
        torch.testing.assert_close(alone, mask[i : i + 1])
    each = actionlet_mask(feature_map, anchor.expand(3, -1), embed, layout="sbu", gain=None)
    torch.testing.assert_close(each, mask)


def test_mask_leaves_no_gradients_and_works_without_them():
    feature_map, anchor, embed = example()
    expected = actionlet_mask(feature_map, anchor, embed, layout="sbu")
    feature_map.requires_grad_()
    for context in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with context:
            mask = actionlet_mask(feature_map * 1, anchor, embed, layout="sbu")
        assert mask.equal(expected)
        assert not mask.requires_grad
    assert feature_map.grad is None
    assert all(parameter.grad is None for parameter in embed.parameters())


def test_mask_of_a_map_without_any_gradient_is_zero():
    feature_map, _, embed = example()
    anchor = embed(feature_map).detach()  # the clips are the anchor
    mask = actionlet_mask(feature_map, anchor, embed, layout="sbu", gain=1.0)
    assert mask.max() < 1e-12
    nothing = actionlet_mask(torch.zeros_like(feature_map), anchor, embed, layout="sbu", gain=None)
    assert nothing.equal(torch.zeros_like(nothing))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_mask_in_low_precision(dtype):
    feature_map, anchor, embed = example()
    expected = actionlet_mask(feature_map, anchor, embed, layout="sbu", gain=None)
    mask = actionlet_mask(feature_map.to(dtype), anchor.to(dtype), embed.to(dtype), layout="sbu", gain=None)
    assert mask.dtype == dtype
    torch.testing.assert_close(mask.double(), expected, rtol=0, atol=1e-4 if dtype == torch.float32 else 0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gain": 0.0}, "gain: expected a number > 0, got 0.0"),
        ({"layout": "ntu-rgb+d"}, r"feature_map: expected \(n, m, c, t, v=25\), got shape \(2, 2, 4, 3, 15\)"),
        ({"anchor": torch.zeros(4)}, r"anchor: expected \(n=1, d=3\), got shape \(1, 4\)"),
        ({"anchor": torch.zeros(5, 3)}, r"anchor: expected \(n=2, d=3\), got shape \(5, 3\)"),
        ({"embed": lambda x: x}, r"embed\(feature_map\): expected 2 axes \(n=2, d\), got shape \(2, 2, 4, 3, 15\)"),
        ({"smooth": "limb"}, "scale: expected one of 'joint', 'part', 'body', got 'limb'"),
    ],
)
def test_mask_refuses_wrong_arguments(changes, message):
    feature_map, anchor, embed = example()
    arguments = {"feature_map": feature_map, "anchor": anchor, "embed": embed, "layout": "sbu", **changes}
    with pytest.raises(ValueError, match=message):
        actionlet_mask(**arguments)


def test_pooling_is_the_weighted_mean():
    feature_map, mask = torch.randn(2, 2, 3, 4, 5).double(), torch.rand(2, 2, 1, 4, 5).double()
    expected = torch.zeros(2, 3, dtype=torch.float64)
    for i in range(2):
        for c in range(3):
            for m in range(2):
                weighted = (feature_map[i, m, c] * mask[i, m, 0]).sum() / (mask[i, m, 0].sum() + 1e-5)
                expected[i, c] += weighted / 2
    torch.testing.assert_close(actionlet_pool(feature_map, mask), expected)
    ones = torch.ones_like(mask)
    torch.testing.assert_close(actionlet_pool(feature_map, ones, eps=1e-30), Pool()(feature_map))
    assert actionlet_pool(feature_map, 0 * mask).equal(torch.zeros(2, 3, dtype=torch.float64))


def test_pooling_refuses_wrong_arguments():
    feature_map = torch.randn(2, 2, 3, 4, 5)
    with pytest.raises(ValueError, match=r"mask: expected \(n=2, m=2, one=1, t=4, v=5\), got shape \(2, 2, 3, 4, 5\)"):
        actionlet_pool(feature_map, torch.rand(2, 2, 3, 4, 5))
    with pytest.raises(TypeError, match=r"mask: expected a floating-point tensor, got torch\.bool"):
        actionlet_pool(feature_map, torch.ones(2, 2, 1, 4, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match="eps: expected a number > 0, got 0"):
        actionlet_pool(feature_map, torch.rand(2, 2, 1, 4, 5), eps=0)
