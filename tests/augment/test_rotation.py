import math

import pytest
import torch

from skelblocks.augment import RandomRotation, RotationParams, rotation


def reference(x, angles):
    """Turn in the plane of the two other coordinates, axis by axis."""
    out = x.clone()
    for n, sample in enumerate(angles.tolist()):
        for angle, (a, b) in zip(sample, [(1, 2), (2, 0), (0, 1)], strict=True):
            c, s = math.cos(angle), math.sin(angle)
            out[n, a], out[n, b] = c * out[n, a] + s * out[n, b], c * out[n, b] - s * out[n, a]
    return out


def test_equals_the_slow_reference():
    x, angles = torch.randn(4, 3, 5, 25, 2, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(rotation(x, angles), reference(x, angles))


def test_in_a_plane_it_equals_the_slow_reference_and_a_turn_about_z():
    x, angles = torch.randn(4, 2, 3, 17, 2, dtype=torch.float64), torch.randn(4, 1, dtype=torch.float64)
    expected = torch.empty_like(x)
    for n, (angle,) in enumerate(angles.tolist()):
        for t, v, m in torch.cartesian_prod(*map(torch.arange, x.shape[2:])):
            a, b = x[n, :, t, v, m].tolist()
            expected[n, 0, t, v, m] = math.cos(angle) * a + math.sin(angle) * b
            expected[n, 1, t, v, m] = math.cos(angle) * b - math.sin(angle) * a
    torch.testing.assert_close(rotation(x, angles), expected)
    in_space = rotation(torch.nn.functional.pad(x, (0, 0, 0, 0, 0, 0, 0, 1)), torch.nn.functional.pad(angles, (2, 0)))
    torch.testing.assert_close(in_space[:, :2], expected)
    assert (in_space[:, 2] == 0).all()


@pytest.mark.parametrize("case", ["rotate_1", "rotate_2", "rotate_3", "rotate_5"])
def test_equals_the_official_code(official, assert_golden, case):
    degrees, main_axis = official[f"{case}/angles_deg_xyz"][None], official[f"{case}/main_axis"].view(1)
    assert_golden(lambda x: rotation(x, degrees.deg2rad()), official["x"], official[f"{case}/out"])
    limits = torch.ones(1, 3, dtype=torch.float64).index_fill(1, main_axis, 30)
    params = RotationParams(main_axis, degrees / limits)
    assert_golden(lambda x: RandomRotation().transform(x, params), official["x"], official[f"{case}/out"])


def angles_of(rotating, generator, n=6000):
    """Recover the three angles from what happens to the basis vectors."""
    basis = torch.eye(3, dtype=torch.float64).view(1, 3, 1, 3, 1).expand(n, 3, 1, 3, 1)
    R = rotating(basis, generator=generator)[:, :, 0, :, 0]
    return torch.stack(
        (torch.atan2(-R[:, 2, 1], R[:, 2, 2]), R[:, 2, 0].asin(), torch.atan2(-R[:, 1, 0], R[:, 0, 0])), dim=1
    ).rad2deg()


@pytest.mark.parametrize("two_sided", [False, True])
def test_one_axis_turns_much_and_two_turn_little(two_sided, generator):
    angles = angles_of(RandomRotation(two_sided=two_sided), generator)
    assert angles.abs().max() <= 30 + 1e-5
    assert angles.min() < -29 if two_sided else angles.min() > -1e-5
    large = angles.abs() > 1 + 1e-5
    assert (large.sum(dim=1) <= 1).all()
    torch.testing.assert_close(
        large.double().mean(dim=0), torch.full((3,), 29 / 90, dtype=torch.float64), atol=0.02, rtol=0
    )
    assert abs(angles[large].abs().mean() - 15.5) < 0.5


@pytest.mark.parametrize("two_sided", [False, True])
def test_in_a_plane_the_main_angle_is_drawn_alone(two_sided, generator):
    basis = torch.eye(2, dtype=torch.float64).view(1, 2, 1, 2, 1).expand(6000, 2, 1, 2, 1)
    turns = RandomRotation(two_sided=two_sided)(basis, generator=generator)[:, :, 0, :, 0]
    angles = torch.atan2(turns[:, 0, 1], turns[:, 0, 0]).rad2deg()
    low = -30 if two_sided else 0
    assert low - 1e-5 <= angles.min() < low + 0.1
    assert 29.9 < angles.max() <= 30
    torch.testing.assert_close(angles.mean().item(), (low + 30) / 2, atol=1, rtol=0)


def test_draws_of_three_and_of_two_coordinates(generator):
    params = RandomRotation().sample((5, 3, 4, 25, 1), generator=generator.manual_seed(0))
    assert params.main_axis.equal(torch.randint(3, (5,), generator=generator.manual_seed(0)))
    assert params.angles.equal(torch.rand(5, 3, generator=generator))
    params = RandomRotation().sample((5, 2, 4, 17, 1), generator=generator.manual_seed(0))
    assert params.main_axis.tolist() == [0] * 5
    assert params.angles.equal(torch.rand(5, 1, generator=generator.manual_seed(0)))


@pytest.mark.parametrize("c", [2, 3])
def test_lengths_stay(c, generator):
    x = torch.randn(8, c, 6, 25, 2, dtype=torch.float64)
    y = RandomRotation(180.0, minor_angle=180.0)(x, generator=generator)
    torch.testing.assert_close(y.norm(dim=1), x.norm(dim=1))


@pytest.mark.parametrize(
    ("x", "angles", "message"),
    [
        ((2, 2, 5, 17, 1), (2, 3), r"angles: expected \(n=2, axis=1\).* axis 'axis' is 3, not 1"),
        ((2, 4, 5, 17, 1), (2, 3), r"with c of 2 or 3, the coordinates, got 4; drop channels that are not coordinates"),
        ((2, 3, 5, 25, 1), (1, 3), r"angles: .* axis 'n' is 1, not 2"),
        ((2, 3, 5, 25, 1), (2, 2), r"angles: .* axis 'axis' is 2, not 3"),
        ((2, 3, 5, 25, 1), (2,), r"angles: expected 2 axes \(n=2, axis=3\)"),
        ((3, 5, 25, 1), (2, 3), r"x: expected 5 axes \(n, c, t, v, m\)"),
    ],
)
def test_wrong_shapes_say_what_was_expected(x, angles, message):
    with pytest.raises(ValueError, match=message):
        rotation(torch.zeros(x), torch.zeros(angles))


def test_integers_and_negative_angles_are_refused():
    with pytest.raises(TypeError, match="x: expected a floating-point tensor"):
        rotation(torch.zeros(2, 3, 5, 25, 1, dtype=torch.int64), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="main_angle: expected a finite number >= 0, got -1"):
        RandomRotation(-1)
    with pytest.raises(ValueError, match="minor_angle"):
        RandomRotation(minor_angle=-1)


@pytest.mark.parametrize(("c", "axes"), [(2, 1), (3, 3)])
def test_gradients(c, axes):
    x = torch.randn(2, c, 2, 3, 1, dtype=torch.float64, requires_grad=True)
    angles = torch.randn(2, axes, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotation, (x, angles))


def test_repr():
    assert repr(RandomRotation()) == "RandomRotation(main_angle=30.0, minor_angle=1.0, two_sided=False)"
