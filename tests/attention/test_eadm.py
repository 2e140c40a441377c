import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.attention import EADM, eadm, energy_attention

GOLDEN = Path(__file__).parents[1] / "golden" / "simam_drop_f64.npz"
VARIANTS = ("paper", "official")
DOUBLE = {"dtype": torch.float64}
both_variants = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def features(*shape, seed=0, spread=1.0, dtype=torch.float64):
    """Joints and frames of different spread, so that some stand out."""
    generator = torch.Generator().manual_seed(seed)
    t, v = shape[-2:]
    x = torch.randn(shape, dtype=torch.float64, generator=generator)
    x = x * (1 + spread * torch.rand(t, 1, dtype=torch.float64, generator=generator))
    return (x * (1 + spread * torch.rand(v, dtype=torch.float64, generator=generator))).to(dtype)


def reference_attention(x, regularization, unbiased):
    alpha = torch.empty_like(x)
    for c, channel in enumerate(x):
        mean = sum(channel.flatten()) / channel.numel()
        variance = sum((channel.flatten() - mean) ** 2) / (channel.numel() - unbiased)
        for t, frame in enumerate(channel):
            for v, value in enumerate(frame):
                energy = 4 * (variance + regularization) / ((value - mean) ** 2 + 2 * variance + 2 * regularization)
                alpha[c, t, v] = 1 / (1 + math.exp(-1 / energy))
    return alpha


def reference_mask(averages, margin):
    return [float(average < margin or average == min(averages)) for average in averages]


def reference(rows, margin, variant):
    """Algorithm 1, one line after another; with the released code's second mask where it keeps something."""
    spatial, temporal = [], []
    for row in rows:
        alpha = reference_attention(row, 1e-4, variant == "official")
        spatial.append(reference_mask([alpha[:, :, v].mean().item() for v in range(row.shape[2])], margin))
        frames = reference_mask([alpha[:, t].mean().item() for t in range(row.shape[1])], margin)
        temporal.append((alpha < margin).double() if variant == "official" else torch.tensor(frames, **DOUBLE)[:, None])
    m_s, m_t = torch.tensor(spatial, **DOUBLE), torch.stack(temporal)
    out = []
    for i, row in enumerate(rows):
        s, t = (m_s, m_t) if variant == "official" else (m_s[i], m_t[i])
        y = row * m_s[i]
        y = y * s.numel() / s.sum()
        y = y * m_t[i]
        out.append(y * t.numel() / t.sum())
    return torch.stack(out), m_s.bool(), m_t.bool() if variant == "official" else m_t[..., 0].bool()


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("regularization", [1e-4, 0.5])
@pytest.mark.parametrize("entries", [(4, 5), (1, 2)])
def test_attention_equals_equation_3(unbiased, regularization, entries):
    x = 3 * torch.randn(3, *entries, **DOUBLE)  # beyond one, where it works in another unit
    for scale in (1.0, 0.01):
        ours = energy_attention(scale * x, regularization=regularization, unbiased=unbiased)
        torch.testing.assert_close(ours, reference_attention(scale * x, regularization, unbiased))


@both_variants
@pytest.mark.parametrize("margin", [0.66, 0.67, 0.675, 0.7])
def test_equals_algorithm_1_step_by_step(variant, margin):
    x = features(3, 6, 5, 7)
    y, (joints, second) = eadm(x, keep_margin=margin, variant=variant)
    expected, joints_expected, second_expected = reference(x, margin, variant)
    assert joints.equal(joints_expected)
    assert second.equal(second_expected)
    torch.testing.assert_close(y, expected)
    if margin == 0.67:
        assert not joints.all()
        assert not second.all()
        assert not y.allclose(x)


@pytest.mark.parametrize("margin", ["0.6628", "0.66", "0.7", "0.9"])
def test_equals_the_released_code(margin):
    with np.load(GOLDEN) as file:
        arrays = {key.split("/")[-1]: torch.from_numpy(file[key]) for key in file.files if f"kp{margin}/" in f"{key}/"}
        x = torch.from_numpy(file["x"])
    n, c, t, v = x.shape
    close = {"rtol": 1e-9, "atol": 1e-10}
    attention = energy_attention(x, unbiased=True)
    torch.testing.assert_close(attention.mean(dim=(1, 2)), arrays["att_joint_NV"], **close)
    entries = arrays["att_NCVxT"].view(n, c, v, t).transpose(2, 3)
    torch.testing.assert_close(attention, entries, **close)

    x.requires_grad_()
    y, (joints, second) = EADM(float(margin), variant="official")(x, return_masks=True)
    (y * arrays["cot"]).sum().backward()
    assert joints.equal(arrays["att_joint_NV"] < float(margin))
    assert second.equal(entries < float(margin))
    after_spatial = x * joints[:, None, None] * joints.numel() / joints.sum()
    torch.testing.assert_close(after_spatial, arrays["after_spatial"], **close)
    torch.testing.assert_close(y, arrays["out"], **close)
    torch.testing.assert_close(x.grad, arrays["grad_x"], **close)


