import pytest
import torch

from skelblocks.augment import GaussianNoiseParams, RandomGaussianNoise, gaussian_noise


def test_adds_std_times_noise_where_somebody_is():
    x, noise = torch.randn(2, 3, 5, 25, 2), torch.randn(2, 3, 5, 25, 2)
    x[0, ..., 1] = 0
    y = gaussian_noise(x, noise, torch.tensor([0.1, 0.2]))
    expected = x + noise * torch.tensor([0.1, 0.2]).view(2, 1, 1, 1, 1)
    expected[0, ..., 1] = 0
    torch.testing.assert_close(y, expected)


def test_equals_the_official_code(official, assert_golden):
    x, noise, out = official["x"], official["noise/noise"], official["noise/out"]
    assert (x[..., 1] == 0).all()  # the second person is absent, and the official one shivers
    one = torch.ones(1)
    assert_golden(lambda x: gaussian_noise(x, noise, one, on_absent_persons=True), x, out)
    module = RandomGaussianNoise(0.01, on_absent_persons=True)
    assert_golden(lambda x: module.transform(x, GaussianNoiseParams(noise / 0.01, torch.zeros(1))), x, out)
    ours = gaussian_noise(x, noise, one)
    torch.testing.assert_close(ours[..., 0], out[..., 0])
    assert (ours[..., 1] == 0).all()


def test_a_joint_at_the_origin_of_a_person_who_is_there_gets_noise():
    x = torch.zeros(1, 3, 5, 25, 1)
    x[0, 0, 4, 24, 0] = 1
    assert (gaussian_noise(x, torch.ones_like(x), torch.ones(1)) == x + 1).all()


def test_noise_is_normal_with_the_std_and_independent(generator):
    x = torch.ones(64, 3, 50, 25, 1, dtype=torch.float64)
    noise = RandomGaussianNoise(0.05, p=1.0)(x, generator=generator) - x
    assert abs(noise.mean()) < 1e-3
    assert abs(noise.std() - 0.05) < 1e-3
    assert abs((noise.abs() < 0.05).double().mean() - 0.6827) < 0.01
    neighbors = torch.corrcoef(torch.stack((noise[:, :, 1:].flatten(), noise[:, :, :-1].flatten())))[0, 1]
    assert abs(neighbors) < 0.01


@pytest.mark.parametrize(
    ("noise", "std", "message"),
    [
        ((1, 3, 5, 25, 1), (2,), r"noise: .* axis 'n' is 1, not 2"),
        ((2, 1, 5, 25, 1), (2,), r"noise: .* axis 'c' is 1, not 3"),
        ((2, 3, 1, 25, 1), (2,), r"noise: .* axis 't' is 1, not 5"),
        ((2, 3, 5, 1, 1), (2,), r"noise: .* axis 'v' is 1, not 25"),
        ((2, 3, 5, 25, 2), (2,), r"noise: .* axis 'm' is 2, not 1"),
        ((2, 3, 5, 25), (2,), r"noise: expected 5 axes \(n=2, c=3, t=5, v=25, m=1\)"),
        ((2, 3, 5, 25, 1), (2, 1), r"std: expected 1 axes \(n=2\)"),
        ((2, 3, 5, 25, 1), (1,), r"std: .* axis 'n' is 1, not 2"),
    ],
)
def test_wrong_shapes_say_what_was_expected(noise, std, message):
    with pytest.raises(ValueError, match=message):
        gaussian_noise(torch.zeros(2, 3, 5, 25, 1), torch.zeros(noise), torch.zeros(std))


def test_integers_and_other_axes_are_refused():
    whole = torch.zeros(2, 3, 5, 25, 1, dtype=torch.int64)
    with pytest.raises(TypeError, match="x: expected a floating-point tensor"):
        gaussian_noise(whole, whole.float(), torch.zeros(2))
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
        gaussian_noise(torch.zeros(2, 3, 5, 25), torch.zeros(2, 3, 5, 25), torch.zeros(2))


def test_a_negative_std_is_refused():
    with pytest.raises(ValueError, match="std: expected a finite number >= 0, got -1"):
        RandomGaussianNoise(-1)


def test_repr():
    assert repr(RandomGaussianNoise()) == "RandomGaussianNoise(std=0.01, p=0.5, on_absent_persons=False)"
