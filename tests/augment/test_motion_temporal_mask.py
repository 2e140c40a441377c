from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.augment import (
    Compose,
    MotionTemporalMask,
    MotionTemporalMaskParams,
    RandomShear,
    frame_motion,
    motion_temporal_mask,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "pstl_f64.npz"


def clips(n=3, t=50, v=5, m=2, seed=0, dtype=torch.float32):
    return torch.randn(n, 3, t, v, m, generator=torch.Generator().manual_seed(seed)).to(dtype)


def smallest(draws, count):
    return draws.argsort(dim=1)[:, :count].sort(dim=1).values


def reference(x, draws, most_moving, kept):
    """Clip by clip, with lists of frames."""
    out = []
    for clip, row in zip(x, draws.tolist(), strict=True):
        t = clip.shape[1]
        motion = [float((clip[:, i + 1] - clip[:, i]).square().mean()) for i in range(t - 1)] + [0.0]
        still = sorted(sorted(range(t), key=lambda i: (motion[i], i))[: t - most_moving])
        places = sorted(sorted(range(len(still)), key=lambda i: row[i])[:kept])
        out.append(torch.stack([clip[:, still[place]] for place in places], dim=1))
    return torch.stack(out)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 3), t=st.integers(1, 12), m=st.integers(1, 3), seed=st.integers(0, 2**16), data=st.data())
def test_equals_the_slow_reference(n, t, m, seed, data):
    most_moving = data.draw(st.integers(0, t - 1))
    kept = data.draw(st.integers(1, t - most_moving))
    x = clips(n, t, 4, m, seed, torch.float64)
    draws = torch.rand(n, t, generator=torch.Generator().manual_seed(seed))
    places = smallest(draws[:, : t - most_moving], kept)
    assert motion_temporal_mask(x, places, most_moving=most_moving).equal(reference(x, draws, most_moving, kept))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_official_code(dtype):
    with np.load(GOLDEN) as golden:
        x, frames, expected = (torch.from_numpy(golden[f"matm_{name}"]) for name in ("x", "random_frame", "out"))
    draws = torch.full((2, 50), 0.9).index_fill(1, frames, 0.1)
    y = MotionTemporalMask().transform(x.to(dtype), MotionTemporalMaskParams(draws))
    assert y.equal(expected.to(dtype))


def test_motion_is_the_mean_square_of_the_next_step_and_zero_at_the_end():
    x = clips(2, 7, dtype=torch.float64)
    motion = frame_motion(x)
    for i in range(6):
        torch.testing.assert_close(motion[:, i], ((x[:, :, i + 1] - x[:, :, i]) ** 2).mean(dim=(1, 2, 3)))
    assert (motion[:, 6] == 0).all()
    assert frame_motion(x[:, :, :1]).equal(torch.zeros(2, 1, dtype=torch.float64))
    assert (
        frame_motion(torch.full((1, 3, 4, 5, 1), 2e4, dtype=torch.float16).cumsum(dim=3).clamp(max=6e4))
        .isfinite()
        .all()
    )


def test_ties_are_broken_in_favor_of_the_earlier_frame_and_the_last_always_stays_still():
    indexed = torch.arange(1.0, 7.0).view(1, 1, 6, 1, 1)  # all steps alike
    places = torch.arange(4)[None]
    assert motion_temporal_mask(indexed, places, most_moving=2).flatten().tolist() == [1, 2, 3, 6]
    assert (motion_temporal_mask(torch.zeros(1, 1, 6, 1, 1), places[:, :1], most_moving=5) == 0).all()


def test_frames_come_in_order_and_are_those_of_the_clip(generator):
    x = clips(4, 50).cumsum(dim=2)
    x[:, 0, :, 0, 0] = torch.arange(50.0)
    frames = MotionTemporalMask()(x, generator=generator)[:, 0, :, 0, 0].long()
    assert frames.shape == (4, 30)
    assert (frames.diff(dim=1) > 0).all()
    most = frame_motion(x).topk(10, dim=1).indices
    assert not (frames[:, :, None] == most[:, None, :]).any()


@pytest.mark.parametrize(
    ("t", "kept"), [(50, 30), (64, 38), (300, 180), (16, 10), (5, 3), (4, 2), (3, 2), (2, 1), (1, 1)]
)
@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 2)])
def test_counts_scale_with_the_length(t, kept, n, m):
    assert MotionTemporalMask()(clips(n, t, 5, m)).shape == (n, 3, kept, 5, m)