margins = st.sampled_from([0.62246, 0.63, 0.65, 0.67, 0.675, 0.7, 0.9, 0.9999])
sizes = st.integers(1, 6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3), sizes, sizes, sizes, margins, st.sampled_from(VARIANTS), st.integers(0, 1000))
def test_something_stays_in_every_row_and_shares_count_up(n, c, t, v, margin, variant, seed):
    x = features(n, c, t, v, seed=seed, spread=5.0)
    y, (joints, second) = eadm(x, keep_margin=margin, variant=variant)
    assert joints.any(dim=-1).all()
    assert second.flatten(1).any(dim=1).all()
    assert y.isfinite().all()
    entries = second if variant == "official" else second[:, None, :, None]
    kept = (joints[:, None, None] & entries).expand_as(x)
    assert kept.flatten(1).any(dim=1).all()
    assert (y[~kept] == 0).all()
    gains = y[kept] / x[kept]
    assert (gains > 1 - 1e-12).all()
    if variant == "paper" and n:
        # A map of ones under the same masks keeps its sum.
        gain = t * v / kept[:, 0].sum(dim=(1, 2))
        torch.testing.assert_close(y, torch.where(kept, x * gain[:, None, None, None], 0))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), sizes, sizes, sizes, margins, st.integers(0, 1000))
def test_rows_do_not_see_each_other(n, c, t, v, margin, seed):
    x = features(n, c, t, v, seed=seed, spread=5.0)
    y, (joints, frames) = eadm(x, keep_margin=margin)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    for index in (order, slice(0, 1), slice(1, None), 0):
        y_part, (joints_part, frames_part) = eadm(x[index], keep_margin=margin)
        torch.testing.assert_close(y_part, y[index])
        assert joints_part.equal(joints[index])
        assert frames_part.equal(frames[index])


@both_variants
def test_ties_are_not_broken_by_rounding(variant):
    """Two entries are equally far from their mean, whatever they are: above the margin, both stay."""
    x = torch.randn(500, 1, 1, 2)
    y, (joints, second) = eadm(x, keep_margin=0.65, variant=variant)
    assert joints.all()
    assert second.all()
    assert y.equal(x)


def test_in_the_released_code_a_clips_scale_depends_on_its_neighbors():
    x = features(4, 8, 7, 25)
    y, alone = (eadm(part, keep_margin=0.67, variant="official")[0][0] for part in (x, x[:1]))
    ratio = y[y != 0] / alone[y != 0]
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))
    assert not torch.isclose(ratio[0], torch.ones((), **DOUBLE), rtol=1e-3)


@both_variants
def test_any_leading_axes(variant):
    x = features(2, 3, 4, 5, 6)
    y, masks = eadm(x, keep_margin=0.67, variant=variant)
    flat, flat_masks = eadm(x.flatten(0, 1), keep_margin=0.67, variant=variant)
    assert y.flatten(0, 1).equal(flat)
    assert all(a.flatten(0, 1).equal(b) for a, b in zip(masks, flat_masks, strict=True))
    assert masks[0].shape == (2, 3, 6)
    assert masks[1].shape == ((2, 3, 4, 5, 6) if variant == "official" else (2, 3, 5))


EXTREMES = {
    torch.float64: 1e300,
    torch.float32: 1e30,
    torch.bfloat16: torch.finfo(torch.bfloat16).max,
    torch.float16: torch.finfo(torch.float16).max,
}


