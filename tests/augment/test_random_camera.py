import math

import pytest
import torch

from skelblocks import testing
from skelblocks.augment import CameraParams, RandomCamera, project, rotation

CLIPS = torch.randn(3, 3, 4, 15, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def reference(x, angles, distance):
    """Turn joint by joint, in plain numbers."""
    n, _, t, v, m = x.shape
    out = torch.empty(n, 2, t, v, m, dtype=x.dtype)
    for i, (yaw, pitch, roll) in enumerate(angles.tolist()):
        middle = x[i, :, :, :, 0].mean(dim=(1, 2)).tolist()
        for place in torch.cartesian_prod(*map(torch.arange, (t, v, m))).tolist():
            a, b, c = (value - middle[k] for k, value in enumerate(x[(i, slice(None), *place)].tolist()))
            a, c = math.cos(yaw) * a + math.sin(yaw) * c, math.cos(yaw) * c - math.sin(yaw) * a
            b, c = math.cos(pitch) * b - math.sin(pitch) * c, math.sin(pitch) * b + math.cos(pitch) * c
            a, b = math.cos(roll) * a - math.sin(roll) * b, math.sin(roll) * a + math.cos(roll) * b
            size = 1 / max(1 + c / distance[i].item(), 0.1)
            out[(i, slice(None), *place)] = torch.tensor([a * size, b * size], dtype=x.dtype)
    return out


@pytest.mark.parametrize("distance", [[4.0, 8.0, 2.0], [torch.inf, 3.0, 0.5]])
def test_equals_the_slow_reference(distance):
    angles, distance = torch.randn(3, 3, dtype=torch.float64), torch.tensor(distance, dtype=torch.float64)
    torch.testing.assert_close(project(CLIPS, angles, distance=distance), reference(CLIPS, angles, distance))


def test_orthographic_is_a_camera_far_away():
    angles = torch.randn(3, 3, dtype=torch.float64)
    far = project(CLIPS, angles, distance=torch.full((3,), 1e9, dtype=torch.float64))
    torch.testing.assert_close(project(CLIPS, angles), far, rtol=1e-6, atol=1e-6)


def test_no_angle_keeps_x_and_y():
    picture = project(CLIPS, torch.zeros(3, 3))
    middle = CLIPS[:, :2, :, :, :1].mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(picture, CLIPS[:, :2] - middle)


def test_a_turn_about_the_upright_axis_keeps_heights():
    camera = RandomCamera(yaw=180.0, pitch=0.0, roll=0.0, projection="orthographic")
    picture = camera(CLIPS, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(picture[:, 1], project(CLIPS, torch.zeros(3, 3))[:, 1])
    assert not torch.allclose(picture[:, 0], project(CLIPS, torch.zeros(3, 3))[:, 0])


def test_yaw_is_a_rotation_about_y():
    angles = torch.zeros(3, 3, dtype=torch.float64)
    angles[:, 0] = torch.tensor([0.3, -1.0, 2.0])
    centered = CLIPS - CLIPS[..., :1].mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(project(CLIPS, angles), rotation(centered, -angles[:, [1, 0, 2]])[:, :2])


def test_what_is_near_the_camera_is_large():
    clip = torch.tensor([[-1.0, 1.0, -1.0, 1.0], [0.0] * 4, [1.0, 1.0, -1.0, -1.0]]).view(1, 3, 1, 4, 1)
    picture = project(clip, torch.zeros(1, 3), distance=torch.tensor([3.0]))[0, 0, 0, :, 0]
    torch.testing.assert_close(picture[1] - picture[0], torch.tensor(1.5))  # 2 * 3 / (3 + 1)
    torch.testing.assert_close(picture[3] - picture[2], torch.tensor(3.0))  # 2 * 3 / (3 - 1)


def test_without_projection_lengths_stay():
    turned = RandomCamera(yaw=90.0, projection="none")(CLIPS)
    assert turned.shape == CLIPS.shape
    lengths = [(x[:, :, :, 0] - x[:, :, :, 9]).norm(dim=1) for x in (CLIPS, turned)]
    torch.testing.assert_close(*lengths)


def test_absent_persons_stay_absent_and_do_not_move_the_camera(generator):
    x = CLIPS.clone()
    x[1, ..., 0] = 0
    x[2, ..., 1] = 0
    camera = RandomCamera()
    params = camera.sample(x.shape, generator=generator)
    picture = camera.transform(x, params)
    assert (picture[1, ..., 0] == 0).all()
    assert (picture[2, ..., 1] == 0).all()
    torch.testing.assert_close(camera.transform(x[..., :1], params)[[0, 2]], picture[[0, 2], ..., :1])
    assert (picture[1, ..., 1] != 0).any()


def test_angles_and_distances_are_drawn_up_to_their_limits(generator):
    seen = torch.eye(3, dtype=torch.float64).view(1, 3, 1, 3, 1).expand(4000, 3, 1, 3, 1)
    turned = RandomCamera(yaw=60.0, pitch=0.0, roll=0.0, projection="none")(seen, generator=generator)
    yaw = torch.atan2(turned[:, 0, 0, 2, 0] - turned[:, 0, 0, 1, 0], turned[:, 2, 0, 2, 0] - turned[:, 2, 0, 1, 0])
    assert yaw.rad2deg().abs().max() <= 60.001
    assert yaw.rad2deg().min() < -59
    assert yaw.rad2deg().max() > 59
    params = RandomCamera().sample(seen.shape, generator=generator)
    shares = [project(seen[:1], torch.zeros(1, 3)), RandomCamera(yaw=0.0, pitch=0.0, roll=0.0).transform(seen, params)]
    flat = (shares[1] == shares[0]).flatten(1).all(dim=1).double().mean()
    assert abs(float(flat) - 0.5) < 0.05


class TestProject(testing.BlockTester):
    def make(self):
        return project

    def inputs(self):
        torch.manual_seed(0)
        return torch.randn(2, 3, 4, 15, 2), torch.randn(2, 3)

    def gradient_inputs(self):
        torch.manual_seed(0)
        return torch.randn(2, 3, 2, 3, 1), torch.randn(2, 3)

    def keywords(self):
        return {"distance": torch.tensor([20.0, torch.inf])}

    test_vmap = None  # a batch has five axes


class TestRandomCamera(TestProject):
    def make(self):
        camera = RandomCamera(pitch=30.0)
        params = camera.sample((2, 3, 4, 15, 2), generator=torch.Generator().manual_seed(0))
        return lambda x: camera.transform(x, CameraParams(*(field.to(x.device) for field in params)))

    def inputs(self):
        return super().inputs()[:1]

    def gradient_inputs(self):
        return super().gradient_inputs()[:1]

    def keywords(self):
        return None

    def test_copies_draw_the_same(self):
        x = self.inputs()[0]
        testing.check_pickle(RandomCamera(), [x])
        testing.check_deepcopy(RandomCamera(), [x])
        testing.check_stateless(RandomCamera(), [x])


@pytest.mark.parametrize(
    ("x", "angles", "distance", "message"),
    [
        ((2, 2, 5, 25, 1), (2, 3), None, r"x: expected \(n, c=3, t, v, m\)|axis 'c' is 2, not 3"),
        ((2, 3, 5, 25, 1), (1, 3), None, r"angles: .* axis 'n' is 1, not 2"),
        ((2, 3, 5, 25, 1), (2, 3), (3,), r"distance: .* axis 'n' is 3, not 2"),
        ((3, 5, 25, 1), (2, 3), None, r"x: expected 5 axes \(n, c, t, v, m\)|x: expected 5 axes"),
    ],
)
def test_wrong_shapes_say_what_was_expected(x, angles, distance, message):
    with pytest.raises(ValueError, match=message):
        project(torch.zeros(x), torch.zeros(angles), distance=None if distance is None else torch.ones(distance))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"yaw": -1}, ValueError, "yaw: expected a finite number >= 0, got -1"),
        ({"pitch": "a"}, TypeError, "pitch: "),
        ({"projection": "fisheye"}, ValueError, "projection: expected one of 'orthographic', 'perspective', "),
        ({"distance": (0, 1)}, ValueError, "distance: expected two numbers .*, got .0, 1.; pass them in the unit"),
        ({"distance": 3.0}, TypeError, "distance: expected two numbers .*, got 3.0; for a fixed distance"),
    ],
)
def test_wrong_options_say_what_was_expected(options, error, message):
    with pytest.raises(error, match=message):
        RandomCamera(**options)


def test_repr():
    shown = "RandomCamera(yaw=70.0, pitch=15.0, roll=5.0, projection='both', distance=(2.5, 8.0))"
    assert repr(RandomCamera()) == shown
