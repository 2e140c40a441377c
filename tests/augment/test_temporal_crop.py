import numpy as np
import pytest
import torch

from skelblocks.augment import RandomTemporalCrop, TemporalCropParams, temporal_crop


def reference(x, start, ratio):
    """Pad by hand with the mirrored ends, then slice."""
    pad = x.shape[2] // ratio
    out = []
    for clip, first in zip(x, start.tolist(), strict=True):
        frames = list(clip.unbind(1))
        padded = frames[:pad][::-1] + frames + frames[len(frames) - pad :][::-1]
        out.append(torch.stack(padded[first : first + len(frames)], dim=1))
    return torch.stack(out)


@pytest.mark.parametrize(("t", "ratio"), [(50, 6), (64, 6), (7, 6), (4, 6), (1, 6), (9, 1), (16, 2)])
def test_equals_the_slow_reference_at_every_start(t, ratio):
    start = torch.arange(2 * (t // ratio) + 1)
    x = torch.randn(len(start), 3, t, 4, 2)
    assert temporal_crop(x, start, padding_ratio=ratio).equal(reference(x, start, ratio))


@pytest.mark.parametrize(
    ("x", "case"), [("x", "crop50_1"), ("x", "crop50_2"), ("x64", "crop64_1"), ("x64", "crop64_2")]
)
def test_equals_the_official_code(official, assert_golden, x, case):
    start = official[f"{case}/start"].view(1)
    assert_golden(lambda x: temporal_crop(x, start), official[x], official[f"{case}/out"])
    pad = official[x].shape[2] // 6
    replay = RandomTemporalCrop().transform(official[x], TemporalCropParams((start + 0.5) / (2 * pad + 1)))
    assert replay.equal(official[f"{case}/out"])


@pytest.mark.parametrize("case", ["crop7_1", "crop7_2"])
def test_equals_the_official_code_on_a_short_clip(official, assert_golden, case):
    assert_golden(
        lambda x: temporal_crop(x, official[f"{case}/start"].view(1)), official["xs"], official[f"{case}/out"]
    )


def test_every_start_is_drawn_equally_often(generator):
    frames = torch.arange(50.0).view(1, 1, 50, 1, 1).expand(17000, 1, 50, 1, 1)
    # Frame 8 of the original stands at place 16 - start, whatever the start: the shift is read off it.
    y = RandomTemporalCrop()(frames, generator=generator)[:, 0, :, 0, 0]
    counts = (y[:, 20] - 12).long().bincount(minlength=17)
    assert counts.sum() == 17000
    assert ((counts > 850) & (counts < 1150)).all()


def test_the_largest_draw_stays_inside():
    almost_one = torch.tensor([1 - 2**-24])
    for t in (2, 50, 64, 300):
        x = torch.randn(1, 3, t, 5, 1)
        y = RandomTemporalCrop(1).transform(x, TemporalCropParams(almost_one))
        assert y.equal(temporal_crop(x, torch.tensor([2 * t]), padding_ratio=1))


def test_a_start_where_the_crop_does_not_fit_is_refused():
    x = torch.arange(3 * 12.0).view(3, 1, 12, 1, 1)
    for wrong in (-1, 5):
        with pytest.raises(ValueError, match=rf"start: expected 0\.\.4, where the crop fits, got \[0, {wrong}"):
            temporal_crop(x, torch.tensor([0, wrong, 4]))
    assert RandomTemporalCrop(np.int64(6))(x).shape == x.shape
    several = torch.func.vmap(temporal_crop)(torch.stack([x, 2 * x]), torch.tensor([[0, 1, 4], [4, 2, 0]]))
    assert several[1].equal(2 * temporal_crop(x, torch.tensor([4, 2, 0])))


@pytest.mark.parametrize("ratio", [0, -1, 2.5, True])
def test_a_padding_ratio_that_is_none_is_refused(ratio):
    with pytest.raises((TypeError, ValueError), match="padding_ratio: expected an integer >= 1"):
        RandomTemporalCrop(ratio)
    with pytest.raises((TypeError, ValueError), match="padding_ratio: expected an integer >= 1"):
        temporal_crop(torch.zeros(1, 3, 5, 25, 1), torch.zeros(1, dtype=torch.long), padding_ratio=ratio)


def test_wrong_shapes_say_what_was_expected():
    with pytest.raises(ValueError, match=r"start: expected \(n=2\), got shape \(3,\)"):
        temporal_crop(torch.zeros(2, 3, 5, 25, 1), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"start: expected 1 axes \(n=2\)"):
        temporal_crop(torch.zeros(2, 3, 5, 25, 1), torch.zeros(2, 1, dtype=torch.long))
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
        temporal_crop(torch.zeros(2, 3, 5, 25), torch.zeros(2, dtype=torch.long))


def test_repr():
    assert repr(RandomTemporalCrop(4)) == "RandomTemporalCrop(padding_ratio=4)"
