import sys

import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.viz import clip_strip

pytest.importorskip("matplotlib")

from viz.baseline import assert_looks_like, waving


def clip(layout="sbu", *, persons=1, frames=10, seed=0):
    joints = layouts.get(layout).num_joints
    return np.random.default_rng(seed).standard_normal((3, frames, joints, persons))


def points_of(panel):
    dots = [np.stack(line.get_data(), 1) for line in panel.lines if line.get_marker() == "o"]
    return np.concatenate(dots) if dots else np.zeros((0, 2))


def rows_of(figure):
    return [panel.get_subplotspec().rowspan.start for panel in figure.axes]


@pytest.mark.parametrize("name", layouts.available())
@pytest.mark.parametrize("color_by", ["body", "part", None])
def test_one_row_with_every_joint_of_the_frames(name, color_by, rendered):
    x = clip(name, persons=2)
    figure = clip_strip(x, layout=name, frames=[0, 4, 9], color_by=color_by)
    assert rows_of(figure) == [0, 0, 0]
    assert [panel.get_xlabel() for panel in figure.axes] == ["frame 0", "frame 4", "frame 9"]
    for panel, frame in zip(figure.axes, (0, 4, 9), strict=True):
        expected = x[:2, frame].reshape(2, -1).T
        np.testing.assert_allclose(np.sort(points_of(panel), axis=0), np.sort(expected, axis=0))
        assert panel.get_aspect() == 1
    assert len({(panel.get_xlim(), panel.get_ylim()) for panel in figure.axes}) == 1
    if color_by == "part":
        rendered(figure)


def test_many_frames_stay_in_one_row(rendered):
    figure = clip_strip(clip("ntu-rgb+d", frames=40), layout="ntu-rgb+d", frames=20, title="T")
    assert rows_of(figure) == [0] * 20
    assert figure.get_size_inches()[0] < 16
    rendered(figure)


def test_several_clips_have_a_row_each_at_one_scale(rendered):
    clips = {"near": clip(seed=1), "far": 100 + 3 * clip(seed=2)}
    figure = clip_strip(clips, layout="sbu", frames=3, fps=30)
    assert rows_of(figure) == [0, 0, 0, 1, 1, 1]
    assert [figure.axes[i].get_ylabel() for i in (0, 3)] == ["near", "far"]
    assert [panel.get_xlabel() for panel in figure.axes] == ["", "", "", "0.00 s", "0.13 s", "0.30 s"]
    spans = np.array([[np.ptp(panel.get_xlim()), np.ptp(panel.get_ylim())] for panel in figure.axes])
    np.testing.assert_allclose(spans, np.broadcast_to(spans[0], spans.shape))
    for panel in figure.axes:
        (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
        dots = points_of(panel)
        assert (dots >= [left, bottom]).all()
        assert (dots <= [right, top]).all()
    rendered(figure)


def test_clips_of_other_lengths_have_times_of_their_own():
    figure = clip_strip({"a": clip(frames=4), "b": clip(frames=9)}, layout="sbu", frames=2)
    assert [panel.get_xlabel() for panel in figure.axes] == ["frame 0", "frame 3", "frame 0", "frame 8"]


def test_absent_persons_are_not_drawn():
    x = clip(persons=2)
    x[..., 1] = 0
    figure = clip_strip(x, layout="sbu", frames=2)
    assert [len(points_of(panel)) for panel in figure.axes] == [15, 15]
    assert "person 1" not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_hidden_joints_are_grey_in_their_clip_alone():
    hidden = torch.zeros(10, 15, dtype=torch.bool)
    hidden[9, :4] = True
    figure = clip_strip({"a": clip(), "b": clip(seed=1)}, layout="sbu", frames=2, hidden={"b": hidden})
    grey = [
        sum(len(line.get_xdata()) for line in panel.lines if line.get_color() == "#c4c4c4" and line.get_marker() == "o")
        for panel in figure.axes
    ]
    assert grey == [0, 0, 0, 4]
    assert "hidden" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_nothing_is_written_and_pyplot_is_not_touched():
    x = clip()
    x.flags.writeable = False
    before = "matplotlib.pyplot" in sys.modules
    clip_strip(x, layout="sbu", axes=(0, 2, 1), flip_vertical=True)
    clip_strip(torch.ones(3, 4, 15, 1, requires_grad=True, dtype=torch.bfloat16), layout="sbu")
    assert ("matplotlib.pyplot" in sys.modules) == before


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"clip": {}}, ValueError, "clip: expected at least one clip"),
        ({"clip": {"a": np.ones((3, 2, 14, 1))}}, ValueError, r"clip\['a'\]: expected \(c, t, v=15, m\)"),
        ({"clip": np.zeros((3, 2, 15, 1))}, ValueError, "clip: expected a visible person"),
        ({"fps": 0}, ValueError, "fps: expected a number > 0"),
        ({"frames": [10]}, ValueError, "frames: expected integers in 0..9"),
        ({"hidden": np.zeros((10, 15))}, TypeError, "hidden: expected booleans, got float64"),
        ({"hidden": np.zeros((9, 15), bool)}, ValueError, r"hidden: expected \(t=10, v=15\) or"),
        ({"hidden": {"a": np.zeros((10, 15), bool)}}, TypeError, "hidden: expected .* there is one clip, got a dict"),
        ({"clip": {"a": clip()}, "hidden": np.zeros((10, 15), bool)}, TypeError, "hidden: expected a dict of"),
        ({"clip": {"a": clip()}, "hidden": {"b": np.zeros((10, 15), bool)}}, ValueError, "names, a; got b too"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, error, message):
    arguments = {"clip": clip(), "layout": "sbu", **change}
    with pytest.raises(error, match=message):
        clip_strip(arguments.pop("clip"), **arguments)


def test_it_looks_as_it_did():
    clips = {"two": waving(persons=2), "one": waving()}
    assert_looks_like(clip_strip(clips, layout="ntu-rgb+d", frames=4, title="Wave"), "clip_strip_two_clips")
    assert_looks_like(clip_strip(waving(), layout="ntu-rgb+d", color_by="part", fps=30), "clip_strip")


def test_strips_in_the_size_of_the_picture():
    x = 100 + np.random.default_rng(0).uniform(size=(2, 6, 15, 1))
    figure = clip_strip({"a": x, "b": x + 300}, layout="sbu", frames=2, image_size=(640, 480))
    assert {(panel.get_xlim(), panel.get_ylim()) for panel in figure.axes} == {((0, 640), (-480, 0))}
