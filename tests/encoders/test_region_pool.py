import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.encoders import RegionPool, pool, region_pool, region_to_frames


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def reference(feature_map, mask, person_mask):
    """One position at a time."""
    n, m, c, t, v = feature_map.shape
    sides = torch.zeros(2, n, c, dtype=feature_map.dtype)
    for i in range(n):
        region = mask if mask.ndim == 2 else mask[i]
        persons = [p for p in range(m) if person_mask[i, p]] or list(range(m))
        for side, wanted in enumerate((True, False)):
            places = [(a, b) for a in range(t) for b in range(v) if bool(region[a, b]) == wanted]
            for a, b in places:
                for p in persons:
                    sides[side, i] += feature_map[i, p, :, a, b] / len(places) / len(persons)
    return sides


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 3),
    m=st.integers(1, 3),
    t=st.integers(1, 4),
    share=st.floats(0, 1),
    one_each=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_equals_the_slow_reference(n, m, t, share, one_each, seed):
    generator = torch.Generator().manual_seed(seed)
    feature_map = torch.randn(n, m, 3, t, 5, dtype=torch.float64, generator=generator)
    mask = torch.rand((n, t, 5) if one_each else (t, 5), generator=generator) < share
    present = torch.rand(n, m, generator=generator) < 0.6
    everybody = torch.ones(n, m, dtype=torch.bool)
    for persons, expected in ((present, present), (None, everybody)):
        pooled = RegionPool()(feature_map, mask, person_mask=persons)
        torch.testing.assert_close(torch.stack(pooled), reference(feature_map, mask, expected))


def test_the_sides_weighed_by_their_sizes_are_the_whole():
    feature_map = torch.randn(2, 2, 8, 4, 5, dtype=torch.float64)
    mask = torch.rand(4, 5) < 0.3
    inside, outside = region_pool(feature_map, mask)
    share = mask.double().mean()
    torch.testing.assert_close(inside * share + outside * (1 - share), pool(feature_map))
    swapped = region_pool(feature_map, ~mask)
    torch.testing.assert_close((swapped.outside, swapped.inside), (inside, outside))


@pytest.mark.parametrize("full", [False, True])
def test_a_side_without_positions_is_zero_with_finite_gradients(full):
    feature_map = torch.randn(2, 1, 3, 4, 5, requires_grad=True)
    pooled = region_pool(feature_map, torch.full((4, 5), full))
    empty, whole = (pooled.outside, pooled.inside) if full else (pooled.inside, pooled.outside)
    assert (empty == 0).all()
    torch.testing.assert_close(whole, pool(feature_map))
    (gradient,) = torch.autograd.grad(pooled.inside.sum() + pooled.outside.sum(), feature_map)
    torch.testing.assert_close(gradient, torch.full_like(gradient, 1 / 20))


def test_each_clip_has_its_own_region():
    feature_map, mask = torch.randn(3, 2, 4, 6, 5), torch.rand(3, 6, 5) < 0.5
    pooled = region_pool(feature_map, mask)
    for i in range(3):
        alone = region_pool(feature_map[i : i + 1], mask[i])
        torch.testing.assert_close(alone, type(alone)(pooled.inside[i : i + 1], pooled.outside[i : i + 1]))


def test_whoever_is_left_out_may_hold_anything():
    feature_map = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    spoilt, mask = feature_map.clone(), torch.rand(2, 4, 5) < 0.5
    spoilt[0, 1], spoilt[1, 0, :, 2] = torch.nan, torch.inf
    spoilt.requires_grad_()
    present = torch.tensor([[True, False], [False, True]])
    pooled = region_pool(spoilt, mask, person_mask=present)
    torch.testing.assert_close(pooled, region_pool(feature_map, mask, person_mask=present))
    (gradient,) = torch.autograd.grad(pooled.inside.sum() + pooled.outside.sum(), spoilt)
    assert gradient[present].isfinite().all()
    assert not gradient[~present].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_keeps_the_dtype_and_autocast_does_not_round(dtype):
    feature_map, mask = torch.randn(2, 2, 8, 16, 25), torch.rand(16, 25) < 0.3
    expected = region_pool(feature_map, mask)
    low = region_pool(feature_map.to(dtype), mask)
    assert low.inside.dtype == low.outside.dtype == dtype
    torch.testing.assert_close(low.inside.float(), expected.inside, rtol=0.02, atol=0.01)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert region_pool(feature_map, mask).inside.equal(expected.inside)


