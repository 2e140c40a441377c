import sys

import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.viz import draw_skeleton

pytest.importorskip("matplotlib")


def clip(layout, *, persons=1, frames=10, channels=3):
    joints = layouts.get(layout).num_joints
    return np.random.default_rng(0).standard_normal((channels, frames, joints, persons))


def bones_of(panel):
    """Every bone drawn in a panel, as a pair of points."""
    found = []
    for line in panel.lines:
        points = np.stack(line.get_data(), axis=1)
        if line.get_linestyle() != "None" and len(points) >= 3:  # a group may have no bone of its own
            found += [piece[:2] for piece in points.reshape(-1, 3, 2) if np.isfinite(piece[:2]).all()]
    return found


@pytest.mark.parametrize("name", layouts.available())
@pytest.mark.parametrize("color_by", ["body", "part", None])
@pytest.mark.parametrize("persons", [1, 2])
def test_draws_every_bone_and_joint_once_in_every_frame(name, color_by, persons):
    layout, x = layouts.get(name), clip(name, persons=persons)
    figure = draw_skeleton(x, layout=name, frames=[0, 4, 9], color_by=color_by)
    groups = 1 if color_by is None else len(layout.groups(color_by))
    assert [panel.get_title() for panel in figure.axes] == ["frame 0", "frame 4", "frame 9"]
    for panel, frame in zip(figure.axes, (0, 4, 9), strict=True):
        assert len(panel.lines) == 2 * groups * persons  # bones and joints
        expected = [x[:2, frame, [a, b], m].T for m in range(persons) for a, b in layout.edges]
        key = [tuple(np.round(bone, 9).ravel()) for bone in expected]
        assert sorted(tuple(np.round(bone, 9).ravel()) for bone in bones_of(panel)) == sorted(key)
        drawn = np.concatenate([np.stack(line.get_data(), 1) for line in panel.lines if line.get_linestyle() == "None"])
        assert len(drawn) == layout.num_joints * persons
        assert panel.get_aspect() == 1
        (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
        assert (drawn >= [left, bottom]).all()
        assert (drawn <= [right, top]).all()
    assert len({panel.get_xlim() for panel in figure.axes}) == 1  # one scale


@pytest.mark.parametrize(("persons", "color_by"), [(1, "part"), (2, "body"), (2, None)])
@pytest.mark.parametrize("axes", [(0, 1), (0, 2, 1)])
def test_renders_with_all_text_inside(rendered, persons, color_by, axes):
    rendered(
        draw_skeleton(clip("ntu-rgb+d", persons=persons), layout="ntu-rgb+d", color_by=color_by, axes=axes, title="T")
    )


def test_the_legend_names_groups_and_persons():
    def legend(**options):
        figure = draw_skeleton(clip("ntu-rgb+d", persons=2), layout="ntu-rgb+d", **options)
        return [text.get_text() for text in figure.legends[0].get_texts()]

    assert legend() == ["left arm", "right arm", "left leg", "right leg", "torso", "person 0", "person 1"]
    assert legend(color_by=None) == ["person 0", "person 1"]
    assert len(legend(color_by="part")) == 12


def test_a_limb_has_its_colour_on_every_layout():
    def colors(name):
        figure = draw_skeleton(clip(name), layout=name, frames=1, color_by="part")
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        return dict(zip(labels, [line.get_color() for line in figure.legends[0].get_lines()], strict=True))

    ntu = colors("ntu-rgb+d")
    assert len(set(ntu.values())) == 10
    bodies = [name for name in layouts.available() if name != "hand-21"]  # a hand has no limbs
    for name in bodies:
        assert colors(name).items() <= ntu.items()


def test_absent_persons_and_frames_are_left_out():
    x = clip("sbu", persons=2, frames=20)
    x[:, 10:] = 0  # padding
    x[:, :5, :, 1] = 0  # comes later
    figure = draw_skeleton(x, layout="sbu", frames=3, color_by=None)
    assert [panel.get_title() for panel in figure.axes] == ["frame 0", "frame 4", "frame 9"]
    assert [len(panel.lines) for panel in figure.axes] == [2, 2, 4]
    x[..., 1] = 0
    assert not draw_skeleton(x, layout="sbu", color_by=None).legends
    assert len(draw_skeleton(x, layout="sbu", frames=[0, 15]).axes[1].lines) == 0


def test_a_single_frame_and_few_frames():
    x = clip("coco-17", channels=2, frames=4)
    figure = draw_skeleton(torch.from_numpy(x[:, 0]), layout="coco-17", flip_vertical=True)
    assert len(figure.axes) == 1
    assert figure.axes[0].get_title() == ""
    ys = np.concatenate([line.get_ydata() for line in figure.axes[0].lines if line.get_linestyle() == "None"])
    np.testing.assert_allclose(np.sort(ys), np.sort(-x[1, 0, :, 0]))
    assert len(draw_skeleton(x, layout="coco-17", frames=50).axes) == 4


def test_keypoints_are_drawn_in_the_size_of_their_picture():
    x = 100 + 50 * np.abs(clip("coco-17", channels=2, frames=4))
    figure = draw_skeleton(x, layout="coco-17", frames=2, image_size=(1280, 720))
    for panel in figure.axes:
        assert (panel.get_xlim(), panel.get_ylim()) == ((0, 1280), (-720, 0))
    ys = np.concatenate([line.get_ydata() for line in figure.axes[0].lines if line.get_linestyle() == "None"])
    np.testing.assert_allclose(np.sort(ys), np.sort(-x[1, 0, :, 0]))


def test_a_picture_size_that_is_none_is_refused():
    x = clip("sbu", frames=2)
    for size in ((0, 720), (1280,), 720, (np.nan, 1.0)):
        with pytest.raises(ValueError, match=r"image_size: expected \(width, height\), two numbers above 0"):
            draw_skeleton(x, layout="sbu", image_size=size)
    with pytest.raises(ValueError, match="image_size: expected two axes, which a picture has"):
        draw_skeleton(x, layout="sbu", axes=(0, 2, 1), image_size=(1280, 720))


def test_a_body_seen_from_the_side_and_from_above():
    x = np.zeros((3, 1, 15, 1))
    x[:, 0, :, 0] = np.arange(1, 16)
    x[1] *= 2  # up
    x[2] *= 3  # away

    def seen(view):
        figure = draw_skeleton(x, layout="sbu", axes=(0, 2, 1), view=view, color_by=None)
        points = next(line for line in figure.axes[0].lines if line.get_linestyle() == "None")
        return np.stack(points.get_data())[:, 0]

    np.testing.assert_allclose(seen((0, 0)), [1, 2], atol=1e-12)  # from the front
    np.testing.assert_allclose(seen((90, 0)), [3, 2], atol=1e-12)  # from the right: what is away is to the right
    np.testing.assert_allclose(seen((0, 90)), [1, 3], atol=1e-12)  # from above: what is away is up
    np.testing.assert_allclose(seen((90, 90)), [3, -1], atol=1e-12)  # from the right and above: what is left is up


def test_wide_clips_break_into_rows():
    x = clip("sbu", persons=2)
    x[0, ..., 1] += 30
    figure = draw_skeleton(x, layout="sbu", frames=6)
    assert {panel.get_subplotspec().get_gridspec().get_geometry() for panel in figure.axes} == {(3, 2)} or {
        panel.get_subplotspec().get_gridspec().get_geometry() for panel in figure.axes
    } == {(2, 3)}


def test_nothing_is_written_and_pyplot_is_not_touched():
    x = clip("sbu")
    x.flags.writeable = False
    before = "matplotlib.pyplot" in sys.modules
    draw_skeleton(x, layout="sbu", flip_vertical=True)
    draw_skeleton(torch.ones(3, 4, 15, 1, requires_grad=True, dtype=torch.bfloat16), layout="sbu")
    assert ("matplotlib.pyplot" in sys.modules) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": "ntu-rgb+d"}, r"clip: expected \(c, t, v=25, m\) or .* got shape \(3, 10, 15, 1\)"),
        ({"axes": (0, 3)}, "axes: expected two or three different coordinates of the clip's 3"),
        ({"axes": (0, 0)}, "axes: expected two or three different"),
        ({"axes": (0,)}, "axes: expected two or three different"),
        ({"color_by": "hand"}, "color_by: expected one of 'body', 'part', None"),
        ({"frames": 0}, "frames: expected an integer >= 1"),
        ({"frames": [10]}, r"frames: expected integers in 0..9, got \[10\]"),
        ({"frames": []}, "frames: expected integers in"),
        ({"clip": np.zeros((3, 10, 15, 1))}, "clip: expected a visible person"),
        ({"clip": np.full((3, 10, 15, 1), np.nan)}, "clip: expected finite numbers"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, message):
    arguments = {"clip": clip("sbu"), "layout": "sbu", **change}
    with pytest.raises(ValueError, match=message):
        draw_skeleton(arguments.pop("clip"), **arguments)


def test_hidden_joints_are_grey_in_their_frames():
    clip = torch.randn(3, 8, 20, 1)
    hidden = torch.zeros(8, 20, dtype=torch.bool)
    hidden[5, :4] = True
    figure = draw_skeleton(clip, layout="nw-ucla", frames=[2, 5], hidden=hidden)
    points = [
        [line for line in axes.lines if line.get_marker() == "o" and line.get_color() == "#c4c4c4"]
        for axes in figure.axes
    ]
    assert [len(lines) for lines in points] == [0, 1]
    np.testing.assert_allclose(np.array(points[1][0].get_data()), clip[:2, 5, :4, 0], rtol=1e-6)
    drawn = sum(len(line.get_xdata()) for line in figure.axes[1].lines if line.get_marker() == "o")
    assert drawn == 20  # grey ones are not drawn twice
    assert "hidden" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_hidden_joints_of_another_clip_are_refused():
    with pytest.raises(ValueError, match=r"hidden: expected \(t=8, v=20\) or \(t=8, v=20, m=1\), got shape \(20,\)"):
        draw_skeleton(torch.randn(3, 8, 20, 1), layout="nw-ucla", hidden=torch.zeros(20, dtype=torch.bool))
    with pytest.raises(TypeError, match="hidden: expected booleans, got float32"):
        draw_skeleton(torch.randn(3, 8, 20, 1), layout="nw-ucla", hidden=torch.zeros(8, 20))


def test_joints_hidden_of_one_person_alone():
    clip = torch.randn(3, 4, 20, 2)
    hidden = torch.zeros(4, 20, 2, dtype=torch.bool)
    hidden[1, [3, 7], 1] = True
    figure = draw_skeleton(clip, layout="nw-ucla", frames=[1], hidden=hidden)
    (grey,) = [line for line in figure.axes[0].lines if line.get_marker() == "o" and line.get_color() == "#c4c4c4"]
    np.testing.assert_allclose(np.array(grey.get_data()), clip[:2, 1, [3, 7], 1], rtol=1e-6)