def test_rounding_never_asks_for_more_frames_than_there_are():
    masking = MotionTemporalMask(moving_ratio=0.3, kept_ratio=0.7)
    assert masking(clips(2, 5)).shape[2] == 3
    assert MotionTemporalMask(moving_ratio=0.9, kept_ratio=0.1)(clips(2, 1)).shape[2] == 1
    for t in range(1, 70):
        assert masking(clips(1, t, 2, 1)).shape[2] >= 1


def test_shared_places_are_the_same_for_the_batch_and_no_others(generator):
    x = clips(1, 50).expand(16, -1, -1, -1, -1)
    assert len(MotionTemporalMask(same_on_batch=True)(x, generator=generator).unique(dim=0)) == 1
    assert len(MotionTemporalMask()(x, generator=generator).unique(dim=0)) == 16
    params = MotionTemporalMask(same_on_batch=True).sample(x.shape, generator=generator)
    assert params.draws.shape == (16, 50)


def test_every_place_is_kept_equally_often(generator):
    x = torch.arange(10.0).view(1, 1, 10, 1, 1).expand(6000, 1, 10, 1, 1)
    y = MotionTemporalMask(moving_ratio=0.0, kept_ratio=0.5)(x, generator=generator)
    often = y.flatten().long().bincount(minlength=10) / 6000
    assert (often - 0.5).abs().max() < 0.03


