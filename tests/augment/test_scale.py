import pytest
import torch

from skelblocks.augment import RandomScale, ScaleParams, scale


def test_equals_the_slow_reference():
    x = torch.randn(3, 2, 4, 5, 2)
    factors = torch.tensor([[1.5, 0.5], [2.0, -1.0], [0.0, 1.0]])
    y = scale(x, factors)
    for n in range(3):
        for c in range(2):
            assert y[n, c].equal(x[n, c] * factors[n, c])
    assert scale(x, factors[:, :1])[1].equal(2 * x[1])


@pytest.mark.parametrize("per_axis", [False, True])
def test_factors_are_uniform_around_one(per_axis, generator):
    x = torch.ones(4000, 2, 1, 1, 1)
    factors = RandomScale(0.3, per_axis=per_axis)(x, generator=generator).view(4000, 2)
    assert (factors[:, 0] == factors[:, 1]).all() == (not per_axis)
    counts = torch.histc(factors[:, 0], bins=6, min=0.7, max=1.3)
    assert counts.sum() == 4000
    assert ((counts > 540) & (counts < 800)).all()


def test_shapes_stay_similar():
    x = torch.randn(2, 3, 4, 5, 1)
    y = RandomScale(0.5).transform(x, ScaleParams(torch.tensor([[-1.0], [0.5]])))
    assert y.equal(x * torch.tensor([0.5, 1.25]).view(2, 1, 1, 1, 1))


@pytest.mark.parametrize(("amplitude", "error"), [(1.0, ValueError), (-0.1, ValueError), ("0.2", TypeError)])
def test_an_amplitude_that_is_none_is_refused(amplitude, error):
    with pytest.raises(error, match=r"amplitude: expected a ratio in \[0, 1\)"):
        RandomScale(amplitude)


def test_wrong_shapes_say_what_was_expected():
    with pytest.raises(ValueError, match=r"factors: expected \(n=2, axis=3\), got shape \(2, 2\)"):
        scale(torch.zeros(2, 3, 4, 5, 1), torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"expected .* with c of 2 or 3, the coordinates, got 4"):
        RandomScale()(torch.zeros(2, 4, 4, 5, 1))


def test_repr():
    assert repr(RandomScale(0.1, per_axis=True)) == "RandomScale(amplitude=0.1, per_axis=True)"
