from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.augment import Compose, LearnableJointMask, LearnableJointMaskParams, RandomShear, fill_joints
from skelblocks.contrast import contrastive_logits
from skelblocks.losses import d3m_loss, hierarchical_d3m_loss, info_nce

GOLDEN = Path(__file__).parents[1] / "golden"


def clips(n=3, t=6, v=25, m=2, seed=0, dtype=torch.float32):
    return torch.randn(n, 3, t, v, m, generator=torch.Generator().manual_seed(seed)).to(dtype)


def filled_with(value, **options):
    masking = LearnableJointMask(**options)
    with torch.no_grad():
        masking.fill.fill_(value)
    return masking


def reference(x, mask, fill, on_absent_persons):
    """One coordinate at a time."""
    y = x.clone()
    n, c, t, v, m = x.shape
    for i in range(n):
        for person in range(m):
            if not on_absent_persons and (x[i, ..., person] == 0).all():
                continue
            for a in range(t):
                for b in range(v):
                    if mask[i, a, b]:
                        for axis in range(c):
                            y[i, axis, a, b, person] = fill
    return y


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 3), t=st.integers(1, 4), m=st.integers(1, 2), absent=st.booleans(), seed=st.integers(0, 2**16))
def test_equals_the_slow_reference_and_writes_to_nothing(n, t, m, absent, seed):
    x = clips(n, t, 5, m, seed)
    x[-1, ..., -1] = 0
    kept = x.clone()
    mask = torch.rand(n, t, 5, generator=torch.Generator().manual_seed(seed)) < 0.4
    y = fill_joints(x, mask, torch.tensor([0.7]), on_absent_persons=absent)
    torch.testing.assert_close(y, reference(x, mask, 0.7, absent))
    assert absent or fill_joints(x, mask, torch.tensor([0.7])).equal(y)  # the default
    assert x.equal(kept)


def test_equals_the_official_loss_and_its_gradient():
    with np.load(GOLDEN / "hiclr_losses_f64.npz") as file:
        official = {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}

    def same(ours, expected):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-10)

    masking = LearnableJointMask(on_absent_persons=True).double()
    masking.load_state_dict({"fill": official["mask_param"]})
    params = LearnableJointMaskParams(official["mask_NTMVC"][:, :, 0, :, 0] == 0)
    masked = masking.transform(official["data4_mask"], params)
    key, bank = official["data2_k"].flatten(1) @ official["W"], official["queue0"].T
    basic, normal, hidden = (
        contrastive_logits(x.flatten(1) @ official["W"], key, bank, temperature=0.07)
        for x in (official["data1_q"], official["data3_normal"], masked)
    )
    same(basic, official["logits"])
    same(hidden.softmax(dim=1), official["p2"])
    same(d3m_loss([hidden], normal), official["loss3"])
    loss = info_nce(basic) + hierarchical_d3m_loss([basic, normal, hidden])
    same(loss, official["loss"])
    loss.backward()
    same(masking.fill.grad, official["grad_mask_param"])


@pytest.mark.parametrize(("name", "count"), [("jointmask_ratio01", 2), ("jointmask2_ratio03", 7)])
def test_official_masks_have_the_same_form(name, count):
    with np.load(GOLDEN / "hiclr_masks.npz") as file:
        official = torch.from_numpy(file[f"{name}_NTMVC"])
    hidden = official[:, :, 0, :, 0] == 0
    assert (hidden.sum(dim=2) == count).all()
    assert hidden[0].equal(hidden[1])  # one for the batch
    n, t, m, v, c = official.shape
    ours = fill_joints(torch.ones(n, c, t, v, m), hidden, torch.zeros(1))
    assert ours.permute(0, 2, 4, 3, 1).equal(official)  # the same for persons and axes
    drawn = LearnableJointMask(count / 25, same_on_batch=True).sample((n, c, t, v, m)).mask
    assert drawn.shape == hidden.shape
    assert drawn.sum(dim=2).equal(hidden.sum(dim=2))
    assert drawn[0].equal(drawn[1])


@pytest.mark.parametrize(("v", "ratio", "count"), [(25, 0.1, 2), (25, 0.3, 7), (20, 0.1, 2), (15, 0.1, 1), (5, 1.0, 5)])
def test_every_frame_hides_so_many_joints_and_favors_none(v, ratio, count):
    mask = LearnableJointMask(ratio).sample((40, 3, 100, v, 2), generator=torch.Generator().manual_seed(0)).mask
    assert (mask.sum(dim=2) == count).all()
    assert (mask.float().mean(dim=(0, 1)) - count / v).abs().max() < 0.05
    if count < v:
        assert len(mask.unique(dim=0)) == 40
        assert len(mask[0].unique(dim=0)) > 5


def test_absent_persons_stay_absent_unless_wanted():
    x = clips(n=4)
    x[::2, ..., 1] = 0
    params = LearnableJointMask().sample(x.shape)
    y = filled_with(3.0).transform(x, params)
    assert (y[::2, ..., 1] == 0).all()
    assert (y[1::2, ..., 1] == 3).sum() == 2 * 3 * 6 * 2
    released = filled_with(3.0, on_absent_persons=True).transform(x, params)
    assert (released == 3).sum() == 4 * 3 * 6 * 2 * 2