@pytest.mark.parametrize(("t", "frames", "stride"), [(64, 16, 4), (50, 13, 4), (7, 2, 4), (50, 50, 1), (1, 1, 1)])
def test_a_mask_of_the_clip_comes_down_to_the_map(t, frames, stride):
    mask = torch.rand(3, t, 5) < 0.5
    low = region_to_frames(mask, frames=frames, stride=stride)
    assert low.shape == (3, frames, 5)
    for i in range(frames):
        assert low[:, i].equal(mask[:, i * stride])
    assert region_to_frames(mask[0], frames=frames, stride=stride).equal(low[0])
    blocks = torch.rand(frames, 5) < 0.5
    assert region_to_frames(blocks.repeat_interleave(stride, dim=0)[:t], frames=frames, stride=stride).equal(blocks)


def test_without_a_stride_the_only_one_that_fits_is_taken_and_several_are_refused():
    for t in range(1, 71):
        mask = torch.rand(t, 5) < 0.5
        for frames in range(1, t + 1):
            fitting = [stride for stride in range(1, t + 1) if -(-t // stride) == frames]
            wanted = {tuple(range(0, t, stride)) for stride in fitting}
            if len(wanted) == 1:
                assert region_to_frames(mask, frames=frames).equal(mask[list(*wanted)])
            else:
                with pytest.raises(
                    ValueError, match=r"stride: expected a number, .* pass the encoder" if wanted else "frames: "
                ):
                    region_to_frames(mask, frames=frames)


@pytest.mark.parametrize("t", range(1, 71))
def test_a_short_clip_comes_down_as_its_map_does(t):
    center = torch.arange(t).view(1, 1, t)
    for _ in range(2):  # the two blocks that halve the frames
        center = center[..., ::2]
    mask = torch.rand(t, 5) < 0.5
    assert region_to_frames(mask, frames=center.numel(), stride=4).equal(mask[center.flatten()])


def test_a_stride_that_does_not_give_the_frames_is_refused():
    mask = torch.zeros(9, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"frames: expected .* t=9 frames, ceil\(t / stride\) for stride=4, got 2"):
        region_to_frames(mask, frames=2, stride=4)
    with pytest.raises(ValueError, match="stride: expected an integer >= 1, got 0"):
        region_to_frames(mask, frames=3, stride=0)
    with pytest.raises(TypeError, match=r"stride: expected an integer >= 1, got 4\.0"):
        region_to_frames(mask, frames=3, stride=4.0)


@pytest.mark.parametrize("frames", [0, -1, 12, 51])
def test_frames_that_no_stride_gives_are_refused(frames):
    with pytest.raises(ValueError, match=rf"frames: expected .* t=50 frames, .* got {frames}"):
        region_to_frames(torch.zeros(50, 25, dtype=torch.bool), frames=frames)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ((12, 25), r"mask: expected the t=13 frames of the feature map, got 12 .* region_to_frames\(mask, frames=13\)"),
        ((2, 50, 25), "mask: expected the t=13 frames of the feature map, got 50"),
        ((3, 13, 25), "mask: .* axis 'n' is 3, not 2"),
        ((13, 10), "mask: .* axis 'v' is 10, not 25"),
        ((13,), r"mask: expected 2 axes \(t, v=25\)"),
    ],
)
def test_wrong_shapes_say_what_was_expected(mask, message):
    with pytest.raises(ValueError, match=message):
        region_pool(torch.zeros(2, 2, 3, 13, 25), torch.zeros(mask, dtype=torch.bool))


def test_wrong_types_and_persons_are_refused():
    feature_map, mask = torch.zeros(2, 2, 3, 13, 25), torch.zeros(13, 25)
    for call in (lambda: region_pool(feature_map, mask), lambda: region_to_frames(mask, frames=13)):
        with pytest.raises(TypeError, match=r"mask: expected a torch\.bool tensor"):
            call()
    with pytest.raises(TypeError, match="mask: expected a tensor, got list"):
        region_pool(feature_map, [[True]])
    with pytest.raises(TypeError, match="feature_map: expected a floating-point"):
        region_pool(feature_map.long(), mask.bool())
    with pytest.raises(ValueError, match=r"feature_map: expected 5 axes \(n, m, c, t, v\)"):
        region_pool(feature_map[0], mask.bool())
    with pytest.raises(ValueError, match=r"person_mask: .* axis 'm' is 1, not 2"):
        region_pool(feature_map, mask.bool(), person_mask=torch.ones(2, 1, dtype=torch.bool))
