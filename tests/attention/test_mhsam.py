import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skelblocks.attention import MHSAM

GOLDEN = Path(__file__).parents[1] / "golden"
DOUBLE = {"dtype": torch.float64}
CLOSE = {"rtol": 1e-9, "atol": 1e-10}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def golden(name):
    with np.load(GOLDEN / name) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def lively(channels=8, num_heads=2, sharpness=2.0):
    """Weights so large that positions attend unevenly and the mask is far from one half, not yet rounded to one."""
    mask = MHSAM(channels, num_heads=num_heads, sharpness=sharpness).double()
    with torch.no_grad():
        for parameter in mask.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    return mask


def reference(module, row):
    """Eqs. 2-4 of one row (c, t, v), one head and one position after another."""
    c = module.channels
    d = c // module.num_heads
    positions = [row[:, t, v] for t in range(row.shape[1]) for v in range(row.shape[2])]
    normed = []
    for x in positions:
        centered = x - sum(x) / c
        normed.append(centered / torch.sqrt(sum(centered**2) / c + 1e-5) * module.norm.weight + module.norm.bias)
    qkv = [module.qkv.weight @ x + module.qkv.bias for x in normed]
    mask = torch.empty_like(row)
    for i, looking in enumerate(qkv):
        heads = []
        for h in range(module.num_heads):
            q, k, v = (slice(part * c + h * d, part * c + (h + 1) * d) for part in range(3))
            weights = [math.exp((looking[q] @ seen[k]).item() / math.sqrt(d)) for seen in qkv]
            heads.append(sum(w * seen[v] for w, seen in zip(weights, qkv, strict=True)) / sum(weights))
        out = module.proj.weight @ torch.cat(heads) + module.proj.bias
        mask[:, i // row.shape[2], i % row.shape[2]] = 1 / (1 + torch.exp(-module.sharpness * out))
    return mask


@pytest.mark.parametrize(("channels", "num_heads"), [(8, 1), (8, 2), (8, 8), (1, 1)])
@pytest.mark.parametrize("sharpness", [0.5, 2.0])
def test_equals_the_slow_reference(channels, num_heads, sharpness):
    module = lively(channels, num_heads=num_heads, sharpness=sharpness)
    x = torch.randn(2, 2, channels, 3, 4, **DOUBLE)
    mask = module(x)
    with torch.no_grad():
        expected = torch.stack([torch.stack([reference(module, row) for row in clip]) for clip in x])
    torch.testing.assert_close(mask, expected)
    assert channels == 1 or mask.std() > 0.2  # of one channel nothing but the norm's bias is left
    assert mask.shape == x.shape


def test_gradients_equal_those_of_the_slow_reference():
    module = lively()
    x = torch.randn(8, 2, 3, **DOUBLE, requires_grad=True)
    weight = torch.randn(8, 2, 3, **DOUBLE)
    inputs = (x, *module.parameters())

    def explicit(row):
        positions = module.norm(row.flatten(1).T)
        q, k, v = (part.view(6, 2, 4).transpose(0, 1) for part in module.qkv(positions).chunk(3, dim=1))
        attended = (q @ k.transpose(1, 2) / 2).softmax(dim=2) @ v
        return torch.sigmoid(2 * module.proj(attended.transpose(0, 1).reshape(6, 8))).T.view(8, 2, 3)

    ours, expected = (torch.autograd.grad((f(x) * weight).sum(), inputs) for f in (module, explicit))
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)
    assert torch.autograd.gradcheck(module, (x,))


def test_equals_the_released_attention_which_has_no_norm():
    arrays = golden("skeattn_mhsam_f64.npz")
    module = MHSAM(16, num_heads=int(arrays["num_heads"]), sharpness=float(arrays["Lambda"])).double()
    module.norm = nn.Identity()  # in the released code the norm is its caller's
    module.load_state_dict({key[3:]: value for key, value in arrays.items() if key.startswith("sd/")})
    x = arrays["x"]
    mask = module(x.transpose(1, 2)[..., None])  # v = 1, as for a recurrent encoder
    torch.testing.assert_close(mask[..., 0].transpose(1, 2), arrays["mask"], **CLOSE)


def test_equals_the_mask_of_the_released_neck():
    arrays = golden("skeattn_neck_f64.npz")
    module = MHSAM(16, num_heads=int(arrays["num_heads"]), sharpness=float(arrays["Lambda"])).double()
    names = {"norm0.": "norm.", "Attn.qkv.": "qkv.", "Attn.proj.": "proj."}
    module.load_state_dict(
        {ours + part: arrays[f"sd/{released}{part}"] for released, ours in names.items() for part in ("weight", "bias")}
    )
    n, c, t, v, m = arrays["f"].shape
    mask = module(arrays["f"].reshape(n, m, c, t, v))  # "(n, c, t, v, m)" there is a view of rows, m next to n
    torch.testing.assert_close(mask.flatten(0, 1).flatten(2).transpose(1, 2), arrays["mask_NMxTVxC"], **CLOSE)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000))
