import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.contrast import contrastive_logits, unit_rows
from skelblocks.encoders import pool, region_pool, region_to_frames
from skelblocks.losses import RegionContrastLoss, info_nce, region_contrast, region_logits

GOLDEN = Path(__file__).parents[1] / "golden" / "skelemix_f64.npz"


def case(n=5, d=6, k=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inside, outside, key = torch.randn(3, n, d, dtype=torch.float64, generator=generator)
    bank = unit_rows(torch.randn(k, d, dtype=torch.float64, generator=generator))
    partner = torch.randperm(n, generator=generator)
    exclude = torch.rand(n, k, generator=generator) < 0.3
    return (inside.requires_grad_(), outside.requires_grad_(), key, partner, bank), exclude


def reference(inside, outside, key, partner, bank, *, temperature, exclude):
    """One exponential at a time."""
    inside, outside, key = ((x / x.norm(dim=1, keepdim=True)).tolist() for x in (inside, outside, key))
    partner, bank = partner.tolist(), bank.tolist()

    def score(a, b):
        return math.exp(sum(x * y for x, y in zip(a, b, strict=True)) / temperature)

    total, n = 0.0, len(partner)
    for i in range(n):
        for query, other, owner in ((inside[i], outside[i], partner[i]), (outside[i], inside[i], i)):
            positive = score(query, key[owner])
            rows = [score(query, row) for j, row in enumerate(bank) if not exclude[owner][j]]
            total -= math.log(positive / (positive + sum(rows) + score(query, other))) / 2 / n
    return total


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 5), k=st.integers(1, 9), temperature=st.sampled_from([0.07, 0.2, 1.0]), seed=st.integers(0, 2**16)
)
def test_equals_the_slow_reference(n, k, temperature, seed):
    arguments, exclude = case(n=n, k=k, seed=seed)
    with_all = torch.zeros_like(exclude)
    loss = region_contrast(*arguments, temperature=temperature)
    assert loss >= 0
    assert loss.item() == pytest.approx(
        reference(*arguments, temperature=temperature, exclude=with_all.tolist()), rel=1e-10
    )
    left = RegionContrastLoss(temperature=temperature)(*arguments, exclude=exclude)
    assert left.item() == pytest.approx(
        reference(*arguments, temperature=temperature, exclude=exclude.tolist()), rel=1e-10
    )


def test_the_defaults_are_the_released_configuration():
    arguments, exclude = case()
    queries = arguments[:2]
    explicit = region_contrast(*arguments, temperature=0.2, detach_negative=True)
    nothing = torch.zeros_like(exclude).tolist()
    assert explicit.item() == pytest.approx(reference(*arguments, temperature=0.2, exclude=nothing), rel=1e-10)
    expected = torch.autograd.grad(explicit, queries)
    for loss in (region_contrast, RegionContrastLoss()):
        assert loss(*arguments).equal(explicit)
        torch.testing.assert_close(torch.autograd.grad(loss(*arguments), queries), expected)
    inside, outside = region_logits(*arguments)
    torch.testing.assert_close((info_nce(inside) + info_nce(outside)) / 2, explicit)
    torch.testing.assert_close(torch.autograd.grad(info_nce(inside) + info_nce(outside), queries)[0] / 2, expected[0])


@pytest.fixture(scope="module")
def official():
    with np.load(GOLDEN) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}


def same(ours, expected):
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-10)


def test_equals_the_official_code(official):
    def encode(x):  # the stub: every fourth frame, then one linear map
        return torch.einsum("nctvm,cd->nmdtv", x[:, :, ::4].double(), official["W"])

    x, bank = official["x"], official["queue0"].T
    key = pool(encode(official["k"]))
    logits = contrastive_logits(pool(encode(x)), key, bank, temperature=0.2)
    same(logits, official["logits"])
    same(info_nce(logits), official["loss_ins"])
    losses = []
    for swap in range(2):
        partner, mask = official[f"swap{swap}/randidx"], official[f"swap{swap}/mask_TV"]
        frames = mask.repeat_interleave(4, dim=0)
        mixed = torch.where(frames[:, :, None], x[partner], x)
        checksums = mixed.double().sum(dim=(1, 2, 3, 4))
        same(checksums, official[f"swap{swap}/x_checksum_per_sample"])
        feature_map = encode(mixed)
        same(region_to_frames(frames, frames=feature_map.shape[3]), mask)
        inside, outside = region_pool(feature_map, mask)
        both = region_logits(inside, outside, key, partner, bank)
        same(both.inside, official[f"logits_p{swap}"])
        same(both.outside, official[f"logits_c{swap}"])
        losses.append(region_contrast(inside, outside, key, partner, bank))
    same(torch.stack(losses).mean(), official["loss_reg"])  # of the version that averages


