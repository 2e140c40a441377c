import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.attention import EADM
from skelblocks.augment import CentralSpatialMask, RandomJointMask, SpatioTemporalOcclusion
from skelblocks.viz import occlusion_map

pytest.importorskip("matplotlib")

from viz.baseline import assert_looks_like, waving


def clip(layout="sbu", *, persons=1, frames=10):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, frames, layouts.get(layout).num_joints, persons, generator=generator)


def mask(*sizes, seed=0):
    return torch.rand(*sizes, generator=torch.Generator().manual_seed(seed)) < 0.4


def maps_of(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def in_order(layout, hidden):
    """``(t, v)`` as rows of joints, those of a body together."""
    return np.asarray(hidden)[:, [joint for body in layouts.get(layout).bodies for joint in body.joints]].T


@pytest.mark.parametrize("name", layouts.available())
def test_one_map_for_all_persons(name, rendered):
    layout = layouts.get(name)
    hidden = mask(12, layout.num_joints)
    figure = occlusion_map(hidden, layout=name, title="T")
    (drawn,) = maps_of(figure)
    np.testing.assert_array_equal(drawn, in_order(name, hidden))
    (axes,) = figure.axes
    assert axes.get_title() == f"{hidden.double().mean():.0%} hidden"
    names = [layout.joints[joint].replace("_", " ") for body in layout.bodies for joint in body.joints]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    rendered(figure)


def test_a_map_a_person_with_the_bodies_below(rendered):
    x, hidden = clip("ntu-rgb+d", persons=2), mask(10, 25, 2)
    figure = occlusion_map(hidden, x, layout="ntu-rgb+d", frames=[0, 4, 9], fps=30, title="T")
    for person, drawn in enumerate(maps_of(figure)):
        np.testing.assert_array_equal(drawn, in_order("ntu-rgb+d", hidden[..., person]))
    assert [axes.get_title() for axes in figure.axes[:2]] == [
        f"person {person}, {hidden[..., person].double().mean():.0%} hidden" for person in (0, 1)
    ]
    bodies = figure.axes[2:]
    assert [axes.get_xlabel() for axes in bodies] == ["0.00 s", "0.13 s", "0.30 s"]
    for axes, frame in zip(bodies, (0, 4, 9), strict=True):
        grey = [line for line in axes.lines if line.get_marker() == "o" and line.get_color() == "#c4c4c4"]
        points = np.concatenate([np.stack(line.get_data(), 1) for line in grey])
        expected = x[:2, frame][:, hidden[frame]].T
        np.testing.assert_allclose(np.sort(points, axis=0), np.sort(expected, axis=0), rtol=1e-6)
    rendered(figure)


def test_absent_persons_have_no_map_and_absent_frames_are_pale():
    x, hidden = clip(persons=3), mask(10, 15, 3)
    x[..., 1] = 0
    x[:, 6:, :, 2] = 0
    figure = occlusion_map(hidden, x, layout="sbu", frames=2)
    first, third = maps_of(figure)
    np.testing.assert_array_equal(first, in_order("sbu", hidden[..., 0]))
    np.testing.assert_array_equal(third[:, :6], in_order("sbu", hidden[:6, :, 2]))
    assert (third[:, 6:] == 2).all()
    assert figure.axes[1].get_title() == f"person 2, {hidden[:6, :, 2].double().mean():.0%} hidden"


def test_masks_of_a_feature_map_are_stretched_over_the_clip():
    x, hidden = clip(frames=10), mask(3, 15)
    (drawn,) = maps_of(occlusion_map(hidden, x, layout="sbu", frames=2))
    steps = [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]  # at frames 0, 4 and 8; of two as near, the later
    np.testing.assert_array_equal(drawn, in_order("sbu", hidden[steps]))


def test_what_the_blocks_hide_can_be_drawn():
    x, generator = clip("ntu-rgb+d", persons=2, frames=16), torch.Generator().manual_seed(0)
    for transform in (SpatioTemporalOcclusion("ntu-rgb+d"), RandomJointMask()):
        hidden = transform(torch.ones(1, 3, 16, 25, 2), generator=generator)[0, 0] == 0
        maps = maps_of(occlusion_map(hidden, x, layout="ntu-rgb+d", frames=2))
        np.testing.assert_array_equal(maps[0], maps[1])
        assert maps[0].sum() == hidden[..., 0].sum()
    kept = CentralSpatialMask("ntu-rgb+d")(x[None], generator=generator)
    hidden = ~torch.isin(torch.arange(25), kept[0]).expand(16, 25)
    (drawn,) = maps_of(occlusion_map(hidden, x, layout="ntu-rgb+d", frames=2))
    assert (drawn.sum(axis=0) == 8).all()
    feature_map = torch.randn(1, 2, 8, 4, 25, generator=generator)
    _, (joints, steps) = EADM(0.675)(feature_map, return_masks=True)
    hidden = ~(joints[0, :, None, :] & steps[0, :, :, None]).permute(1, 2, 0)
    maps = maps_of(occlusion_map(hidden, x, layout="ntu-rgb+d", frames=2))
    for person in (0, 1):
        share = 1 - joints[0, person].float().mean() * steps[0, person].float().mean()
        assert hidden[..., person].float().mean() == pytest.approx(share.item())
        assert set(np.unique(maps[person])) <= {0, 1}


def test_nothing_is_written():
    x, hidden = clip().numpy(), mask(10, 15).numpy()
    x.flags.writeable = hidden.flags.writeable = False
    occlusion_map(hidden, x, layout="sbu")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"hidden": torch.zeros(10, 15)}, TypeError, "hidden: expected booleans, got float32"),
        ({"hidden": mask(10, 14)}, ValueError, r"hidden: expected \(s, v=15\) or \(s, v=15, m\), got shape \(10, 14\)"),
        ({"hidden": mask(15)}, ValueError, r"hidden: expected \(s, v=15\)"),
        ({"hidden": mask(0, 15)}, ValueError, r"hidden: expected \(s, v=15\)"),
        ({"hidden": mask(11, 15)}, ValueError, "hidden: .* at most the clip's 10 frames, got shape"),
        ({"hidden": mask(10, 15, 2)}, ValueError, r"hidden: .* \(s, v=15, m=1\)"),
        ({"clip": torch.zeros(3, 10, 15, 1)}, ValueError, "clip: expected a visible person"),
        ({"frames": [10]}, ValueError, "frames: expected integers in"),
        ({"fps": 0}, ValueError, "fps: expected"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, error, message):
    arguments = {"hidden": mask(10, 15), "clip": clip(), "layout": "sbu", **change}
    with pytest.raises(error, match=message):
        occlusion_map(arguments.pop("hidden"), arguments.pop("clip"), **arguments)


def test_it_looks_as_it_did():
    hidden = np.add.outer(np.arange(8), np.arange(25)) % 5 < 2
    assert_looks_like(occlusion_map(hidden, layout="ntu-rgb+d"), "occlusion_map")
    both = np.stack((hidden, ~hidden), axis=2)
    figure = occlusion_map(both, waving(persons=2), layout="ntu-rgb+d", frames=4, title="Wave")
    assert_looks_like(figure, "occlusion_map_two_people")