def test_rows_are_on_their_own_and_the_order_of_positions_does_not_matter(n, m, t, v, seed):
    torch.manual_seed(seed)
    module, x = lively(), torch.randn(n, m, 8, t, v, **DOUBLE)
    mask = module(x)
    assert ((mask > 0) & (mask < 1)).all()
    torch.testing.assert_close(module(x.flatten(0, 1)), mask.flatten(0, 1))
    for clip, expected in zip(x, mask, strict=True):
        torch.testing.assert_close(module(clip[0]), expected[0])
    order = torch.randperm(t * v)
    shuffled = x.flatten(3)[..., order].unflatten(3, (t, v))
    torch.testing.assert_close(module(shuffled).flatten(3), mask.flatten(3)[..., order])


def test_sharpness_multiplies_the_logit():
    soft = lively(sharpness=1.0)
    sharp = MHSAM(8, num_heads=2, sharpness=4.0).double()
    sharp.load_state_dict(soft.state_dict())
    x = torch.randn(8, 3, 4, **DOUBLE)
    torch.testing.assert_close(sharp(x).logit(), 4 * soft(x).logit())


def test_neither_the_unit_of_a_position_nor_strides_nor_the_input_matter():
    module, x = lively(), torch.randn(3, 8, 4, 5, **DOUBLE)
    mask = module(x)
    torch.testing.assert_close(module(1000 * x + 7), mask, rtol=1e-4, atol=1e-4)  # the norm's epsilon remains
    strided = x.contiguous(memory_format=torch.channels_last)
    before = strided.clone()
    torch.testing.assert_close(module(strided), mask)
    assert strided.equal(before)


def test_an_untrained_mask_is_near_one_half():
    mask = MHSAM(256)(torch.randn(2, 256, 16, 25))
    assert (mask - 0.5).abs().max() < 0.3
    assert (mask - 0.5).abs().mean() < 0.05


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_and_half_precision_are_close(dtype):
    module, x = MHSAM(64), torch.randn(2, 64, 4, 25)
    mask = module(x)
    with torch.autocast("cpu", dtype=dtype):
        low = module(x)
        assert module(x.to(dtype)).dtype == dtype
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, mask, rtol=0, atol=0.01)
    half = copy.deepcopy(module).to(dtype)(x.to(dtype))
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), mask, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 3}, "num_heads: expected a divisor of channels=16, got 3"),
        ({"num_heads": 0}, "num_heads: expected an integer >= 1, got 0"),
        ({"sharpness": 0.0}, "sharpness: expected a number > 0, got 0.0"),
        ({"sharpness": math.nan}, "sharpness: expected a number > 0, got nan"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MHSAM(16, **options)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.zeros(16, 25), ValueError, r"feature_map: expected at least 3 axes \(\.\.\., c=16, t, v\)"),
        (torch.zeros(2, 8, 4, 25), ValueError, "feature_map: .* axis 'c' is 8, not 16"),
        (torch.zeros(2, 16, 0, 25), ValueError, r"feature_map: expected \(\.\.\., c, t, v\) with t of at least 1"),
        (torch.zeros(2, 16, 4, 0), ValueError, "feature_map: .* with v of at least 1"),
        (torch.zeros(2, 16, 4, 25, dtype=torch.int64), TypeError, "feature_map: expected a floating-point tensor"),
    ],
)
def test_wrong_maps_say_what_was_expected(x, error, message):
    with pytest.raises(error, match=message):
        MHSAM(16)(x)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu():
    module, x = lively(), torch.randn(2, 2, 8, 3, 5, **DOUBLE)
    mask = module(x)
    torch.testing.assert_close(module.cuda()(x.cuda()).cpu(), mask)
    low = module.float()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        torch.testing.assert_close(low(x.float().cuda()).cpu(), mask.float(), rtol=0, atol=0.1)


def test_sizes_that_are_not_whole_are_refused():
    with pytest.raises(TypeError, match=r"num_heads: expected an integer >= 1, got 4\.0"):
        MHSAM(16, num_heads=4.0)
    with pytest.raises(TypeError, match=r"channels: expected an integer >= 1, got 16\.0"):
        MHSAM(16.0)
    with pytest.raises(ValueError, match="sharpness: expected a finite number > 0, got inf"):
        MHSAM(16, sharpness=math.inf)
