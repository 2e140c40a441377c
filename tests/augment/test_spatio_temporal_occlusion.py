import random
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.augment import (
    SpatioTemporalOcclusion,
    SpatioTemporalOcclusionParams,
    occlude,
    occluded_joints,
    occlusion_units,
)


def reference(draws, units, rate, ratio_counts):
    """The hidden joints of one draw: put units on the heap one by one, and look which heap is nearest."""
    v = len(units)
    target = round(rate * v, 9)  # without the noise of floating-point numbers
    heaps = [set()]
    for seed in sorted(range(v), key=lambda seed: draws[seed]):
        heaps.append(heaps[-1] | set(units[seed]))
    if ratio_counts == "units":
        return heaps[round(target)]
    return min(heaps, key=lambda heap: (abs(len(heap) - target), len(heap)))


def as_set(mask):
    return set(mask.nonzero().flatten().tolist())


@pytest.mark.parametrize("name", layouts.available())
def test_units_are_what_the_graph_says(name):
    layout = layouts.get(name)
    near = layouts.adjacency(layout, strategy="uniform")[0] > 0  # a joint is its own neighbor
    for joint, (whole, bone) in enumerate(
        zip(occlusion_units(name), occlusion_units(layout, unit="bone"), strict=True)
    ):
        assert whole == tuple(near[:, joint].nonzero().flatten().tolist())
        assert set(bone) == {joint, layout.parents[joint]} <= set(whole)
        assert list(bone) == sorted(bone)
    assert sum(len(unit) == 1 for unit in occlusion_units(name, unit="bone")) == 1  # the center


def test_the_noise_of_a_product_decides_no_tie():
    assert 0.28 * 25 > 7
    units = tuple(
        tuple(range(6)) if joint == 0 else tuple(range(6, 8)) if joint == 6 else (joint,) for joint in range(25)
    )
    draws = torch.ones(25)
    draws[0], draws[6] = 0.1, 0.2  # six joints, then eight: seven lies between
    assert int(occluded_joints(draws, units, ratio=0.28).sum()) == 6
    assert 0.58 * 25 < 14.5
    assert int(occluded_joints(torch.rand(25), [(j,) for j in range(25)], ratio=0.58).sum()) == 14


