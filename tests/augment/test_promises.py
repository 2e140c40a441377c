"""What every transform promises as a block, by the shared testers."""

import pytest
import torch

from skelblocks import augment, testing
from skelblocks.augment import recipes

TRANSFORMS = {
    "shear": lambda layout: augment.RandomShear(),
    "temporal_crop": lambda layout: augment.RandomTemporalCrop(),
    "scale": lambda layout: augment.RandomScale(),
    "scale, per axis": lambda layout: augment.RandomScale(0.5, per_axis=True),
    "tempo": lambda layout: augment.RandomTempo(),
    "tempo, wide": lambda layout: augment.RandomTempo((0.3, 3.5)),
    "relative_tempo": lambda layout: augment.RelativeTempo(),
    "layout_views": augment.LayoutViews,
    "layout_views, zero": lambda layout: augment.LayoutViews(layout, lost="zero"),
    "rotation": lambda layout: augment.RandomRotation(),
    "rotation, two-sided": lambda layout: augment.RandomRotation(45.0, minor_angle=5.0, two_sided=True),
    "gaussian_noise": lambda layout: augment.RandomGaussianNoise(),
    "gaussian_noise, official": lambda layout: augment.RandomGaussianNoise(on_absent_persons=True),
    "estimator_noise": augment.EstimatorNoise,
    "gaussian_blur": lambda layout: augment.RandomGaussianBlur(),
    "gaussian_blur, official": lambda layout: augment.RandomGaussianBlur(normalize=False, padding="zeros"),
    "joint_mask": lambda layout: augment.RandomJointMask(),
    "channel_mask": lambda layout: augment.RandomChannelMask(),
    "noise_joints": lambda layout: augment.RandomNoiseJoints(),
    "spatial_flip": augment.RandomSpatialFlip,
    "spatial_flip, mirror": lambda layout: augment.RandomSpatialFlip(layout, mirror_axis=0),
    "temporal_flip": lambda layout: augment.RandomTemporalFlip(),
    "occlusion": augment.SpatioTemporalOcclusion,
    "occlusion, gate": lambda layout: augment.SpatioTemporalOcclusion(
        layout, ratio_counts="units", unit="bone", per_frame=True, temporal="gate"
    ),
    "region_swap": augment.RandomRegionSwap,
    "region_swap, official": lambda layout: recipes.skelemix_swap(layout, same_on_batch=True, on_absent_persons=True),
    "skeleton_mix": augment.RandomSkeletonMix,
    "skeleton_mix, official": lambda layout: augment.RandomSkeletonMix(
        layout, same_on_batch=True, on_absent_persons=True
    ),
    "bone_lengths": augment.RandomBoneLengths,
    "bone_lengths, official": lambda layout: augment.RandomBoneLengths(layout, on_absent_persons=True),
    "learnable_joint_mask": lambda layout: augment.LearnableJointMask(),
    "learnable_joint_mask, official": lambda layout: augment.LearnableJointMask(
        same_on_batch=True, on_absent_persons=True
    ),
    "motion_temporal_mask": lambda layout: augment.MotionTemporalMask(),
    "motion_temporal_mask, official": lambda layout: augment.MotionTemporalMask(
        same_on_batch=True, across_absence=True
    ),
    "central_spatial_mask": augment.CentralSpatialMask,
    "central_spatial_mask, official": lambda layout: augment.CentralSpatialMask(layout, same_on_batch=True),
    "weak": lambda layout: recipes.weak(),
    "msmclr_strong": recipes.msmclr_strong,
    "msmclr_strong_official": recipes.msmclr_strong_official,
    "aimclr_extreme": recipes.aimclr_extreme,
    "picture_weak": lambda layout: recipes.picture_weak(),
    "picture_strong": recipes.picture_strong,
    "aimclr_extreme_official": recipes.aimclr_extreme_official,
}
DATA_DEPENDENT = "central_spatial_mask, official"  # how many joints are left depends on the draws
LAYOUTS = {25: "ntu-rgb+d", 15: "sbu"}


def params_of(names=TRANSFORMS, without=()):
    return [pytest.param(name, id=name) for name in names if name not in without]


every = pytest.mark.parametrize("name", params_of())
every_static = pytest.mark.parametrize("name", params_of(without=[DATA_DEPENDENT]))
every_smooth = pytest.mark.parametrize("name", [p for p in params_of() if "central" not in p.id])
space = pytest.mark.parametrize("c", [2, 3])


def clips(n=3, c=3, t=12, v=25, m=2, dtype=torch.float32):
    x = torch.randn(n, c, t, v, m, generator=torch.Generator().manual_seed(0)).to(dtype)
    if m > 1:
        x[0, ..., 1] = 0  # absent
    return x


def clips_of(y):
    return y if isinstance(y, torch.Tensor) else y[0]


def drawn(name, x):
    """The transform, its draws for ``x``, and the transform with these draws."""
    op = TRANSFORMS[name](LAYOUTS[x.shape[3]])
    params = op.sample(x.shape, generator=torch.Generator().manual_seed(1))
    return op, params, lambda x: op.transform(x, params)


class Replay(torch.nn.Module):
    """A transform whose call takes the draws, so that the testers can move it."""

    def __init__(self, op):
        super().__init__()
        self.op = op

    def forward(self, x, params):
        return self.op.transform(x, params)


