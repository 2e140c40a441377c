from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.augment import Mixed, RandomRegionSwap, RegionSwapParams, recipes, region_swap
from skelblocks.encoders import STGCN

GOLDEN = Path(__file__).parents[1] / "golden" / "skelemix_f64.npz"


@pytest.fixture(scope="module")
def skelemix():
    with np.load(GOLDEN) as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


def clips(n=3, t=12, v=25, m=2, seed=0):
    return torch.randn(n, 3, t, v, m, generator=torch.Generator().manual_seed(seed))


def frame_mask(mask, t, stride=4):
    return mask.repeat_interleave(stride, dim=1)[:, :t]


def slow_region_swap(x, partner, mask, on_absent_persons):
    y = x.clone()
    n, _, t, v, m = x.shape
    for i in range(n):
        for person in range(m):
            other = x[partner[i], ..., person]
            if on_absent_persons or (bool((other != 0).any()) and bool((x[i, ..., person] != 0).any())):
                for frame in range(t):
                    for joint in range(v):
                        if mask[i, frame, joint]:
                            y[i, :, frame, joint, person] = other[:, frame, joint]
    return y


@pytest.mark.parametrize("on_absent_persons", [False, True])
def test_equals_the_slow_loop(on_absent_persons):
    x, mask = clips(4, 6, 5), torch.rand(4, 6, 5) < 0.5
    x[1, ..., 1] = x[2, ..., 0] = 0
    partner = torch.tensor([1, 2, 3, 0])
    expected = slow_region_swap(x, partner, mask, on_absent_persons)
    assert region_swap(x, partner, mask, on_absent_persons=on_absent_persons).equal(expected)
    assert on_absent_persons or region_swap(x, partner, mask).equal(expected)  # the default
    together = region_swap(x, partner, mask[0], on_absent_persons=on_absent_persons)
    assert together.equal(slow_region_swap(x, partner, mask[:1].expand(4, 6, 5), on_absent_persons))


@pytest.mark.parametrize("swap", ["swap0", "swap1"])
def test_equals_the_official_code(swap, skelemix):
    x, partner, blocks = skelemix["x"].double(), skelemix[f"{swap}/randidx"], skelemix[f"{swap}/mask_TV"]
    op = recipes.skelemix_swap("ntu-rgb+d", same_on_batch=True, on_absent_persons=True)
    rows, joints = blocks.any(dim=1), blocks.any(dim=0)
    bodies = torch.tensor([all(joints[list(body.joints)]) for body in op.layout.bodies])
    params = RegionSwapParams(partner, bodies.expand(8, 5), rows.float().argmax().expand(8), rows.sum().expand(8))
    for mixed in (
        op.transform(x, params),
        Mixed(region_swap(x, partner, blocks.repeat_interleave(4, 0)), partner, None),
    ):
        checksums = mixed.clips.sum(dim=(1, 2, 3, 4))
        torch.testing.assert_close(checksums, skelemix[f"{swap}/x_checksum_per_sample"], rtol=1e-9, atol=1e-10)
    assert op.transform(x, params).mask.equal(blocks.expand(8, 16, 25))
    assert op.transform(x, params).partner.equal(partner)


def test_the_layouts_bodies_are_the_official_ones(skelemix):
    official = {frozenset((skelemix["body_parts"] == part).nonzero().flatten().tolist()) for part in range(5)}
    assert {frozenset(body.joints) for body in layouts.get("ntu-rgb+d").groups("body")} == official