@pytest.mark.parametrize("v", [15, 17, 18, 20, 25])
def test_rates_of_whole_joints_hide_what_fractions_say(v):
    for seed in range(5):
        units = [tuple(range(j, min(j + 3, v))) or (j,) for j in range(v)]
        draws = torch.rand(v, generator=torch.Generator().manual_seed(seed))
        order = draws.argsort().tolist()
        for hundredths in range(101):
            target = Fraction(hundredths * v, 100)
            heaps = [set().union(*(units[j] for j in order[:count])) for count in range(v + 1)]
            wanted = min(heaps, key=lambda heap: (abs(len(heap) - target), len(heap)))
            assert as_set(occluded_joints(draws, units, ratio=hundredths / 100)) == wanted


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(layouts.available()),
    unit=st.sampled_from(["neighbors", "bone"]),
    ratio=st.floats(0, 1) | st.sampled_from([0.0, 0.5, 0.6, 1.0]),
    ratio_counts=st.sampled_from(["joints", "units"]),
    seed=st.integers(0, 2**16),
)
def test_equals_the_reference_and_keeps_the_ratio(name, unit, ratio, ratio_counts, seed):
    units = occlusion_units(name, unit=unit)
    v = len(units)
    draws = torch.rand(2, 3, v, generator=torch.Generator().manual_seed(seed))
    masks = occluded_joints(draws, units, ratio=ratio, ratio_counts=ratio_counts)
    assert masks.shape == (2, 3, v)
    assert masks.dtype == torch.bool
    for mask, draw in zip(masks.flatten(0, 1), draws.flatten(0, 1).tolist(), strict=True):
        assert as_set(mask) == reference(draw, units, ratio, ratio_counts)
        first = sorted(range(v), key=draw.__getitem__)[: round(round(ratio * v, 9))]
        if ratio_counts == "joints":
            assert abs(int(mask.sum()) - ratio * v) <= max(map(len, units)) / 2
        else:
            assert as_set(mask) == set().union(*(units[seed] for seed in first))
    if ratio in (0, 1):
        assert (masks == bool(ratio)).all()


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(layouts.available()),
    t=st.integers(1, 64),
    joint_ratio=st.floats(0, 1) | st.just(0.0),
    frame_ratio=st.floats(0, 1) | st.just(0.0),
    ratio_counts=st.sampled_from(["joints", "units"]),
    per_frame=st.booleans(),
    temporal=st.sampled_from(["zero_frames", "gate"]),
    seed=st.integers(0, 2**16),
)
def test_hides_the_rates_of_every_layout_and_length(
    name, t, joint_ratio, frame_ratio, ratio_counts, per_frame, temporal, seed
):
    units = occlusion_units(name)
    v, chosen = len(units), round(frame_ratio * t)
    occlusion = SpatioTemporalOcclusion(
        name,
        joint_ratio=joint_ratio,
        frame_ratio=frame_ratio,
        ratio_counts=ratio_counts,
        per_frame=per_frame,
        temporal=temporal,
    )
    x = torch.randn(2, 3, t, v, 2).abs() + 1
    params = occlusion.sample(x.shape, generator=torch.Generator().manual_seed(seed))
    y = occlusion.transform(x, params)
    hidden = (y == 0).all(dim=-1).all(dim=1)
    assert y.equal(x * ~hidden[:, None, :, :, None])  # alike in all channels, for all persons
    for i in range(2):
        order = sorted(range(t), key=params.frames[i].tolist().__getitem__)
        for place, frame in enumerate(order):
            draw = params.joints[i, frame if per_frame else 0].tolist()
            joints = reference(draw, units, joint_ratio, ratio_counts)
            in_chosen, in_others = (joints, set()) if temporal == "gate" else (set(range(v)), joints)
            assert as_set(hidden[i, frame]) == (in_chosen if place < chosen else in_others)


def test_either_part_alone(generator):
    x = torch.ones(16, 3, 50, 25, 1)
    spatial = SpatioTemporalOcclusion("ntu-rgb+d", frame_ratio=0.0)(x, generator=generator)[:, 0, :, :, 0] == 0
    assert (spatial == spatial[:, :1]).all()  # the same joints in all frames
    assert ((spatial[:, 0].sum(dim=1) - 15).abs() <= 2).all()
    temporal = SpatioTemporalOcclusion("ntu-rgb+d", joint_ratio=0.0)(x, generator=generator)[:, 0, :, :, 0] == 0
    assert (temporal == temporal[:, :, :1]).all()  # whole frames
    assert (temporal[:, :, 0].sum(dim=1) == 25).all()
    assert SpatioTemporalOcclusion("ntu-rgb+d", joint_ratio=0.0, frame_ratio=0.0)(x).equal(x)
    for off in ({"joint_ratio": 0.0}, {"frame_ratio": 0.0}):
        assert SpatioTemporalOcclusion("ntu-rgb+d", temporal="gate", **off)(x).equal(x)
    gate = SpatioTemporalOcclusion("ntu-rgb+d", temporal="gate", frame_ratio=1.0)
    params = gate.sample(x.shape)
    always = SpatioTemporalOcclusion("ntu-rgb+d", frame_ratio=0.0)
    assert gate.transform(x, params).equal(always.transform(x, params))


def test_per_frame_draws_other_joints_in_each_frame(generator):
    x = torch.ones(1, 3, 50, 25, 1)
    for per_frame, different in ((False, 1), (True, 50)):
        occlusion = SpatioTemporalOcclusion("ntu-rgb+d", frame_ratio=0.0, per_frame=per_frame)
        assert len(occlusion(x, generator=generator)[0, 0, :, :, 0].unique(dim=0)) == different