@both_variants
@pytest.mark.parametrize("dtype", EXTREMES)
@pytest.mark.parametrize("margin", [0.62246, 0.67, 0.7, 0.9999])
def test_never_nan(variant, dtype, margin):
    large = torch.finfo(dtype).max
    shape = (4, 3, 5, 7)
    signs = features(*shape).sign()
    one_out = torch.zeros(shape)
    one_out[..., 2, 3] = 1
    maps = [torch.zeros(shape), torch.ones(shape), 0.1 * torch.ones(shape), one_out, features(*shape, spread=50.0)]
    maps += [torch.ones(shape, **DOUBLE) * value for value in (EXTREMES[dtype], large, torch.finfo(dtype).tiny)]
    maps += [signs * EXTREMES[dtype], signs * large, one_out.double() * large, one_out.double() * 1e-30]
    for x in maps:
        x = x.to(dtype)
        for part in (x, x[..., :1, :1], x[..., :1], x[..., :1, :]):
            attention = energy_attention(part, unbiased=variant == "official")
            assert ((attention > 0.62) & (attention <= 1)).all()
            y, (joints, second) = eadm(part, keep_margin=margin, variant=variant)
            assert y.dtype == dtype
            assert not y.isnan().any()
            assert joints.any(dim=-1).all()
            assert second.flatten(1).any(dim=1).all()


def test_attention_does_not_depend_on_the_unit_where_the_variance_rules():
    x = features(2, 3, 5, 7)
    for scale in (1e3, 1e30, 1e200):
        torch.testing.assert_close(energy_attention(scale * x), energy_attention(x, regularization=1e-30))
    single = features(2, 3, 5, 7, dtype=torch.float32)
    torch.testing.assert_close(energy_attention(1e30 * single), energy_attention(single, regularization=1e-30))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_drops_what_float32_drops(dtype):
    x = features(4, 64, 13, 25, dtype=dtype)
    for variant in VARIANTS:
        y, masks = eadm(x, keep_margin=0.67, variant=variant)
        full, full_masks = eadm(x.float(), keep_margin=0.67, variant=variant)
        assert all(a.equal(b) for a, b in zip(masks, full_masks, strict=True))
        assert y.equal(full.to(dtype))
        with torch.autocast("cpu", dtype=dtype):
            assert eadm(x.float(), keep_margin=0.67, variant=variant)[0].equal(full)
    assert energy_attention(x).dtype == torch.float32


def test_a_constant_passes_at_every_margin():
    x = torch.full((2, 8, 13, 25), 3.0)
    for variant in VARIANTS:
        for margin in (0.62246, 0.7, 0.99):
            assert eadm(x, keep_margin=margin, variant=variant)[0].equal(x)


def test_a_joint_that_stands_out_is_dropped_and_the_map_keeps_its_scale():
    x = 0.1 * torch.randn(2, 64, 13, 25, **DOUBLE)
    x[..., 4] += 5 * torch.randn(2, 64, 13, **DOUBLE)
    x[1, :, 2] += 20 * torch.randn(64, 25, **DOUBLE)
    y, (joints, frames) = eadm(x, keep_margin=0.7)
    assert (~joints).nonzero().tolist() == [[0, 4]]
    assert (~frames).nonzero().tolist() == [[1, 2]]
    torch.testing.assert_close(y[0, :, :, 5], x[0, :, :, 5] * 25 / 24)
    torch.testing.assert_close(y[1, :, 5], x[1, :, 5] * 13 / 12)


def test_what_the_docstring_says_of_margins():
    x = torch.randn(16, 256, 13, 25)
    attention = energy_attention(x)
    assert attention.mean(dim=(1, 2, 3)).max() < 1 / (1 + math.exp(-0.75)) < 0.6793
    inverse = attention.double().logit()
    variance = x.double().var(dim=(2, 3), correction=0)
    torch.testing.assert_close(
        inverse.mean(dim=(2, 3)), 0.5 + 0.25 * variance / (variance + 1e-4), rtol=1e-4, atol=1e-4
    )
    dropped = {margin: 1 - eadm(x, keep_margin=margin)[1][0].float().mean().item() for margin in (0.67, 0.675, 0.68)}
    assert dropped[0.67] == pytest.approx(24 / 25, abs=0.005)
    assert dropped[0.675] == pytest.approx(1 / 6, abs=0.06)
    assert dropped[0.68] == 0