@settings(max_examples=30, deadline=None)
@given(
    layout=st.sampled_from(layouts.available()),
    n=st.integers(2, 6),
    t=st.integers(8, 120),
    shared=st.booleans(),
    make=st.sampled_from([recipes.skelemix_swap, recipes.skeattnclr_swap]),
    seed=st.integers(0, 2**16),
)
def test_inside_the_mask_is_the_partner_and_outside_nothing_changes(layout, n, t, shared, make, seed):
    op = make(layout, same_on_batch=shared)
    x = clips(n, t, op.layout.num_joints, 2, seed)
    kept = x.clone()
    params = op.sample(x.shape, generator=torch.Generator().manual_seed(seed))
    mixed = op(x, generator=torch.Generator().manual_seed(seed))
    assert x.equal(kept)
    assert mixed.clips.shape == x.shape
    assert mixed.mask.shape == (n, -(-t // 4), op.layout.num_joints)
    assert (mixed.partner != torch.arange(n)).all()
    assert mixed.partner.sort().values.equal(torch.arange(n))
    shift = (mixed.partner - torch.arange(n)) % n
    assert (shift == shift[0]).all()
    inside = frame_mask(mixed.mask, t)[:, None, :, :, None].expand_as(x)
    assert mixed.clips[inside].equal(x[mixed.partner][inside])
    assert mixed.clips[~inside].equal(x[~inside])
    rows = mixed.mask.any(dim=2)
    for mask, (low, high), size in (
        (params.bodies, op.body_ratio, len(op.layout.bodies)),
        (rows, op.block_ratio, rows.shape[1]),
    ):
        count = mask.sum(dim=1)
        assert (count >= max(1, round(low * size))).all()
        assert (count <= max(1, round(high * size))).all()
    assert (rows.int().diff(dim=1).abs().sum(dim=1) <= 2).all()  # one run of blocks
    assert rows.sum(dim=1).equal(params.length)
    for body, group in enumerate(op.layout.bodies):
        for joint in group.joints:
            assert mixed.mask[:, :, joint].equal(rows & params.bodies[:, body, None])
    if shared:
        assert (mixed.mask == mixed.mask[0]).all()


def test_every_shift_body_length_and_start_is_drawn_and_none_is_favoured():
    op, generator = RandomRegionSwap("ntu-rgb+d"), torch.Generator().manual_seed(0)
    params = op.sample((4000, 3, 64, 25, 2), generator=generator)
    assert params.bodies.float().mean(dim=0).sub(0.7).abs().max() < 0.04  # 3.5 of 5
    for length in range(4, 8):
        starts = params.start[params.length == length].bincount()
        assert len(starts) == 16 - length + 1
        expected = starts.sum() / len(starts)
        assert ((starts - expected).abs() < 6 * expected**0.5).all()
    shifts = torch.stack([op.sample((4, 3, 8, 25, 1), generator=generator).partner[0] for _ in range(300)])
    counts = shifts.bincount(minlength=4)
    assert counts[0] == 0
    assert ((counts[1:] - 100).abs() < 60).all()


def test_the_start_is_what_one_draw_in_float64_gives():
    """The place without float64: seeded runs draw as they did with it."""
    op, generator, reference = RandomRegionSwap("ntu-rgb+d"), torch.Generator(), torch.Generator()
    for seed in range(50):
        params = op.sample((64, 3, 64, 25, 2), generator=generator.manual_seed(seed))
        torch.randint(1, 64, (1,), generator=reference.manual_seed(seed))
        torch.randint(3, 5, (64, 1), generator=reference)
        torch.rand(64, 5, generator=reference)
        torch.randint(4, 8, (64,), generator=reference)
        unit = torch.rand(64, dtype=torch.float64, generator=reference)
        assert params.start.equal((unit * (16 - params.length + 1)).long())
        assert generator.get_state().equal(reference.get_state())


def test_clips_draw_their_own_regions_unless_shared(generator):
    own = RandomRegionSwap("sbu").sample((32, 3, 64, 15, 1), generator=generator)
    one = RandomRegionSwap("sbu", same_on_batch=True).sample((32, 3, 64, 15, 1), generator=generator)
    for field in ("bodies", "start", "length"):
        assert len(getattr(own, field).unique(dim=0)) > 1
        assert len(getattr(one, field).unique(dim=0)) == 1


def test_a_clips_result_depends_on_itself_and_its_partner_alone(generator):
    op, x = RandomRegionSwap("ntu-rgb+d"), clips(5)
    params = op.sample(x.shape, generator=generator)
    before = op.transform(x, params).clips[0]
    others = [i for i in range(5) if i not in (0, int(params.partner[0]))]
    x[others] = torch.randn(3, *x.shape[1:])
    assert op.transform(x, params).clips[0].equal(before)


@pytest.mark.parametrize("t", [8, 50, 64, 65])
def test_the_mask_has_the_rows_of_an_encoders_map(t):
    layout = layouts.get("sbu")
    x = clips(2, t, 15, 1)
    feature_map = STGCN(layout, base_channels=4, out_channels=8).eval()(x)
    assert RandomRegionSwap(layout)(x).mask.shape[1:] == feature_map.shape[3:]


def test_a_short_last_block_is_taken_to_its_end():
    op, x = RandomRegionSwap("sbu"), clips(2, 10, 15, 1)
    every = torch.ones(2, 5, dtype=torch.bool)
    mixed = op.transform(x, RegionSwapParams(torch.tensor([1, 0]), every, torch.tensor([2, 1]), torch.tensor([1, 1])))
    assert mixed.clips[0, :, 8:].equal(x[1, :, 8:])
    assert mixed.clips[0, :, :8].equal(x[0, :, :8])
    assert mixed.clips[1, :, 4:8].equal(x[0, :, 4:8])
    assert mixed.mask.any(dim=2).tolist() == [[False, False, True], [False, True, False]]


def test_an_absent_person_stays_absent_and_a_present_one_keeps_all_limbs_unless_asked(generator):
    x = clips(6)
    x[::2, ..., 1] = 0
    op, released = (RandomRegionSwap("ntu-rgb+d", on_absent_persons=each) for each in (False, True))
    params = op.sample(x.shape, generator=generator)._replace(partner=torch.tensor([1, 2, 3, 4, 5, 0]))
    assert op.transform(x, params).clips[..., 1].equal(x[..., 1])
    copied = released.transform(x, params)
    inside = frame_mask(copied.mask, 12)[:, None].expand_as(x[..., 1])
    assert (copied.clips[1::2, ..., 1][inside[1::2]] == 0).all()
    assert (copied.clips[::2, ..., 1][inside[::2]] != 0).all()
    assert copied.clips[..., 0].equal(op.transform(x, params).clips[..., 0])
    assert copied.mask.equal(op.transform(x, params).mask)


@pytest.mark.parametrize("make", [recipes.skelemix_swap, recipes.skeattnclr_swap])
@pytest.mark.parametrize("t", [1, 2, 5])
def test_very_short_clips_and_one_body_still_mix_one_block_of_one_body(make, t):
    lump = {**layouts.get("sbu").to_dict(), "name": "lump", "bodies": {"all": list(range(15))}}
    for layout in ("sbu", lump):
        mixed = make(layout)(clips(2, t, 15, 1))
        assert (mixed.mask.any(dim=2).sum(dim=1) == 1).all()
        assert mixed.mask.any(dim=1).any(dim=1).all()


def test_a_generator_decides_alone_and_leaves_the_global_rng():
    op, x = RandomRegionSwap("ntu-rgb+d"), clips()
    before = torch.get_rng_state()
    first, second = (op(x, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))
    assert torch.get_rng_state().equal(before)
    op(x)
    assert not torch.get_rng_state().equal(before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_values_are_copied_in_every_dtype(dtype):
    op, x = RandomRegionSwap("ntu-rgb+d"), clips()
    params = op.sample(x.shape)
    assert op.transform(x.to(dtype), params).clips.equal(op.transform(x, params).clips.to(dtype))


def test_repr():
    assert repr(RandomRegionSwap("nw-ucla", same_on_batch=True)) == (
        "RandomRegionSwap('nw-ucla', body_ratio=(0.6, 0.8), block_ratio=(0.25, 0.4375), stride=4, same_on_batch=True, "
        "on_absent_persons=False)"
    )


def test_a_batch_of_one_is_refused_and_a_batch_of_two_exchanges():
    op = RandomRegionSwap("ntu-rgb+d")
    with pytest.raises(ValueError, match=r"shape: expected n >= 2 clips, .* got n=1; use a larger batch"):
        op(clips(1))
    assert op(clips(2)).partner.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("x", "partner", "mask", "error", "message"),
    [
        ((2, 3, 5, 25), torch.tensor([1, 0]), torch.zeros(5, 25).bool(), ValueError, r"x: expected 5 axes \(n, c, t"),
        ((2, 3, 5, 25, 1), torch.tensor([1, 0, 2]), torch.zeros(5, 25).bool(), ValueError, "axis 'n' is 3, not 2"),
        ((2, 3, 5, 25, 1), torch.tensor([[1], [0]]), torch.zeros(5, 25).bool(), ValueError, r"partner: .* \(n=2\)"),
        ((2, 3, 5, 25, 1), torch.tensor([1, 0]), torch.zeros(5, 24).bool(), ValueError, r"\(t=5, v=25\), .* 'v' is 24"),
        ((2, 3, 5, 25, 1), torch.tensor([1, 0]), torch.zeros(1, 5, 25).bool(), ValueError, "mask: .* 'n' is 1, not 2"),
        ((2, 3, 5, 25, 1), torch.tensor([1, 0]), torch.zeros(2, 1, 25).bool(), ValueError, "mask: .* 't' is 1, not 5"),
        ((2, 3, 5, 25, 1), torch.tensor([1, 0]), torch.zeros(2, 5, 1).bool(), ValueError, "mask: .* 'v' is 1, not 25"),
        (
            (2, 3, 5, 25, 1),
            torch.tensor([1.0, 0.0]),
            torch.zeros(5, 25).bool(),
            TypeError,
            "partner: expected a torch.int",
        ),
        (
            (2, 3, 5, 25, 1),
            torch.tensor([1, 0]),
            torch.zeros(4, 25).bool(),
            ValueError,
            r"mask: expected \(t=5, v=25\), .* axis 't' is 4, not 5",
        ),
        ((2, 3, 5, 25, 1), torch.tensor([1, 0]), torch.zeros(2, 5, 24).bool(), ValueError, "axis 'v' is 24, not 25"),
        ((2, 3, 5, 25, 1), torch.tensor([1, 0]), torch.zeros(25).bool(), ValueError, r"mask: expected 3 axes \(n=2, t"),
        ((2, 3, 5, 25, 1), torch.tensor([1, 0]), torch.zeros(5, 25), TypeError, "mask: expected a torch.bool tensor"),
        ((2, 3, 5, 25, 1), torch.tensor([1, 0]), None, TypeError, "mask: expected a tensor, got NoneType"),
        ((2, 3, 5, 25, 1), torch.tensor([1, 2]), torch.zeros(5, 25).bool(), IndexError, "out of "),
    ],
)
def test_wrong_arguments_say_what_was_expected(x, partner, mask, error, message):
    with pytest.raises(error, match=message):
        region_swap(torch.ones(x), partner, mask)


def test_wrong_shapes_of_clips_and_draws_say_what_was_expected():
    op = RandomRegionSwap("ntu-rgb+d")
    with pytest.raises(ValueError, match=r"shape: expected 5 sizes \(n, c, t, v, m\), got \(3, 12, 25, 2\)"):
        op.sample((3, 12, 25, 2))
    params = op.sample((3, 3, 12, 25, 2))
    with pytest.raises(ValueError, match=r"x: .* axis 'v' is 20, not 25"):
        op.transform(clips(v=20), params)
    with pytest.raises(ValueError, match=r"params.bodies: .* axis 'n' is 3, not 2"):
        op.transform(clips(2), params)
    for field in ("start", "length"):
        with pytest.raises(ValueError, match=rf"params.{field}: .* axis 'n' is 2, not 3"):
            op.transform(clips(), params._replace(**{field: getattr(params, field)[:2]}))


@pytest.mark.parametrize("bad", [(0, 0.5), (0.5, 1.2), (0.6, 0.4)])
def test_settings_out_of_range_are_refused(bad):
    for name in ("body_ratio", "block_ratio"):
        with pytest.raises(ValueError, match=f"{name}: expected two ratios"):
            RandomRegionSwap("sbu", **{name: bad})
    for stride in (0, 2.0, True):
        with pytest.raises((TypeError, ValueError), match="stride: expected an integer >= 1"):
            RandomRegionSwap("sbu", stride=stride)
    with pytest.raises(ValueError, match="no layout is named 'kinect'"):
        RandomRegionSwap("kinect")