def test_every_unit_and_every_frame_is_as_likely(generator):
    units = occlusion_units("sbu", unit="bone")
    one = occluded_joints(torch.rand(15000, 15, generator=generator), units, ratio=1 / 15, ratio_counts="units")
    expected = torch.zeros(15).index_add(0, torch.tensor(sum(units, ())), torch.ones(sum(map(len, units)))) / 15
    torch.testing.assert_close(one.float().mean(dim=0), expected, atol=0.02, rtol=0)
    y = SpatioTemporalOcclusion("sbu", joint_ratio=0.0)(torch.ones(5000, 1, 10, 15, 1), generator=generator)
    torch.testing.assert_close(y[:, 0, :, 0, 0].mean(dim=0), torch.full((10,), 0.5), atol=0.05, rtol=0)


def test_how_much_the_rate_hides_of_ntu(generator):
    draws, units = torch.rand(5000, 25, generator=generator), occlusion_units("ntu-rgb+d")
    counts = {
        ratio_counts: occluded_joints(draws, units, ratio=0.6, ratio_counts=ratio_counts).sum(dim=1).double().mean()
        for ratio_counts in ("joints", "units")
    }
    assert abs(counts["joints"] - 15) < 0.5
    assert abs(counts["units"] - 23.3) < 0.2


def test_equal_draws_hide_the_first_joints_first():
    units = occlusion_units("ntu-rgb+d")
    mask = occluded_joints(torch.zeros(25), units, ratio=0.6)
    assert as_set(mask) == reference([0.0] * 25, units, 0.6, "joints")


def test_takes_the_fewer_of_two_as_near():
    units = ((0, 1), (0, 1), (2,))  # 2 or 3 joints, 2.5 asked
    draws = torch.tensor([0.1, 0.2, 0.3])
    assert occluded_joints(draws, units, ratio=2.5 / 3).tolist() == [True, True, False]
    assert occluded_joints(draws, units, ratio=2.51 / 3).tolist() == [True, True, True]


def test_hides_exactly_the_mask_and_a_nan_under_it():
    chooser = random.Random(0)
    mask = torch.tensor([[[chooser.random() < 0.5 for _ in range(5)] for _ in range(4)] for _ in range(2)])
    x = torch.randn(2, 3, 4, 5, 2)
    x[0, :, 1, 2] = torch.nan
    mask[0, 1, 2] = True
    y = occlude(x, mask)
    for i in range(2):
        for t in range(4):
            for v in range(5):
                expected = torch.zeros(3, 2) if mask[i, t, v] else x[i, :, t, v]
                assert y[i, :, t, v].equal(expected)