def test_a_sample_does_not_depend_on_the_others_nor_on_absent_persons(generator):
    masking, x = MotionTemporalMask(), clips()
    x[1, ..., 1] = 0
    params = masking.sample(x.shape, generator=generator)
    y = masking.transform(x, params)
    for i in range(3):
        assert masking.transform(x[i : i + 1], MotionTemporalMaskParams(params.draws[i : i + 1])).equal(y[i : i + 1])
    assert (y[1, ..., 1] == 0).all()
    alone = masking.transform(x[1:2, ..., :1], MotionTemporalMaskParams(params.draws[1:2]))
    assert alone.equal(y[1:2, ..., :1])
    empty = masking(torch.zeros(2, 3, 50, 5, 2))
    assert empty.shape == (2, 3, 30, 5, 2)
    assert (empty == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_keeps_the_dtype_and_autocast_changes_nothing(dtype):
    masking, x = MotionTemporalMask(), clips(dtype=dtype)
    params = masking.sample(x.shape)
    y = masking.transform(x, params)
    assert y.dtype == dtype
    if dtype != torch.float64:
        assert y.float().equal(masking.transform(x.float(), params))  # motion is not measured in half precision
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert masking.transform(x, params).equal(y)


def test_replay_leaves_the_input_and_the_global_rng():
    masking, x = MotionTemporalMask(), clips()
    kept, before = x.clone(), torch.get_rng_state()
    first, second = (masking(x, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.equal(second)
    assert torch.get_rng_state().equal(before)
    assert x.equal(kept)
    params = masking.sample(x.shape)
    strided = x.permute(0, 4, 2, 3, 1).contiguous().permute(0, 4, 2, 3, 1)
    assert masking.transform(strided, params).equal(masking.transform(x, params))
    assert repr(masking) == (
        "MotionTemporalMask(moving_ratio=0.2, kept_ratio=0.6, same_on_batch=False, across_absence=False)"
    )


def test_gradients_reach_the_kept_frames_alone():
    masking, x = MotionTemporalMask(), clips(2, 6, 2, 1, dtype=torch.float64).requires_grad_()
    params = masking.sample(x.shape)
    assert torch.autograd.gradcheck(lambda x: masking.transform(x, params), (x,))
    masking.transform(x, params).sum().backward()
    assert (x.grad.sum(dim=(1, 3, 4)) != 0).sum(dim=1).tolist() == [4, 4]


def test_composes_at_the_end_and_compiles_in_one_graph():
    both, x = Compose([RandomShear(), MotionTemporalMask()]), clips()
    params = both.sample(x.shape)
    y = both.transform(x, params)
    assert y.shape == (3, 3, 30, 5, 2)
    compiled = torch.compile(both.transform, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, params), y)


def test_wrong_arguments_say_what_was_expected():
    x, places = clips(2, 10), torch.zeros(2, 1, dtype=torch.int64)
    for mask in (lambda x: motion_temporal_mask(x, places, most_moving=1), frame_motion, MotionTemporalMask()):
        with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
            mask(x[0])
        with pytest.raises(TypeError, match=r"x: expected a floating-point tensor, got torch.int64"):
            mask(x.long())
        with pytest.raises(TypeError, match="x: expected a tensor, got list"):
            mask([1])
        with pytest.raises(ValueError, match=r"x: expected \(n, c, t, v, m\) with t of at least 1, got shape"):
            mask(x[:, :, :0])
    with pytest.raises(ValueError, match=r"places: .* axis 'n' is 1, not 2"):
        motion_temporal_mask(x, places[:1], most_moving=1)
    with pytest.raises(ValueError, match=r"places: expected 2 axes \(n=2, s\)"):
        motion_temporal_mask(x, places[0], most_moving=1)
    with pytest.raises(TypeError, match=r"places: expected a torch.int64 tensor, got torch.float32"):
        motion_temporal_mask(x, places.float(), most_moving=1)
    for place in (-1, 9):
        with pytest.raises(ValueError, match=f"places: expected 0 to 8, .* leaves 9 frames, got {place} to {place}"):
            motion_temporal_mask(x, places + place, most_moving=1)
    for most_moving in (-1, 10):
        with pytest.raises(ValueError, match=r"most_moving: expected (0 to 9 of 10 frames|an integer >= 0), got"):
            motion_temporal_mask(x, places, most_moving=most_moving)
    with pytest.raises(TypeError, match=r"most_moving: expected an integer >= 0, got 0\.2"):
        motion_temporal_mask(x, places, most_moving=0.2)
    with pytest.raises(ValueError, match=r"params.draws: .* axis 't' is 9, not 10"):
        MotionTemporalMask().transform(x, MotionTemporalMaskParams(torch.rand(2, 9)))
    with pytest.raises(ValueError, match="shape: expected 5 sizes"):
        MotionTemporalMask().sample((3, 10, 5, 1))


def test_unit_draws_still_work_with_a_warning():
    x, draws = clips(2, 10), torch.rand(2, 10)
    with pytest.warns(DeprecationWarning, match="uniform draws with kept= are deprecated") as caught:
        y = motion_temporal_mask(x, draws, most_moving=2, kept=3)
    assert caught[0].filename == __file__
    assert y.equal(reference(x, draws, 2, 3))
    with (
        pytest.warns(DeprecationWarning, match="kept="),
        pytest.raises(ValueError, match="kept: expected 1 to 8, the frames that most_moving=2"),
    ):
        motion_temporal_mask(x, draws, most_moving=2, kept=9)
    with (
        pytest.warns(DeprecationWarning, match="kept="),
        pytest.raises(ValueError, match=r"draws: .* axis 't' is 9, not 10"),
    ):
        motion_temporal_mask(x, draws[:, 1:], most_moving=2, kept=3)


def test_a_person_who_leaves_does_not_move_most(generator):
    x = 0.01 * torch.arange(1.0, 13.0).view(1, 1, 12, 1, 1).expand(2, 3, 12, 5, 2).square().clone() + 3
    x[0, :, 8:] = 0  # the tail is padded
    x[1, :, :4, :, 1] = 0  # the second person enters
    motion, released = frame_motion(x), frame_motion(x, across_absence=True)
    assert motion[0].argmax() == 6
    assert released[0].argmax() == 7
    assert released[1].argmax() == 3
    assert motion[1].argmax() == 10
    same = torch.ones_like(motion, dtype=torch.bool)
    same[0, 7] = same[1, 3] = False
    assert motion[same].equal(released[same])
    params = MotionTemporalMaskParams(torch.arange(12.0).expand(2, 12))
    first = {"moving_ratio": 1 / 12, "kept_ratio": 11 / 12}
    for across, left_out in ((False, 6), (True, 7)):
        y = MotionTemporalMask(**first, across_absence=across).transform(x, params)
        assert y[0].equal(x[0][:, [frame for frame in range(12) if frame != left_out]])


@pytest.mark.parametrize(("moving_ratio", "kept_ratio"), [(-0.1, 0.5), (1.0, 0.5), (0.2, 0.0), (0.2, 1.1), (0.5, 0.6)])
def test_ratios_out_of_range_are_refused(moving_ratio, kept_ratio):
    with pytest.raises(
        ValueError,
        match=r"moving_ratio: expected a ratio in \[0, 1\)|kept_ratio: expected a ratio in \(0, 1\]|a sum of at most 1",
    ):
        MotionTemporalMask(moving_ratio=moving_ratio, kept_ratio=kept_ratio)
