"""What every random transform and every recipe promises."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import augment, layouts
from skelblocks.augment import recipes

FORMATS = ("ntu-rgb+d", "coco-17", "h36m-17")
OPS = {
    "shear": lambda layout: augment.RandomShear(),
    "temporal_crop": lambda layout: augment.RandomTemporalCrop(),
    "scale": lambda layout: augment.RandomScale(),
    "scale, per axis": lambda layout: augment.RandomScale(0.5, per_axis=True),
    "tempo": lambda layout: augment.RandomTempo(),
    "tempo, wide": lambda layout: augment.RandomTempo((0.3, 3.5)),
    "layout_views": lambda layout: augment.LayoutViews(
        layout, through=[layout, *(FORMATS if layout != "hand-21" else [])]
    ),
    "rotation": lambda layout: augment.RandomRotation(),
    "rotation, two-sided": lambda layout: augment.RandomRotation(45.0, minor_angle=5.0, two_sided=True),
    "gaussian_noise": lambda layout: augment.RandomGaussianNoise(),
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
    "occlusion, per frame": lambda layout: augment.SpatioTemporalOcclusion(layout, per_frame=True, temporal="gate"),
    "weak": lambda layout: recipes.weak(),
    "msmclr_strong": recipes.msmclr_strong,
    "aimclr_extreme": recipes.aimclr_extreme,
    "picture_weak": lambda layout: recipes.picture_weak(),
    "picture_strong": recipes.picture_strong,
}
SHIVERING = {  # they give absent persons noise, as released
    "msmclr_strong_official": recipes.msmclr_strong_official,
    "aimclr_extreme_official": recipes.aimclr_extreme_official,
}
space = pytest.mark.parametrize("c", [2, 3])
every_op = pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in (OPS | SHIVERING).items()])


def clips(n=3, t=12, v=25, m=2, seed=0, dtype=torch.float32, c=3):
    return torch.randn(n, c, t, v, m, generator=torch.Generator().manual_seed(seed)).to(dtype)


def rows(params, index):
    """The params of some of the samples."""
    if isinstance(params, torch.Tensor):
        return params[index]
    fields = [rows(field, index) for field in params]
    return type(params)(*fields) if hasattr(params, "_fields") else tuple(fields)


def leaves(params):
    return [params] if isinstance(params, torch.Tensor) else [leaf for field in params for leaf in leaves(field)]


@every_op
@space
@pytest.mark.parametrize("layout", layouts.available())
def test_works_on_every_layout_length_and_number_of_persons(make, layout, c):
    op, v = make(layout), layouts.get(layout).num_joints
    for n, t, m in [(1, 16, 2), (2, 50, 1), (1, 64, 1), (1, 120, 2), (2, 5, 2), (1, 1, 1)]:
        x = clips(n, t, v, m, c=c)
        y = op(x)
        assert y.shape == x.shape
        assert y.dtype == x.dtype
        assert y.isfinite().all()


@settings(max_examples=15, deadline=None)
@every_op
@given(n=st.integers(1, 5), c=st.integers(2, 3), t=st.integers(1, 20), m=st.integers(1, 3), seed=st.integers(0, 2**16))
def test_a_sample_does_not_depend_on_the_others(make, n, c, t, m, seed):
    op, x = make("sbu"), clips(n, t, 15, m, seed, c=c)
    params = op.sample(x.shape, generator=torch.Generator().manual_seed(seed))
    assert all(leaf.shape[0] == n for leaf in leaves(params))
    y = op.transform(x, params)
    for i in range(n):
        torch.testing.assert_close(op.transform(x[i : i + 1], rows(params, slice(i, i + 1))), y[i : i + 1])


@every_op
def test_samples_draw_their_own_values(make, generator):
    x = clips(n=1).expand(32, -1, -1, -1, -1)
    assert len(make("ntu-rgb+d")(x, generator=generator).unique(dim=0)) > 1


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in OPS.items()])
@space
def test_absent_persons_stay_absent(make, c, generator):
    op, x = make("ntu-rgb+d"), clips(n=16, c=c)
    x[::2, ..., 1] = 0
    y = op(x, generator=generator)
    assert (y[::2, ..., 1] == 0).all()
    alone = op.transform(x[..., :1], rows_of_person(op.sample(x.shape, generator=generator.manual_seed(0)), 0))
    torch.testing.assert_close(y[..., :1], alone)  # nor does the second person matter to the first


def rows_of_person(params, person):
    """Drawn for all persons; keep one."""
    if isinstance(params, torch.Tensor):
        return params[..., person : person + 1] if params.ndim == 5 else params
    fields = [rows_of_person(field, person) for field in params]
    return type(params)(*fields) if hasattr(params, "_fields") else tuple(fields)


@every_op
def test_a_generator_decides_alone_and_leaves_the_global_rng(make):
    op, x = make("ntu-rgb+d"), clips()
    before = torch.get_rng_state()
    first, second = (op(x, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.equal(second)
    assert torch.get_rng_state().equal(before)
    op(x)
    assert not torch.get_rng_state().equal(before)


@every_op
def test_the_same_params_replay_and_the_input_is_not_written_to(make):
    op, x = make("ntu-rgb+d"), clips()
    kept, params = x.clone(), op.sample(x.shape)
    drawn = [leaf.clone() for leaf in leaves(params)]
    assert op.transform(x, params).equal(op.transform(x, params))
    assert x.equal(kept)
    assert all(a.equal(b) for a, b in zip(leaves(params), drawn, strict=True))


@pytest.mark.parametrize(
    "make",
    [
        lambda p: augment.RandomGaussianNoise(p=p),
        lambda p: augment.RandomGaussianBlur((1.0, 2.0), p=p),
        lambda p: augment.RandomChannelMask(p),
        lambda p: augment.RandomSpatialFlip("sbu", p=p),
        lambda p: augment.RandomTemporalFlip(p),
    ],
    ids=["gaussian_noise", "gaussian_blur", "channel_mask", "spatial_flip", "temporal_flip"],
)
def test_the_probability_is_kept(make, generator):
    x = clips(2000, 2, 15, 1)
    for p in (0.0, 0.3, 1.0):
        touched = (make(p)(x, generator=generator) != x).flatten(1).any(dim=1).float().mean()
        assert touched == p if p in (0, 1) else abs(touched - p) < 0.05
    with pytest.raises(ValueError, match=r"p: expected a probability in \[0, 1\], got 1.5"):
        make(1.5)


@pytest.mark.parametrize(
    ("op", "shapes", "names"),
    [
        (augment.joint_mask, [(3, 25), (3, 12)], ["joints", "frames"]),
        (augment.channel_mask, [(3, 3)], ["channels"]),
        (augment.temporal_flip, [(3,)], ["flipped"]),
        (lambda x, flipped: augment.spatial_flip(x, flipped, layout="ntu-rgb+d"), [(3,)], ["flipped"]),
    ],
)
@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
def test_masks_and_gates_are_boolean(op, shapes, names, dtype):
    for i, name in enumerate(names):
        gates = [torch.ones(shape, dtype=dtype if i == j else torch.bool) for j, shape in enumerate(shapes)]
        with pytest.raises(TypeError, match=rf"{name}: expected a torch.bool tensor, got {dtype}; convert it with"):
            op(clips(), *gates)