@every
def test_pickle_deepcopy_and_no_state(name):
    op = TRANSFORMS[name]("ntu-rgb+d")
    testing.check_pickle(op, [clips()])
    testing.check_deepcopy(op, [clips()])
    testing.check_stateless(op, [clips()])
    assert list(op.state_dict()) == (["fill"] if name.startswith("learnable") else [])


@every
def test_inputs_unchanged(name):
    x = clips()
    op, params, _ = drawn(name, x)
    testing.check_inputs_unchanged(op.transform, [x, params])


@every
def test_strides(name):
    x = clips()
    testing.check_strides(drawn(name, x)[2], [x])


@every_static
@space
def test_compiles(name, c):
    x = clips(c=c)
    op, params, _ = drawn(name, x)
    testing.check_compiles(op.transform, [x, params])


@every_smooth
@space
def test_gradients(name, c):
    x = clips(2, c, 4, 15, 1)
    testing.check_gradients(drawn(name, x)[2], [x])


@every
def test_dtypes(name):
    x = clips()
    transform = drawn(name, x)[2]
    exact = {"rtol": 1e-4, "atol": 1e-5}
    testing.check_dtypes(transform, [x], dtypes=(torch.float64,), **exact)
    testing.check_dtypes(transform, [x], dtypes=(torch.bfloat16, torch.float16))


@every
def test_autocast_does_not_round(name):
    x = clips()
    for dtype in (torch.bfloat16, torch.float16):
        testing.check_autocast(drawn(name, x)[2], [x], dtype=dtype, out_dtype=torch.float32, exact=True)


@every
@space
def test_no_float64(name, c):
    """Draws included: some devices, such as Apple's, have no float64."""
    testing.check_no_float64(TRANSFORMS[name]("ntu-rgb+d"), [clips(c=c).requires_grad_()])


@every_static
@space
def test_meta(name, c):
    """With the draws made there, and replayed."""
    x = clips(c=c)
    op, params, _ = drawn(name, x)
    testing.check_meta(op, [x])
    testing.check_meta(Replay(op), [x, params])


@every
def test_empty_axes_and_batches(name):
    """An axis of size 0 gives such clips again, or an error that names the argument."""
    op = TRANSFORMS[name]("ntu-rgb+d")
    for axis, label in enumerate("nctvm"):
        sizes = [3, 3, 12, 25, 2]
        sizes[axis] = 0
        refused = ""
        try:
            y = op(torch.zeros(sizes))
            y = clips_of(y)
        except ValueError as error:
            refused = str(error)
        if refused:
            assert refused.split(":")[0] in ("x", "shape", "params.draws", "mirror_axis"), f"{label}: {refused}"
            # Mixing needs a partner, and the official joints are one draw of the batch.
            needs_clips = name.startswith(("region_swap", "skeleton_mix", "bone_lengths")) or name == DATA_DEPENDENT
            assert label != "n" or needs_clips, refused
        else:
            assert y.numel() == 0 or not y.is_floating_point()


@every
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_clips_are_floating_point(name, dtype):
    with pytest.raises(TypeError, match=rf"x: expected a floating-point tensor, got {dtype}"):
        TRANSFORMS[name]("ntu-rgb+d")(torch.zeros(3, 3, 12, 25, 2, dtype=dtype))


@every
def test_what_is_no_clip_batch(name):
    op = TRANSFORMS[name]("ntu-rgb+d")
    for wrong in (None, [1.0], clips().numpy()):
        with pytest.raises(TypeError, match=f"x: expected a tensor, got {type(wrong).__name__}"):
            op(wrong)
    for call in (op, lambda x: op.transform(x, op.sample((3, 3, 12, 25, 2)))):
        with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, .*, got shape \(3, 12, 25, 2\)"):
            call(clips()[0])
    with pytest.raises(ValueError, match=r"shape: expected 5 sizes \(n, c, t, v, m\), got \(3, 12, 25, 2\)"):
        op.sample((3, 12, 25, 2))


@every
def test_clips_of_another_number_of_samples_than_the_draws(name):
    x = clips()
    op, params, _ = drawn(name, x)
    with pytest.raises(ValueError, match=r"axis 'n' is 3, not 2|axis 'n' is 2, not 3"):
        op.transform(x[:2], params)


@pytest.mark.parametrize("scale", [3e-5, 1.6e4])
@every
def test_half_precision_stays_finite_near_its_limits(name, scale):
    x = clips().clamp(-2, 2) * scale
    y = TRANSFORMS[name]("ntu-rgb+d")(x.half(), generator=torch.Generator().manual_seed(0))
    y = clips_of(y)
    gains = "official" in name and name.startswith(("gaussian_blur", "msmclr", "aimclr"))  # five-fold, as released
    longer = name.startswith("bone_lengths")  # limbs put together from longer bones
    assert y.isfinite().all() or ((gains or longer) and scale > 1)


@testing.with_cuda
@every
def test_cuda(name):
    x = clips(dtype=torch.float64)
    op, params, _ = drawn(name, x)
    testing.check_cuda(Replay(op), [x, params])
    y = op.cuda()(x.cuda(), generator=torch.Generator("cuda").manual_seed(0))
    assert clips_of(y).is_cuda


@testing.with_cuda
def test_a_generator_on_another_device():
    with pytest.raises(ValueError, match="generator: expected device 'cuda', as for the clips, got 'cpu'"):
        augment.RandomShear()(clips().cuda(), generator=torch.Generator())
