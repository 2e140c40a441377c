"""What every random transform and every recipe promises."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import augment, layouts
from skelblocks.augment import recipes

OPS = {
    "shear": lambda layout: augment.RandomShear(),
    "temporal_crop": lambda layout: augment.RandomTemporalCrop(),
    "rotation": lambda layout: augment.RandomRotation(),
    "rotation, two-sided": lambda layout: augment.RandomRotation(45.0, minor_angle=5.0, two_sided=True),
    "gaussian_noise": lambda layout: augment.RandomGaussianNoise(),
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


@every_op
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_keeps_the_dtype(make, dtype):
    op, x = make("ntu-rgb+d"), clips()
    params = op.sample(x.shape)
    y = op.transform(x.to(dtype), params)
    assert y.dtype == dtype
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float64 else {"rtol": 0.1, "atol": 0.1}
    torch.testing.assert_close(y.float(), op.transform(x, params), **close)


@every_op
def test_autocast_does_not_round_coordinates(make):
    op, x = make("ntu-rgb+d"), clips()
    params = op.sample(x.shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = op.transform(x, params)
    assert y.dtype == torch.float32
    assert y.equal(op.transform(x, params))


@every_op
def test_memory_layout_does_not_matter(make):
    op, x = make("ntu-rgb+d"), clips()
    params = op.sample(x.shape)
    strided = x.permute(0, 4, 2, 3, 1).contiguous().permute(0, 4, 2, 3, 1)
    assert not strided.is_contiguous()
    torch.testing.assert_close(op.transform(strided, params), op.transform(x, params))


@every_op
@space
def test_transform_compiles_in_one_graph(make, c):
    torch.compiler.reset()  # the recipes share a method, which has a limit of graphs
    op, x = make("ntu-rgb+d"), clips(c=c)
    params = op.sample(x.shape)
    compiled = torch.compile(op.transform, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, params), op.transform(x, params))


@every_op
@space
def test_gradients(make, c):
    op, x = make("sbu"), clips(2, 2, 15, 1, dtype=torch.float64, c=c).requires_grad_()
    params = op.sample(x.shape)
    assert torch.autograd.gradcheck(lambda x: op.transform(x, params), (x,))


@every_op
def test_pickles_and_copies_and_holds_no_state(make):
    op, x = make("ntu-rgb+d"), clips()
    params = op.sample(x.shape)
    for twin in (pickle.loads(pickle.dumps(op)), copy.deepcopy(op)):
        assert twin.transform(x, params).equal(op.transform(x, params))
        assert repr(twin) == repr(op)
    assert op.state_dict() == {}


@every_op
def test_wrong_shapes_say_what_was_expected(make):
    op = make("ntu-rgb+d")
    with pytest.raises(ValueError, match=r"shape: expected 5 sizes \(n, c, t, v, m\), got \(3, 12, 25, 2\)"):
        op.sample((3, 12, 25, 2))
    params = op.sample((3, 3, 12, 25, 2))
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, .*, got shape \(3, 12, 25, 2\)"):
        op.transform(torch.zeros(3, 12, 25, 2), params)
    with pytest.raises(ValueError, match=r"axis 'n' is 3, not 2|axis 'n' is 2, not 3"):
        op.transform(torch.zeros(2, 3, 12, 25, 2), params)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every_op
def test_cuda_agrees_with_cpu(make):
    op, x = make("ntu-rgb+d"), clips(dtype=torch.float64)
    params = op.sample(x.shape)

    def to_cuda(params):
        if isinstance(params, torch.Tensor):
            return params.cuda()
        fields = [to_cuda(field) for field in params]
        return type(params)(*fields) if hasattr(params, "_fields") else tuple(fields)

    torch.testing.assert_close(op.transform(x.cuda(), to_cuda(params)).cpu(), op.transform(x, params))
    assert op(x.cuda(), generator=torch.Generator("cuda").manual_seed(0)).is_cuda


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


@every_op
def test_no_clip_is_none(make):
    assert make("ntu-rgb+d")(torch.zeros(0, 3, 12, 25, 2)).shape == (0, 3, 12, 25, 2)


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
