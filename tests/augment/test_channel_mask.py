import pytest
import torch

from skelblocks.augment import ChannelMaskParams, RandomChannelMask, channel_mask


def test_hides_exactly_the_chosen_channels():
    x = torch.randn(2, 3, 6, 5, 2)
    y = channel_mask(x, torch.tensor([[True, False, True], [False, False, False]]))
    assert (y[0, [0, 2]] == 0).all()
    assert y[0, 1].equal(x[0, 1])
    assert y[1].equal(x[1])


def test_equals_the_official_code(official, assert_golden):
    params = ChannelMaskParams(official["axis_mask/axis"].view(1), torch.zeros(1))
    assert_golden(lambda x: RandomChannelMask().transform(x, params), official["x"], official["axis_mask/out"])


@pytest.mark.parametrize("c", [2, 3])
def test_each_channel_is_drawn_equally_often(c, generator):
    y = RandomChannelMask(1.0)(torch.ones(6000, c, 1, 5, 1), generator=generator)
    hidden = (y == 0).flatten(2).all(dim=2).float()
    assert (hidden.sum(dim=1) == 1).all()
    assert (hidden.mean(dim=0) - 1 / c).abs().max() < 0.03


def test_wrong_shapes_say_what_was_expected():
    with pytest.raises(ValueError, match=r"channels: expected \(n=2, c=3\), got shape \(2, 2\)"):
        channel_mask(torch.zeros(2, 3, 5, 25, 1), torch.zeros(2, 2).bool())
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
        channel_mask(torch.zeros(2, 3, 5, 25), torch.zeros(2, 3).bool())
    with pytest.raises(ValueError, match=r"channels: .* axis 'n' is 1, not 2"):
        channel_mask(torch.zeros(2, 3, 5, 25, 1), torch.zeros(1, 3).bool())
    with pytest.raises(ValueError, match=r"channels: expected 2 axes \(n=2, c=3\)"):
        channel_mask(torch.zeros(2, 3, 5, 25, 1), torch.zeros(3).bool())


def test_repr():
    assert repr(RandomChannelMask()) == "RandomChannelMask(p=0.5)"
