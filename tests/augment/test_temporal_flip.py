import pytest
import torch

from skelblocks.augment import RandomTemporalFlip, TemporalFlipParams, temporal_flip


@pytest.mark.parametrize("t", [1, 2, 7])
def test_only_the_chosen_clips_run_backwards(t):
    x, flipped = torch.randn(3, 3, t, 5, 2), torch.tensor([True, False, True])
    y = temporal_flip(x, flipped)
    for n in range(3):
        for i in range(t):
            assert y[n, :, i].equal(x[n, :, t - 1 - i if flipped[n] else i])
    assert temporal_flip(x).equal(x.flip(2))


def test_equals_the_official_code(official, assert_golden):
    params = TemporalFlipParams(torch.zeros(1))
    assert_golden(lambda x: RandomTemporalFlip().transform(x, params), official["x"], official["time_flip/out"])


def test_wrong_shapes_say_what_was_expected():
    with pytest.raises(ValueError, match=r"flipped: expected \(n=2\), got shape \(3,\)"):
        temporal_flip(torch.zeros(2, 3, 5, 25, 1), torch.ones(3).bool())
    with pytest.raises(ValueError, match=r"flipped: expected 1 axes \(n=2\)"):
        temporal_flip(torch.zeros(2, 3, 5, 25, 1), torch.ones(2, 1).bool())
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
        temporal_flip(torch.zeros(2, 3, 5, 25), torch.ones(2).bool())


def test_repr():
    assert repr(RandomTemporalFlip()) == "RandomTemporalFlip(p=0.5)"
