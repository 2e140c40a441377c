import math

import pytest
import torch

from skelblocks.augment import GaussianBlurParams, RandomGaussianBlur, gaussian_blur


def reference(x, sigma, taps, normalize, padding):
    """One output frame at a time, one tap at a time."""
    out, t, radius = torch.zeros_like(x), x.shape[2], taps // 2
    for n, width in enumerate(sigma.tolist()):
        kernel = {k: math.exp(-(k**2) / (2 * width**2)) for k in range(-radius, radius + 1)}
        total = sum(kernel.values()) if normalize else 1
        for i in range(t):
            for k, weight in kernel.items():
                source = min(max(i + k, 0), t - 1) if padding == "replicate" else i + k
                if 0 <= source < t:
                    out[n, :, i] += weight / total * x[n, :, source]
    return out


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("padding", ["replicate", "zeros"])
@pytest.mark.parametrize(("t", "taps"), [(20, 15), (4, 15), (1, 15), (9, 3), (9, 1)])
def test_equals_the_slow_reference(t, taps, normalize, padding):
    x = torch.randn(3, 3, t, 5, 2, dtype=torch.float64)
    sigma = torch.tensor([0.1, 0.7, 2.0], dtype=torch.float64)
    y = gaussian_blur(x, sigma, taps=taps, normalize=normalize, padding=padding)
    torch.testing.assert_close(y, reference(x, sigma, taps, normalize, padding))


@pytest.mark.parametrize("case", ["blur_0", "blur_1", "blur_2"])
def test_equals_the_official_code(official, assert_golden, case):
    sigma, out = official[f"{case}/sigma"].view(1), official[f"{case}/out"]
    assert_golden(lambda x: gaussian_blur(x, sigma, normalize=False, padding="zeros"), official["x"], out)
    params = GaussianBlurParams((sigma - 0.1) / 1.9, torch.zeros(1))
    module = RandomGaussianBlur(normalize=False, padding="zeros")
    assert_golden(lambda x: module.transform(x, params), official["x"], out)


def test_away_from_the_ends_the_default_is_the_official_one_over_its_gain(official):
    sigma, x = official["blur_1/sigma"].view(1), official["x"]
    gain = torch.exp(-(torch.arange(-7, 8) ** 2) / (2 * sigma**2)).sum()
    assert gain > 4
    ours = gaussian_blur(x, sigma)[:, :, 7:-7]
    torch.testing.assert_close(ours * gain, official["blur_1/out"][:, :, 7:-7], rtol=1e-9, atol=1e-10)


def test_a_person_who_stands_still_is_left_as_he_is():
    still = torch.randn(2, 3, 1, 25, 2, dtype=torch.float64).expand(2, 3, 30, 25, 2)
    torch.testing.assert_close(gaussian_blur(still, torch.tensor([0.3, 2.0])), still, rtol=1e-6, atol=1e-6)


def test_widths_fill_their_range(generator):
    impulse = torch.zeros(4000, 1, 31, 1, 1, dtype=torch.float64)
    impulse[:, :, 15] = 1
    y = RandomGaussianBlur((0.5, 2.0), p=1.0, normalize=False)(impulse, generator=generator)[:, 0, :, 0, 0]
    sigma = (-0.5 / y[:, 16].log()).sqrt()  # the neighboring weight is exp(-1 / 2 sigma^2)
    assert 0.5 - 1e-6 <= sigma.min() < 0.51
    assert 1.99 < sigma.max() <= 2 + 1e-6
    assert abs(sigma.mean() - 1.25) < 0.03


def test_an_infinity_in_a_clip_that_is_not_blurred_stays_where_it_is():
    x = torch.randn(1, 3, 20, 25, 1)
    x[0, 0, 3, 0, 0] = torch.inf
    y = RandomGaussianBlur(p=0.0)(x)
    assert y.equal(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"taps": 4}, "taps: expected an (odd )?integer >= 1, got 4"),
        ({"taps": -1}, "taps: expected an (odd )?integer"),
        ({"padding": "reflect"}, "padding: expected one of 'replicate', 'zeros', got 'reflect'"),
        ({"sigma": (0.0, 1.0)}, "sigma: expected .* 0 < low <= high"),
        ({"sigma": (2.0, 1.0)}, "sigma: expected .* 0 < low <= high"),
    ],
)
def test_wrong_values_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomGaussianBlur(**arguments)


@pytest.mark.parametrize("bad", [{"taps": 4}, {"taps": 0}, {"padding": "reflect"}])
def test_wrong_values_are_refused_by_the_function_too(bad):
    with pytest.raises(ValueError, match=f"^{next(iter(bad))}: expected"):
        gaussian_blur(torch.zeros(2, 3, 5, 25, 1), torch.ones(2), **bad)


def test_wrong_shapes_say_what_was_expected():
    with pytest.raises(ValueError, match=r"sigma: expected \(n=2\), got shape \(1,\)"):
        gaussian_blur(torch.zeros(2, 3, 5, 25, 1), torch.ones(1))
    with pytest.raises(ValueError, match=r"sigma: expected 1 axes \(n=2\)"):
        gaussian_blur(torch.zeros(2, 3, 5, 25, 1), torch.ones(2, 1))
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
        gaussian_blur(torch.zeros(2, 3, 5, 25), torch.ones(2))
    with pytest.raises(TypeError, match="x: expected a floating-point tensor"):
        gaussian_blur(torch.zeros(2, 3, 5, 25, 1, dtype=torch.int64), torch.ones(2))


def test_the_defaults_of_the_function_and_of_the_module():
    x, sigma = torch.randn(2, 3, 20, 5, 1, dtype=torch.float64), torch.tensor([0.7, 2.0], dtype=torch.float64)
    expected = reference(x, sigma, 15, True, "replicate")
    torch.testing.assert_close(gaussian_blur(x, sigma), expected)
    params = GaussianBlurParams((sigma - 0.1) / 1.9, torch.zeros(2))
    torch.testing.assert_close(RandomGaussianBlur().transform(x, params), expected)


def test_the_module_blurs_with_its_number_of_taps():
    x, sigma = torch.randn(2, 3, 9, 5, 1, dtype=torch.float64), torch.tensor([0.7, 2.0], dtype=torch.float64)
    params = GaussianBlurParams((sigma - 0.1) / 1.9, torch.zeros(2))
    blurred = RandomGaussianBlur(taps=3).transform(x, params)
    torch.testing.assert_close(blurred, reference(x, sigma, 3, True, "replicate"))


def test_gradients():
    x = torch.randn(2, 3, 4, 3, 1, dtype=torch.float64, requires_grad=True)
    sigma = torch.tensor([0.8, 1.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gaussian_blur, (x, sigma))


def test_repr():
    expected = "RandomGaussianBlur(sigma=(0.1, 2.0), p=0.5, taps=15, normalize=True, padding='replicate')"
    assert repr(RandomGaussianBlur()) == expected
