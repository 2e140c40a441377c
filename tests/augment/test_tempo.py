import numpy as np
import pytest
import torch

from skelblocks.augment import RandomTempo, TempoParams, tempo


def reference(x, speed, start):
    """A frame of a person at a time, over the clip laid out back and forth."""
    n, _, t, _, m = x.shape
    back_and_forth = [*range(t), *range(t - 2, 0, -1)]
    out = torch.zeros_like(x)
    for i in range(n):
        for frame in range(t):
            place = (float(start[i]) + float(speed[i]) * frame) % len(back_and_forth)
            before, share = int(place), place - int(place)
            after = (before + 1) % len(back_and_forth)
            for person in range(m):
                early, late = (x[i, :, back_and_forth[each], :, person] for each in (before, after))
                weight = share if early.any() and late.any() else float(share >= 0.5)
                out[i, :, frame, :, person] = early + weight * (late - early)
    return out


@pytest.mark.parametrize("t", [1, 2, 3, 12])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_slow_reference(t, seed):
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn(5, 3, t, 4, 2, generator=draws, dtype=torch.float64)
    x[1, ..., 1] = 0  # absent throughout
    x[2, :, t // 2 :, :, 1] = 0  # leaves
    speed = 0.2 + 3 * torch.rand(5, generator=draws, dtype=torch.float64)
    start = t * (4 * torch.rand(5, generator=draws, dtype=torch.float64) - 2)
    torch.testing.assert_close(tempo(x, speed, start), reference(x, speed, start))


def test_speed_one_leaves_a_clip_as_it_is():
    x = torch.randn(2, 3, 9, 4, 1)
    torch.testing.assert_close(tempo(x, torch.ones(2), torch.zeros(2)), x)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
@pytest.mark.parametrize("start", [0.0, 0.5, 1.0])
def test_a_slow_clip_shows_a_part_and_a_fast_one_everything(speed, start):
    frames = torch.arange(1.0, 42.0).view(1, 1, 41, 1, 1)
    op = RandomTempo((speed, speed))
    shown = op.transform(frames, TempoParams(torch.zeros(1), torch.tensor([start]))).flatten()
    steps = shown.diff()
    if speed <= 1:
        torch.testing.assert_close(steps, torch.full((40,), speed), atol=1e-4, rtol=0)
        torch.testing.assert_close(shown[0], torch.tensor(1 + start * 40 * (1 - speed)), atol=1e-4, rtol=0)
    else:
        assert shown.min() < 1 + speed
        assert shown.max() > 41 - speed
        assert (steps.abs() <= speed + 1e-4).all()


def test_faster_and_slower_are_equally_likely(generator):
    ramp = torch.arange(1.0, 42.0).view(1, 1, 41, 1, 1).expand(4000, 1, 41, 1, 1)
    steps = RandomTempo((0.5, 2.0))(ramp, generator=generator).diff(dim=2).abs().flatten(1).median(dim=1).values
    assert ((steps > 0.49) & (steps < 2.01)).all()
    assert abs((steps < 1).float().mean() - 0.5) < 0.04


def test_nobody_moves_towards_the_origin():
    x = torch.full((1, 3, 10, 4, 1), 5.0)
    x[:, :, 6:] = 0
    y = tempo(x, torch.tensor([0.7]), torch.tensor([0.3]))
    assert set(y.unique().tolist()) == {0.0, 5.0}


@pytest.mark.parametrize(
    ("speeds", "error"),
    [
        *[((0, 1), ValueError), ((2, 1), ValueError), ((1, float("inf")), ValueError)],
        *[(1.5, TypeError), (("a", 2), TypeError)],
    ],
)
def test_speeds_that_are_none_are_refused(speeds, error):
    with pytest.raises(error, match=r"speeds: expected two numbers \(low, high\) with 0 < low <= high"):
        RandomTempo(speeds)


def test_wrong_values_say_what_was_expected():
    x = torch.zeros(2, 3, 5, 4, 1)
    with pytest.raises(ValueError, match="speed: expected numbers above 0, got"):
        tempo(x, torch.tensor([1.0, 0.0]), torch.zeros(2))
    with pytest.raises(ValueError, match=r"start: expected \(n=2\), got shape \(3,\)"):
        tempo(x, torch.ones(2), torch.zeros(3))


def test_repr():
    assert repr(RandomTempo((1, np.float64(2.0)))).startswith("RandomTempo(speeds=(1, ")
