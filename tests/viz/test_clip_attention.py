import numpy as np
import pytest
import torch
from viz.baseline import waving

from skelblocks import layouts
from skelblocks.attention import EADM, MHSAM, MsMAttention
from skelblocks.attention.eadm import energy_attention
from skelblocks.encoders import STGCN
from skelblocks.viz import clip_attention

pytest.importorskip("matplotlib")


def rasters_of(figure):
    return [np.ma.filled(axes.images[0].get_array(), -1) for axes in figure.axes if axes.images]


def nearest(t, stride, steps):
    """Slowly: the step whose frame is nearest, the later of two."""
    return [min(range(steps), key=lambda i: (abs(i * stride - frame), -i)) for frame in range(t)]


@pytest.mark.parametrize(
    ("t", "steps", "stride"), [(50, 13, None), (16, 16, None), (64, 16, None), (10, 1, None), (16, 3, 2)]
)
def test_a_frame_has_the_weights_of_its_nearest_step(t, steps, stride):
    weights = np.arange(steps * 25).reshape(steps, 25) / 100
    (raster,) = rasters_of(clip_attention(waving(frames=t), weights, layout="ntu-rgb+d", stride=stride, frames=2))
    np.testing.assert_array_equal(raster, weights[nearest(t, stride or -(-t // steps), steps)].T)


@pytest.mark.parametrize("t", [32, 50])
def test_steps_of_an_encoder_stand_where_they_are_drawn(t):
    torch.manual_seed(0)
    encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=8).eval()
    x = torch.randn(1, 3, t, 25, 1, requires_grad=True)
    feature_map = encoder(x)
    steps = feature_map.shape[-2]
    stride = -(-t // steps)
    step = steps // 2
    (seen,) = torch.autograd.grad(feature_map[..., step, :].square().sum(), x)
    frames = seen.abs().sum(dim=(0, 1, 3, 4)).numpy()
    center = (frames * np.arange(t)).sum() / frames.sum()
    assert nearest(t, stride, steps)[round(center)] == step


@pytest.mark.parametrize("persons", [1, 2])
def test_joints_have_the_colour_and_size_of_their_weight(persons):
    x = waving(persons=persons)
    weights = np.linspace(0, 1, persons * 8 * 25).reshape(persons, 8, 25)
    figure = clip_attention(x, weights, layout="ntu-rgb+d", frames=[1, 6])
    for axes, frame in zip(figure.axes[:2], (1, 6), strict=True):
        assert len(axes.collections) == persons
        for person, dots in enumerate(axes.collections):
            order = np.argsort(weights[person, frame])
            np.testing.assert_allclose(dots.get_offsets(), x[:2, frame, order, person].T)
            np.testing.assert_allclose(dots.get_array(), weights[person, frame, order])
            assert (np.diff(dots.get_sizes()) > 0).all()
            assert dots.get_clim() == (0, 1)
    assert [axes.get_ylabel() for axes in figure.axes[2 : 2 + persons]] == (
        [""] if persons == 1 else ["person 0", "person 1"]
    )


def test_nobody_is_drawn_who_is_absent():
    x = waving(persons=3)
    x[:, 4:, :, 1] = 0
    x[..., 2] = 0
    figure = clip_attention(x, np.ones((8, 25)), layout="ntu-rgb+d", frames=[0, 7])
    assert [len(axes.collections) for axes in figure.axes[:2]] == [2, 1]
    one, two = rasters_of(figure)
    assert (one == 1).all()
    assert (two[:, :4] == 1).all()
    assert (two[:, 4:] == -1).all()


def test_what_the_blocks_give_can_be_drawn():
    x = waving(frames=16, persons=2)
    feature_map = torch.randn(1, 2, 16, 4, 25, generator=torch.Generator().manual_seed(0))

    soft = MHSAM(16)(feature_map)[0].mean(dim=1)
    _, (joints, steps) = EADM(keep_margin=0.66)(feature_map, return_masks=True)
    kept = joints[0, :, None, :] & steps[0, :, :, None]
    _, (entry_joints, entries) = EADM(keep_margin=0.66, variant="official")(feature_map, return_masks=True)
    kept_entries = entries[0].float().mean(dim=1) * entry_joints[0, :, None]
    energy = energy_attention(feature_map)[0].mean(dim=1)
    _, (joint, _, _) = MsMAttention(16, layout="ntu-rgb+d")(feature_map, return_attention=True)
    frames = joint[0].mean(dim=1)[..., None].expand(-1, -1, 25)
    for weights in (soft, kept, kept_entries, energy, frames):
        assert weights.shape == (2, 4, 25)
        drawn = rasters_of(clip_attention(x, weights, layout="ntu-rgb+d", frames=2))
        expected = weights.detach().double().numpy()[:, nearest(16, 4, 4)].transpose(0, 2, 1)
        np.testing.assert_allclose(drawn, expected, rtol=1e-6)
    np.testing.assert_allclose(joint[0].mean(dim=1).sum(dim=-1).detach(), 1, rtol=1e-5)  # a share of what is given


def test_limits_set_the_colours_and_nothing_is_written():
    x, weights = waving(), np.full((8, 25), 0.5)
    x.flags.writeable = weights.flags.writeable = False
    figure = clip_attention(x, weights, layout="ntu-rgb+d", limits=(0.4, 0.6), label="mask", flip_vertical=True)
    assert {dots.get_clim() for axes in figure.axes for dots in axes.collections if dots.get_clim()[0]} == {(0.4, 0.6)}
    assert figure.axes[-1].get_ylabel() == "mask"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip": np.ones((3, 8, 20, 1))}, r"clip: expected \(c, t, v=25, m\)"),
        ({"clip": np.zeros((3, 8, 25, 1))}, "clip: expected a visible person"),
        (
            {"attention": np.ones((8, 10))},
            r"attention: expected \(t', v=25\) or \(m=1, t', v=25\), .* got shape \(8, 10\)",
        ),
        ({"attention": np.ones((2, 8, 25))}, r"attention: expected \(t', v=25\)"),
        ({"attention": np.ones(25)}, r"attention: expected \(t', v=25\)"),
        ({"attention": np.ones((9, 25))}, "attention: expected 1 to 8 frames"),
        ({"attention": np.ones((0, 25))}, "attention: expected 1 to 8 frames"),
        ({"attention": np.full((8, 25), np.nan)}, "attention: expected finite numbers"),
        ({"stride": 2}, "stride: expected 8 steps to lie in the clip's 8 frames, got 2 frames a step"),
        ({"stride": 0}, "stride: expected an integer >= 1, got 0"),
        ({"limits": (1, 0)}, "limits: expected"),
        ({"axes": (0, 5)}, "axes: expected two or three"),
        ({"frames": [8]}, "frames: expected integers in 0..7"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, message):
    arguments = {"clip": waving(), "attention": np.ones((8, 25)), "layout": "ntu-rgb+d", **change}
    with pytest.raises(ValueError, match=message):
        clip_attention(arguments.pop("clip"), arguments.pop("attention"), **arguments)


def test_a_skeleton_of_one_joint():
    one = layouts.SkeletonLayout("one", ("all",), (), 0, (0,), (("all", (0,)),), (("all", (0,)),))
    clip_attention(torch.randn(3, 8, 1, 1), torch.rand(8, 1), layout=one).canvas.draw()