@both_variants
def test_gradients_go_through_what_stays_alone(variant):
    x = features(2, 3, 4, 5, seed=1).requires_grad_()
    drop = EADM(0.67, variant=variant)
    y, (joints, second) = drop(x, return_masks=True)
    assert not joints.all()
    attention = energy_attention(x, unbiased=variant == "official").detach()
    for part in (attention, attention.mean(dim=(1, 2)), attention.mean(dim=(1, 3))):
        assert (part - 0.67).abs().min() > 1e-5  # else a step of gradcheck may cross the margin
    assert torch.autograd.gradcheck(drop, (x,), eps=1e-7, atol=1e-4)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope * x, y)
    assert not joints.requires_grad
    assert not second.requires_grad


def test_attention_has_gradients():
    for scale in (0.1, 10.0):
        x = (scale * features(2, 3, 4)).requires_grad_()
        assert torch.autograd.gradcheck(energy_attention, (x,))


def test_the_defaults_are_the_papers_and_the_released_margin():
    x = features(3, 6, 5, 7) / 50  # so small that the regularization counts, so uneven that the margin does
    x[..., 3] *= 20
    explicit = {"keep_margin": 0.7, "variant": "paper", "regularization": 1e-4}
    expected = reference(x, 0.7, "paper")[0]
    assert not expected.allclose(x)
    for y in (eadm(x)[0], eadm(x, **explicit)[0], EADM()(x), EADM(**explicit)(x)):
        torch.testing.assert_close(y, expected)
    torch.testing.assert_close(energy_attention(x[0]), reference_attention(x[0], 1e-4, False))
    for height, kept in ((0.016, True), (0.0216, False)):  # of one joint in five: at 0.7 if its square is 3.3 lambda
        x = torch.zeros(1, 1, 5, **DOUBLE)
        x[..., 0] = height
        for _, (joints, _) in (eadm(x), EADM()(x, return_masks=True)):
            assert joints.tolist() == [kept, True, True, True, True]
    assert repr(EADM()) == "EADM(keep_margin=0.7, variant='paper', always=False)"


def test_the_modules_regularization_counts():
    x = features(3, 6, 5, 7)
    assert not EADM(0.67)(x).equal(x)
    assert EADM(0.67, regularization=100.0)(x).equal(x)  # nothing stands out


def test_evaluation_passes_the_map_unless_asked():
    x = features(2, 8, 7, 25)
    drop = EADM(0.67)
    dropped, masks = drop(x, return_masks=True)
    assert not dropped.equal(x)
    drop.eval()
    assert drop(x) is x
    same, shown = drop(x, return_masks=True)
    assert same is x
    assert all(a.equal(b) for a, b in zip(shown, masks, strict=True))
    assert EADM(0.67, always=True).eval()(x).equal(dropped)


@pytest.mark.parametrize("margin", [0.0, 0.6224, 1 / (1 + math.exp(-0.5)), 1.0, 2.0, -1.0, math.nan])
def test_margins_that_cannot_act_are_refused(margin):
    for call in (EADM, lambda keep_margin: eadm(torch.zeros(1, 2, 3), keep_margin=keep_margin)):
        with pytest.raises(
            ValueError, match=r"keep_margin: expected a number between sigmoid\(1/2\) = 0.6225, .* and 1"
        ):
            call(keep_margin=margin)


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="variant: expected one of 'paper', 'official', got 'released'"):
        EADM(variant="released")
    x = torch.zeros(1, 2, 3)
    for call in (EADM, lambda **options: eadm(x, **options), lambda **options: energy_attention(x, **options)):
        with pytest.raises(ValueError, match="regularization: expected a number > 0, got 0"):
            call(regularization=0)
    with pytest.raises(ValueError, match="variant: expected one of 'paper', 'official', got 'released'"):
        eadm(x, variant="released")
    with pytest.raises(ValueError, match="regularization: expected a finite number > 0, got inf"):
        EADM(regularization=math.inf)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.zeros(4, 25), ValueError, r"expected at least 3 axes \(\.\.\., c, t, v\), got shape \(4, 25\)"),
        (torch.zeros(2, 8, 0, 25), ValueError, r"x: expected .* with t of at least 1, got shape \(2, 8, 0,"),
        (
            torch.zeros(2, 8, 4, 25, dtype=torch.int64),
            TypeError,
            "expected a floating-point tensor, got torch.int64",
        ),
        ([1.0], TypeError, "expected a tensor, got list"),
    ],
)
def test_wrong_maps_say_what_was_expected(x, error, message):
    for call in (energy_attention, eadm, EADM()):
        with pytest.raises(error, match=message):
            call(x)