@pytest.mark.parametrize(
    "options",
    [{"ratio_counts": "units"}, {"unit": "bone"}, {"per_frame": True}, {"temporal": "gate", "per_frame": True}],
)
def test_every_option_compiles_and_has_the_gradient_of_a_mask(options):
    occlusion = SpatioTemporalOcclusion("sbu", **options)
    x = torch.randn(2, 3, 6, 15, 1, dtype=torch.float64, requires_grad=True)
    params = occlusion.sample(x.shape)
    compiled = torch.compile(occlusion.transform, backend="eager", fullgraph=True)
    y = compiled(x, params)
    assert y.equal(occlusion.transform(x, params))
    y.sum().backward()
    assert x.grad.equal((y != 0).double())
    assert torch.autograd.gradcheck(lambda x: occlusion.transform(x, params), (x,), fast_mode=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"joint_ratio": 1.5}, r"joint_ratio: expected a ratio in \[0, 1\], got 1.5"),
        ({"frame_ratio": -0.1}, r"frame_ratio: expected a ratio in \[0, 1\], got -0.1"),
        ({"ratio_counts": "frames"}, "ratio_counts: expected one of 'joints', 'units', got 'frames'"),
        ({"unit": "limb"}, "unit: expected one of 'neighbors', 'bone', got 'limb'"),
        ({"temporal": "crop"}, "temporal: expected one of 'zero_frames', 'gate', got 'crop'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SpatioTemporalOcclusion("ntu-rgb+d", **options)


def test_wrong_shapes_and_types_say_what_was_expected():
    occlusion, x = SpatioTemporalOcclusion("ntu-rgb+d"), torch.zeros(2, 3, 6, 25, 1)
    params = occlusion.sample(x.shape)
    with pytest.raises(ValueError, match=r"x: .* axis 'v' is 20, not 25"):
        occlusion.transform(torch.zeros(2, 3, 6, 20, 1), params)
    with pytest.raises(ValueError, match=r"params.joints: .* axis 's' is 1, not 6"):
        SpatioTemporalOcclusion("ntu-rgb+d", per_frame=True).transform(x, params)
    with pytest.raises(ValueError, match=r"params.frames: .* axis 't' is 5, not 6"):
        occlusion.transform(x, SpatioTemporalOcclusionParams(params.joints, params.frames[:, 1:]))
    with pytest.raises(ValueError, match=r"mask: .* axis 't' is 5, not 6"):
        occlude(x, torch.zeros(2, 5, 25, dtype=torch.bool))
    narrow = {(1, 6, 25): "'n' is 1, not 2", (2, 1, 25): "'t' is 1, not 6", (2, 6, 1): "'v' is 1, not 25"}
    for shape, axis in narrow.items():
        with pytest.raises(ValueError, match=rf"mask: expected \(n=2, t=6, v=25\), .* axis {axis}"):
            occlude(x, torch.zeros(shape, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"mask: expected 3 axes \(n=2, t=6, v=25\)"):
        occlude(x, torch.zeros(6, 25, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
        occlude(x[0], torch.zeros(2, 6, 25, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"mask: expected a torch.bool tensor, got torch.float32"):
        occlude(x, torch.zeros(2, 6, 25))
    with pytest.raises(ValueError, match=r"unit: expected one of .*, got 'limb'"):
        occlusion_units("ntu-rgb+d", unit="limb")
    with pytest.raises(ValueError, match=r"ratio_counts: expected one of 'joints', 'units', got 'bones'"):
        occluded_joints(torch.zeros(2), [(0,), (1,)], ratio=0.5, ratio_counts="bones")
    with pytest.raises(ValueError, match=r"draws: expected at least 1 axes \(\.\.\., v=2\)"):
        occluded_joints(torch.zeros(()), [(0,), (1,)], ratio=0.5)
    with pytest.raises(ValueError, match=r"draws: .* axis 'v' is 24, not 25"):
        occluded_joints(torch.zeros(2, 24), occlusion_units("ntu-rgb+d"), ratio=0.5)
    with pytest.raises(ValueError, match="ratio: expected a ratio"):
        occluded_joints(torch.zeros(2), [(0,), (1,)], ratio=1.1)
    with pytest.raises(ValueError, match="units: expected 2 sets whose union is the joints 0 to 1"):
        occluded_joints(torch.zeros(2), [(0,), (0,)], ratio=0.5)


def test_repr():
    assert repr(SpatioTemporalOcclusion("sbu")) == (
        "SpatioTemporalOcclusion('sbu', joint_ratio=0.6, frame_ratio=0.5, ratio_counts='joints', "
        "unit='neighbors', per_frame=False, temporal='zero_frames')"
    )


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("ratio_counts", ["joints", "units"])
def test_cuda_agrees_with_cpu(ratio_counts):
    draws, units = torch.rand(64, 25).mul(10).floor() / 10, occlusion_units("ntu-rgb+d")  # with equal draws
    on_cuda = occluded_joints(draws.cuda(), units, ratio=0.6, ratio_counts=ratio_counts)
    assert on_cuda.is_cuda
    assert on_cuda.cpu().equal(occluded_joints(draws, units, ratio=0.6, ratio_counts=ratio_counts))
