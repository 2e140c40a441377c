"""Settings and draws out of range or of another type are refused."""

import math

import numpy as np
import pytest
import torch

from skelblocks import augment
from skelblocks.augment import recipes

LAYOUT = "ntu-rgb+d"
NUMBERS = {
    "amplitude": augment.RandomShear,
    "main_angle": augment.RandomRotation,
    "minor_angle": augment.RandomRotation,
    "std": augment.RandomGaussianNoise,
    "shear_amplitude": recipes.weak,
}
RATIOS = {
    "RandomNoiseJoints": ("ratio", lambda **options: augment.RandomNoiseJoints(**options), "(0, 1]"),
    "LearnableJointMask": ("ratio", lambda **options: augment.LearnableJointMask(**options), "(0, 1]"),
    "CentralSpatialMask": ("ratio", lambda **options: augment.CentralSpatialMask(LAYOUT, **options), "[0, 1)"),
    "moving": ("moving_ratio", lambda **options: augment.MotionTemporalMask(kept_ratio=0.01, **options), "[0, 1)"),
    "kept": ("kept_ratio", lambda **options: augment.MotionTemporalMask(moving_ratio=0.0, **options), "(0, 1]"),
    "joint": ("joint_ratio", lambda **options: augment.SpatioTemporalOcclusion(LAYOUT, **options), "[0, 1]"),
    "frame": ("frame_ratio", lambda **options: augment.SpatioTemporalOcclusion(LAYOUT, **options), "[0, 1]"),
}
PAIRS = {
    "joint": ("joint_ratio", lambda **options: augment.RandomJointMask(**options), "<="),
    "frame": ("frame_ratio", lambda **options: augment.RandomJointMask(**options), "<="),
    "body": ("body_ratio", lambda **options: augment.RandomRegionSwap(LAYOUT, **options), "<"),
    "block": ("block_ratio", lambda **options: augment.RandomRegionSwap(LAYOUT, **options), "<"),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, -0.1, "0.5", None, True, [0.5]])
def test_amplitudes(name, value):
    shown = "amplitude" if name == "shear_amplitude" else name
    with pytest.raises((TypeError, ValueError), match=f"{shown}: expected a finite number >= 0, got"):
        NUMBERS[name](**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_numpy_are_numbers(name):
    NUMBERS[name](**{name: np.float32(0.5)})
    NUMBERS[name](**{name: 1})


@pytest.mark.parametrize("case", RATIOS)
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, "0.5", None, True])
def test_ratios(case, value):
    name, make, interval = RATIOS[case]
    with pytest.raises((TypeError, ValueError)) as error:
        make(**{name: value})
    assert str(error.value).startswith(f"{name}: expected a ratio in {interval}, got {value!r}")


@pytest.mark.parametrize("case", RATIOS)
@pytest.mark.parametrize("end", [0, 1])
def test_ends_of_the_interval(case, end):
    name, make, interval = RATIOS[case]
    if interval[-1 * end] in "[]":
        make(**{name: end})
    else:
        with pytest.raises(ValueError, match=f"{name}: expected a ratio in"):
            make(**{name: end})


@pytest.mark.parametrize("case", PAIRS)
@pytest.mark.parametrize("value", [0.5, "ab", None, (0.5,), (0.2, 0.3, 0.4), (0.6, 0.4), (-0.1, 1), (0, 2), (0.1, "1")])
def test_pairs_of_ratios(case, value):
    name, make, sign = PAIRS[case]
    with pytest.raises((TypeError, ValueError)) as error:
        make(**{name: value})
    assert str(error.value).startswith(f"{name}: expected two ratios (low, high) with 0 {sign} low <= high <= 1, got")


def test_pairs_from_a_file_are_lists():
    assert augment.RandomJointMask([0.2, 0.3]).joint_ratio == (0.2, 0.3)


@pytest.mark.parametrize("sigma", [(0, 1), (2, 1), (math.nan, 1), (0.1, math.inf), (0.1, "1"), (True, 2)])
def test_widths_of_the_blur(sigma):
    with pytest.raises((TypeError, ValueError), match=r"sigma: expected (a finite number >= 0|\(low, high\) with)"):
        augment.RandomGaussianBlur(sigma)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan])
def test_width_of_one_clip(sigma):
    with pytest.raises(ValueError, match="sigma: expected widths above 0"):
        augment.gaussian_blur(torch.zeros(1, 3, 4, 25, 1), torch.tensor([sigma]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_a_width_too_small_to_square_blurs_nothing(dtype):
    x = torch.randn(1, 3, 4, 25, 1, dtype=dtype)
    for width in (1e-2, 1e-30):
        assert augment.gaussian_blur(x, torch.tensor([width]).clamp(min=torch.finfo(torch.float32).tiny)).equal(x)


def test_infinite_noise_leaves_absent_persons_zero():
    x = torch.ones(2, 3, 4, 25, 2, dtype=torch.float16)
    x[..., 1] = 0
    y = augment.gaussian_noise(x, torch.randn(x.shape), torch.tensor([1e6, 0.1]))  # 1e6 is infinite in float16
    assert (y[..., 1] == 0).all()


@pytest.mark.parametrize("mirror_axis", [3, -1, True, False])
def test_mirror_axis(mirror_axis):
    with pytest.raises((TypeError, ValueError), match="mirror_axis: expected"):
        augment.RandomSpatialFlip(LAYOUT, mirror_axis=mirror_axis)


def test_indices_are_int64():
    x = torch.zeros(2, 3, 12, 25, 1)
    calls = {
        "start": lambda index: augment.temporal_crop(x, index),
        "joints": lambda index: augment.noise_joints(x, index[:, None], torch.zeros(2, 3, 12, 1, 1)),
        "partner": lambda index: augment.region_swap(x, index, torch.zeros(12, 25, dtype=torch.bool)),
        "places": lambda index: augment.motion_temporal_mask(x, index[:, None], most_moving=1),
    }
    for name, call in calls.items():
        call(torch.tensor([1, 0]))
        for dtype in (torch.int32, torch.float32, torch.bool):
            with pytest.raises(TypeError, match=f"{name}: expected a torch.int64 tensor, got {dtype}"):
                call(torch.tensor([1, 0], dtype=dtype))


def test_a_count_of_joints_is_not_lost_to_rounding():
    """0.29 * 100 is 28.999999999999996."""
    assert (augment.LearnableJointMask(0.29).sample((2, 3, 4, 100, 1)).mask.sum(dim=2) == 29).all()


def test_noise_joints_of_a_skeleton_in_millimeters_does_not_overflow():
    x = torch.tensor([-4e4, 4e4, 0.0]).half().view(1, 1, 1, 3, 1)
    y = augment.noise_joints(x, torch.tensor([[2]]), torch.full((1, 1, 1, 1, 1), 0.75))
    assert y.flatten().tolist() == [-4e4, 4e4, 2e4]