def test_the_fill_is_trained_and_gradients_reach_only_what_is_left():
    masking, x = LearnableJointMask(), clips().requires_grad_()
    params = masking.sample(x.shape)
    assert list(masking.state_dict()) == ["fill"]
    assert masking.fill.shape == (1,)
    masking.transform(x, params).sum().backward()
    assert masking.fill.grad.item() == params.mask.sum().item() * 3 * 2
    assert x.grad[:, 0, :, :, 0].equal((~params.mask).float())


def test_gradients():
    x, fill = clips(2, 2, 5, 1, dtype=torch.float64), torch.tensor([0.3], dtype=torch.float64)
    mask = torch.rand(2, 2, 5) < 0.5
    assert torch.autograd.gradcheck(
        lambda x, fill: fill_joints(x, mask, fill), (x.requires_grad_(), fill.requires_grad_())
    )


def test_a_nan_under_the_mask_is_hidden_too():
    x = torch.full((1, 3, 2, 5, 1), torch.nan)
    assert (fill_joints(x, torch.ones(1, 2, 5, dtype=torch.bool), torch.tensor([2.0])) == 2).all()


def test_a_generator_decides_alone_and_leaves_the_global_rng():
    masking, x = LearnableJointMask(), clips()
    before = torch.get_rng_state()
    first, second = (masking(x, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.equal(second)
    assert torch.get_rng_state().equal(before)
    masking(x)
    assert not torch.get_rng_state().equal(before)


def test_compiles_in_one_graph():
    masking, x = filled_with(0.5), clips()
    x[0, ..., 1] = 0
    params = masking.sample(x.shape)
    compiled = torch.compile(masking.transform, backend="eager", fullgraph=True)
    ours, expected = compiled(x, params), masking.transform(x, params)
    assert ours.equal(expected)
    assert torch.autograd.grad(ours.sum(), masking.fill) == torch.autograd.grad(expected.sum(), masking.fill)


def test_composes():
    masking, x = filled_with(0.5, same_on_batch=True), clips()
    assert repr(masking) == "LearnableJointMask(ratio=0.1, same_on_batch=True, on_absent_persons=False)"
    composed = Compose([RandomShear(), masking])
    assert [p is masking.fill for p in composed.parameters()] == [True]
    assert composed(x).shape == x.shape


@pytest.mark.parametrize("ratio", [0.0, -0.1, 1.1])
def test_ratios_out_of_range_are_refused(ratio):
    with pytest.raises(ValueError, match=r"ratio: expected a ratio in \(0, 1\]"):
        LearnableJointMask(ratio)


def test_a_ratio_that_hides_nothing_is_refused():
    with pytest.raises(
        ValueError, match=r"ratio: expected at least 0\.2, so that one of v=5 joints is hidden, got 0\.1"
    ):
        LearnableJointMask().sample((2, 3, 4, 5, 1))


@pytest.mark.parametrize("v", range(2, 61))
def test_the_ratio_that_the_error_names_hides_a_joint(v):
    with pytest.raises(ValueError, match="ratio: expected at least") as error:
        LearnableJointMask(0.99 / v).sample((1, 3, 2, v, 1))
    ratio = float(str(error.value).split(",")[0].split()[-1])
    assert LearnableJointMask(ratio).sample((1, 3, 2, v, 1)).mask.sum(dim=2).eq(1).all()


def test_wrong_shapes_and_types_say_what_was_expected():
    x, mask, fill = clips(), torch.zeros(3, 6, 25, dtype=torch.bool), torch.zeros(1)
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
        fill_joints(x[0], mask, fill)
    with pytest.raises(ValueError, match=r"mask: .* axis 't' is 5, not 6"):
        fill_joints(x, mask[:, :5], fill)
    for wrong, axis in ((mask[:1], "'n' is 1, not 3"), (mask[:, :, :1], "'v' is 1, not 25")):
        with pytest.raises(ValueError, match=rf"mask: .* axis {axis}"):
            fill_joints(x, wrong, fill)
    with pytest.raises(ValueError, match=r"mask: expected 3 axes \(n=3, t=6, v=25\)"):
        fill_joints(x, mask[0], fill)
    with pytest.raises(ValueError, match=r"fill: expected .* shape \(1,\), got shape \(3,\)"):
        fill_joints(x, mask, torch.zeros(3))
    with pytest.raises(ValueError, match=r"fill: expected .*, got float; pass torch\.full"):
        fill_joints(x, mask, 0.5)
    with pytest.raises(TypeError, match=r"mask: expected a torch\.bool"):
        fill_joints(x, mask.float(), fill)
    with pytest.raises(TypeError, match="x: expected a floating-point"):
        fill_joints(x.long(), mask, fill)
    with pytest.raises(ValueError, match=r"shape: expected 5 sizes \(n, c, t, v, m\)"):
        LearnableJointMask().sample((3, 6, 25, 2))
