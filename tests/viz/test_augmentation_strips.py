import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.augment import (
    CentralSpatialMask,
    Compose,
    RandomJointMask,
    RandomRotation,
    RandomShear,
    RandomSpatialFlip,
    SpatioTemporalOcclusion,
)
from skelblocks.testing import with_cuda
from skelblocks.viz import augmentation_strips

pytest.importorskip("matplotlib")

from viz.baseline import assert_looks_like, waving


def clip(layout="sbu", *, persons=1, frames=10):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, frames, layouts.get(layout).num_joints, persons, generator=generator)


def points_of(panel, *, grey):
    dots = [
        np.stack(line.get_data(), 1)
        for line in panel.lines
        if line.get_marker() == "o" and (line.get_color() == "#c4c4c4") == grey
    ]
    return np.concatenate(dots) if dots else np.zeros((0, 2))


def sorted_rows(points):
    return np.sort(np.round(np.asarray(points), 5), axis=0)


@pytest.mark.parametrize("name", layouts.available())
def test_a_row_for_the_clip_and_one_a_transform(name, rendered):
    x = clip(name, persons=2)
    ops = {
        "shear": RandomShear(),
        "flip": RandomSpatialFlip(name, p=1.0),
        "shear and rotation": Compose([RandomShear(), RandomRotation()]),
    }
    figure = augmentation_strips(x, ops, layout=name, frames=[1, 7], seed=3, title="T")
    assert [figure.axes[i].get_ylabel() for i in (0, 2, 4, 6)] == ["original", *ops]
    assert [panel.get_xlabel() for panel in figure.axes] == [""] * 6 + ["frame 1", "frame 7"]
    results = [x, *(op(x[None], generator=torch.Generator().manual_seed(3))[0] for op in ops.values())]
    for row, y in enumerate(results):
        for column, frame in enumerate((1, 7)):
            drawn = points_of(figure.axes[2 * row + column], grey=False)
            np.testing.assert_allclose(sorted_rows(drawn), sorted_rows(y[:2, frame].flatten(1).T), atol=2e-5)
    if name == "ntu-rgb+d":
        rendered(figure)


def test_joints_that_become_zero_are_grey_where_they_were():
    x = clip(frames=4)

    def hide(clips, *, generator):
        clips[:, :, 2, :3] = 0  # in place: the copy is the transform's
        clips[:, :, 3] = 0
        return clips

    before = x.clone()
    figure = augmentation_strips(x, {"hide": hide}, layout="sbu", frames=[1, 2, 3])
    assert x.equal(before)
    grey = [points_of(panel, grey=True) for panel in figure.axes]
    assert [len(points) for points in grey] == [0, 0, 0, 0, 3, 15]
    np.testing.assert_allclose(grey[4], x[:2, 2, :3, 0].T)
    np.testing.assert_allclose(sorted_rows(grey[5]), sorted_rows(x[:2, 3, :, 0].T))
    assert "hidden" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_centred_joint_at_zero_is_not_hidden():
    x = clip()
    x[:, :, 1] = 0
    figure = augmentation_strips(x, {"shear": RandomShear()}, layout="sbu", frames=2)
    assert not any(len(points_of(panel, grey=True)) for panel in figure.axes)


def test_masks_of_the_catalogue_show_what_they_hide(rendered):
    x = clip("ntu-rgb+d", persons=2)
    x[..., 1] = 0
    ops = {"occlusion": SpatioTemporalOcclusion("ntu-rgb+d"), "joint mask": RandomJointMask()}
    figure = augmentation_strips(x, ops, layout="ntu-rgb+d", frames=5)
    for row, op in enumerate(ops.values(), start=1):
        hidden = op(x[None], generator=torch.Generator().manual_seed(0))[0, 0, ..., 0].eq(0)
        shown = [int(text.split()[1]) for text in (panel.get_xlabel() for panel in figure.axes[-5:])]
        counts = [len(points_of(panel, grey=True)) for panel in figure.axes[5 * row : 5 * row + 5]]
        assert counts == hidden[shown].sum(dim=1).tolist()
    rendered(figure)


def test_a_transform_does_not_depend_on_the_others_nor_on_the_global_generator():
    x, before = clip(), torch.get_rng_state()
    one = augmentation_strips(x, {"b": RandomRotation()}, layout="sbu", frames=2, seed=1)
    two = augmentation_strips(x, {"a": RandomShear(), "b": RandomRotation()}, layout="sbu", frames=2, seed=1)
    np.testing.assert_array_equal(points_of(one.axes[2], grey=False), points_of(two.axes[4], grey=False))
    other = augmentation_strips(x, {"b": RandomRotation()}, layout="sbu", frames=2, seed=2)
    assert not np.array_equal(points_of(one.axes[2], grey=False), points_of(other.axes[2], grey=False))
    assert torch.get_rng_state().equal(before)


def test_another_number_of_frames_has_times_of_its_own(rendered):
    figure = augmentation_strips(clip(), {"half": lambda x, generator: x[:, :, ::2]}, layout="sbu", frames=3, fps=10)
    labels = [panel.get_xlabel() for panel in figure.axes]
    assert labels == ["0.00 s", "0.40 s", "0.90 s", "0.00 s", "0.20 s", "0.40 s"]
    rendered(figure)


@with_cuda
def test_on_cuda_the_generator_is_on_the_clips_device():
    figure = augmentation_strips(clip().cuda(), {"shear": RandomShear()}, layout="sbu", frames=2)
    assert len(figure.axes) == 4


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"transforms": {}}, ValueError, "transforms: expected at least one"),
        ({"transforms": {"original": RandomShear()}}, ValueError, "expected other names than 'original'"),
        (
            {"transforms": {"keep": CentralSpatialMask("sbu")}},
            TypeError,
            r"transforms\['keep'\]: .* torch.int64; .* mask",
        ),
        ({"transforms": {"no": lambda x, generator: None}}, TypeError, r"gives clips, got NoneType"),
        ({"transforms": {"cut": lambda x, generator: x[:, :2]}}, ValueError, r"transforms\['cut'\]\(clip\): .* c=3"),
        (
            {"transforms": {"none": lambda x, generator: x[:, :, :5] * 0}},
            ValueError,
            r"\['none'\]\(clip\): expected a",
        ),
        ({"clip": torch.zeros(3, 10, 15)}, ValueError, r"clip: expected 4 axes \(c, t, v=15, m\)"),
        ({"clip": torch.ones(3, 10, 15, 1, dtype=torch.long)}, TypeError, "clip: expected a floating-point"),
        ({"clip": np.ones((3, 10, 15, 1))}, TypeError, "clip: expected a tensor"),
        ({"fps": 0}, ValueError, "fps: expected"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, error, message):
    arguments = {"clip": clip(), "transforms": {"shear": RandomShear()}, "layout": "sbu", **change}
    with pytest.raises(error, match=message):
        augmentation_strips(arguments.pop("clip"), arguments.pop("transforms"), **arguments)


def test_it_looks_as_it_did():
    x = torch.from_numpy(waving()).float()

    def lean(clips, *, generator):
        clips[:, 0] += 0.4 * clips[:, 1]
        return clips

    def hide(clips, *, generator):
        clips[:, :, 3:, 4:12] = 0
        return clips

    figure = augmentation_strips(x, {"lean": lean, "hide": hide}, layout="ntu-rgb+d", frames=4, title="Wave")
    assert_looks_like(figure, "augmentation_strips")