def test_the_region_looks_for_its_partner_and_leaves_out_its_rows():
    (inside, outside, key, _, bank), exclude = case()
    partner = torch.tensor([2, 0, 4, 1, 3])
    both = region_logits(inside, outside, key, partner, bank, exclude=exclude)
    for i in range(5):
        torch.testing.assert_close(both.inside[i, 0], torch.cosine_similarity(inside[i], key[partner[i]], dim=0) / 0.2)
        assert both.inside[i, 1:-1].isinf().equal(exclude[partner[i]])
        assert both.outside[i, 1:-1].isinf().equal(exclude[i])
    assert both.inside[:, -1].equal(both.outside[:, -1])
    assert both.inside[:, -1].isfinite().all()


def test_the_extra_negative_is_constant_unless_wanted():
    (inside, outside, key, partner, bank), _ = case()
    for detach_negative in (True, False):
        both = region_logits(inside, outside, key, partner, bank, detach_negative=detach_negative)
        for logits, other in ((both.inside, outside), (both.outside, inside)):
            (gradient,) = torch.autograd.grad(logits.sum(), other, retain_graph=True, allow_unused=True)
            assert (gradient is None) == detach_negative
    kept = region_contrast(inside, outside, key, partner, bank)
    free = region_contrast(inside, outside, key, partner, bank, detach_negative=False)
    assert kept.equal(free)


def test_the_module_holds_the_extra_negative_constant_unless_told():
    arguments, _ = case()
    slopes = []
    for constant in (True, False):
        loss = region_contrast(*arguments, detach_negative=constant)
        module = RegionContrastLoss(detach_negative=constant)(*arguments)
        slopes.append(torch.autograd.grad(loss, arguments[0])[0])
        assert torch.autograd.grad(module, arguments[0])[0].equal(slopes[-1])
    assert not slopes[0].allclose(slopes[1])


def test_gradients():
    (inside, outside, key, partner, bank), exclude = case(n=3, d=4, k=5)

    def loss(p, c, k):
        return region_contrast(p, c, k, partner, bank, detach_negative=False, exclude=exclude)

    assert torch.autograd.gradcheck(loss, (inside, outside, key.requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_changes_nothing_and_half_precision_does_not_overflow(dtype):
    (inside, outside, key, partner, bank), _ = case()
    inside, outside, key, bank = (x.detach().float() for x in (inside, outside, key, bank))
    expected = region_contrast(inside, outside, key, partner, bank, temperature=0.01)
    with torch.autocast("cpu", dtype=dtype):
        torch.testing.assert_close(region_contrast(inside, outside, key, partner, bank, temperature=0.01), expected)
    low = region_contrast(*(x.to(dtype) for x in (inside, outside, key)), partner, bank.to(dtype), temperature=0.01)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, expected, rtol=0.05, atol=1.0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("inside", torch.zeros(5), r"inside: expected 2 axes \(n, d\)"),
        ("outside", torch.zeros(4, 6), "outside: .* axis 'n' is 4, not 5"),
        ("outside", torch.zeros(5, 7), "outside: .* axis 'd' is 7, not 6"),
        ("key", torch.zeros(6, 6), "key: .* axis 'n' is 6, not 5"),
        ("key", torch.zeros(5, 7), "key: .* axis 'd' is 7, not 6"),
        ("bank", torch.zeros(9, 7), "bank: .* axis 'd' is 7, not 6"),
        ("partner", torch.zeros(4, dtype=torch.int64), "partner: .* axis 'n' is 4, not 5"),
        ("partner", torch.full((5,), -1), r"partner: expected clips of the batch, 0\.\.4, got \[-1"),
        ("partner", torch.full((5,), 5), r"partner: expected clips of the batch, 0\.\.4, got \[5"),
        ("exclude", torch.zeros(5, 8, dtype=torch.bool), "exclude: .* axis 'k' is 8, not 9"),
        ("exclude", torch.zeros(4, 9, dtype=torch.bool), "exclude: .* axis 'n' is 4, not 5"),
        ("temperature", 0.0, "temperature: expected a number > 0"),
    ],
)
def test_wrong_values_say_what_was_expected(name, value, message):
    arguments, _ = case()
    named = dict(zip(("inside", "outside", "key", "partner", "bank"), arguments, strict=True))
    with pytest.raises(ValueError, match=message):
        region_contrast(**(named | {name: value}))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("inside", torch.zeros(5, 6, dtype=torch.int64), "inside: expected a floating-point"),
        ("outside", torch.zeros(5, 6, dtype=torch.int64), "outside: expected a floating-point"),
        ("partner", torch.zeros(5), r"partner: expected a torch.int64 .* got torch\.float32"),
        ("exclude", torch.zeros(5, 9), r"exclude: expected a torch\.bool"),
    ],
)
def test_wrong_dtypes_say_what_was_expected(name, value, message):
    arguments, _ = case()
    named = dict(zip(("inside", "outside", "key", "partner", "bank"), arguments, strict=True))
    with pytest.raises(TypeError, match=message):
        region_contrast(**(named | {name: value}))
