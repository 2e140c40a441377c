import pytest
import torch

from skelblocks.augment import NoiseJointsParams, RandomNoiseJoints, noise_joints


def reference(x, joints, values):
    """Joint by joint, frame by frame, person by person."""
    out = x.clone()
    for n, t, m in torch.cartesian_prod(*(torch.arange(x.shape[i]) for i in (0, 2, 4))):
        for c in range(x.shape[1]):
            low, high = x[n, c, t, :, m].min(), x[n, c, t, :, m].max()
            for place, joint in enumerate(joints[n].tolist()):
                out[n, c, t, joint, m] = low + values[n, c, t, place, m] * (high - low)
    return out


def test_equals_the_slow_reference():
    x, values = torch.randn(2, 3, 4, 9, 2), torch.rand(2, 3, 4, 3, 2)
    joints = torch.tensor([[0, 8, 3], [5, 1, 2]])
    torch.testing.assert_close(noise_joints(x, joints, values), reference(x, joints, values))


def test_equals_the_official_code_with_five_joints(official, assert_golden):
    bounds = official["noise_joint5/uniform_low_high_call_order_t_m_axis"]
    drawn = official["noise_joint5/values_call_order_t_m_axis_x5"]
    unit = (drawn - bounds[:, :1]) / (bounds[:, 1:] - bounds[:, :1])
    params = NoiseJointsParams(official["noise_joint5/joints"][None], unit.view(50, 2, 3, 5).permute(2, 0, 3, 1)[None])
    x, out = official["noise_joint5/x"], official["noise_joint5/out"]
    assert_golden(lambda x: RandomNoiseJoints().transform(x, params), x, out)


def test_equals_the_official_code_with_one_joint(official, assert_golden):
    x, out, joint = official["x"], official["noise_joint1/out"], official["noise_joint1/joint"]
    new = official["noise_joint1/new_xyz_in_call_order_t_then_m"]  # the second person is absent: one a frame
    low, high = x[0, ..., 0].aminmax(dim=2)
    unit = torch.zeros(1, 3, 50, 1, 2, dtype=torch.float64)
    unit[0, :, :, 0, 0] = (new.T - low) / (high - low)
    unit[..., 1] = 0.7  # whatever is drawn for the absent person
    assert_golden(lambda x: noise_joints(x, joint[None], unit), x, out)


@pytest.mark.parametrize(
    ("fraction", "v", "k"),
    [(0.2, 25, 5), (0.04, 25, 1), (0.2, 20, 4), (0.2, 17, 3), (0.2, 18, 4), (0.04, 17, 1), (0.2, 2, 1), (1, 9, 9)],
)
def test_so_many_different_joints_get_noise_the_same_in_all_frames(fraction, v, k, generator):
    x = torch.randn(8, 3, 6, v, 2)
    y = RandomNoiseJoints(fraction)(x, generator=generator)
    assert ((y != x).any(dim=4).any(dim=2).any(dim=1).sum(dim=1) == k).all()
    assert ((y == x).all(dim=1).all(dim=1).sum(dim=1) == v - k).all()


def test_new_coordinates_fill_the_extent_of_their_frame_and_person(generator):
    x = torch.zeros(1, 1, 2, 10, 2).expand(3000, 1, 2, 10, 2).clone()
    x[..., 0, :, 0] = torch.linspace(-1, 1, 10)
    x[..., 1, :, 1] = torch.linspace(5, 6, 10)
    y = RandomNoiseJoints(0.1)(x, generator=generator)
    assert (y[:, :, 1, :, 0] == 0).all()  # an empty frame of a person who is there
    noisy = (y != x).any(dim=2)[:, 0, :, 0]
    first, second = y[:, 0, 0, :, 0][noisy], y[:, 0, 1, :, 1][noisy]
    assert -1 <= first.min() < -0.99
    assert 0.99 < first.max() <= 1
    assert second.min() >= 5
    assert second.max() <= 6
    assert abs(first.var() - 4 / 12) < 0.02
    assert abs(torch.corrcoef(torch.stack((first, second)))[0, 1]) < 0.06
    assert (noisy.float().mean(dim=0) - 0.1).abs().max() < 0.03


@pytest.mark.parametrize(
    ("joints", "values", "message"),
    [
        ((1, 4), (2, 3, 5, 4, 1), r"joints: .* axis 'n' is 1, not 2"),
        ((2, 4), (2, 3, 5, 3, 1), r"values: .* axis 'k' is 3, not 4"),
        ((2, 4), (1, 3, 5, 4, 1), r"values: .* axis 'n' is 1, not 2"),
        ((2, 4), (2, 1, 5, 4, 1), r"values: .* axis 'c' is 1, not 3"),
        ((2, 4), (2, 3, 1, 4, 1), r"values: .* axis 't' is 1, not 5"),
        ((2, 4), (2, 3, 5, 4, 2), r"values: .* axis 'm' is 2, not 1"),
        ((2, 4), (2, 3, 5, 4), r"values: expected 5 axes \(n=2, c=3, t=5, k=4, m=1\)"),
        ((2,), (2, 3, 5, 4, 1), r"joints: expected 2 axes \(n=2, k\)"),
    ],
)
def test_wrong_shapes_say_what_was_expected(joints, values, message):
    with pytest.raises(ValueError, match=message):
        noise_joints(torch.zeros(2, 3, 5, 25, 1), torch.zeros(joints, dtype=torch.long), torch.zeros(values))


def test_integers_and_other_axes_are_refused():
    joints, values = torch.zeros(2, 4, dtype=torch.long), torch.zeros(2, 3, 5, 4, 1)
    with pytest.raises(TypeError, match="x: expected a floating-point tensor"):
        noise_joints(torch.zeros(2, 3, 5, 25, 1, dtype=torch.int64), joints, values)
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
        noise_joints(torch.zeros(2, 3, 5, 25), joints, values)


@pytest.mark.parametrize("fraction", [0, 1.5, 5])
def test_a_ratio_out_of_range_is_refused(fraction):
    with pytest.raises(ValueError, match="ratio: expected a ratio in"):
        RandomNoiseJoints(fraction)


def test_repr():
    assert repr(RandomNoiseJoints()) == "RandomNoiseJoints(ratio=0.2)"
