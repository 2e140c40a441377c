"""Remedies for tensors of other axes: each one mends the tensor that it is about."""

import re

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import nn

from skelblocks._utils.axis_remedies import axis_remedy, type_remedy
from skelblocks._utils.checks import check_axes, check_choice
from skelblocks.contrast import MomentumQueue
from skelblocks.encoders import pool

CLIPS = torch.randn(4, 3, 12, 15, 2)
AXES = ["n", "c", "t", "v", "m"]
ONE = CLIPS[..., :1]


@pytest.mark.parametrize("sizes", [{"c": 3, "v": 15}, {"v": 15}])
@pytest.mark.parametrize(
    ("x", "clips"),
    [
        (rearrange(CLIPS, "n c t v m -> n m t v c"), CLIPS),
        (rearrange(CLIPS, "n c t v m -> n t v c m"), CLIPS),
        (CLIPS[..., 0], ONE),
        (CLIPS[0], CLIPS[:1]),
        (rearrange(CLIPS[..., 0], "n c t v -> n t v c"), ONE),
        (CLIPS[0, ..., 0], ONE[:1]),
        (rearrange(CLIPS[0, ..., 0], "c t v -> t v c"), ONE[:1]),
    ],
)
def test_clips_in_other_axes(x, clips, sizes):
    if x.ndim == 5 and x.shape[3] == 15:  # only the number of coordinates tells
        sizes = {"c": 3, "v": 15}
    with pytest.raises(ValueError, match="x: expected") as error:
        check_axes(x, "n c t v m", name="x", **sizes)
    remedy = re.search(r"(?:call einops\.|pass )(.*)$", str(error.value))[1]
    assert eval(remedy, {"x": x, "rearrange": rearrange}).equal(clips)


def test_clips_of_other_joints_and_coordinates():
    assert "layout of these 17 joints" in axis_remedy((4, 3, 12, 17, 2), AXES, {"v": 25}, name="x")
    assert "in_channels=2" in axis_remedy((4, 2, 12, 25, 2), AXES, {"c": 3, "v": 25}, name="x")
    assert "pass x[:, :2]" in axis_remedy((4, 3, 12, 25, 2), AXES, {"c": 2, "v": 25}, name="x")


def test_feature_maps_and_matrices():
    feature_map = torch.randn(4, 2, 8, 3, 15)
    with pytest.raises(ValueError, match=r"feature map \(n, m, c, t, v\), pass pool\(query\)"):
        check_axes(feature_map, "n d", name="query")
    check_axes(pool(feature_map), "n d", name="query")
    with pytest.raises(ValueError, match=r"axis 'd' is 32, not 8; if its axes are exchanged, pass bank\.T"):
        check_axes(torch.zeros(8, 32), "k d", name="bank", d=8)
    with pytest.raises(ValueError, match=r"axis 'd' is 16, not 8$"):
        check_axes(torch.zeros(32, 16), "k d", name="bank", d=8)
    x = torch.randn(2, 4, 15, 64)
    with pytest.raises(ValueError, match="if its channels are last, call einops") as error:
        check_axes(x, "... c t v", name="x", c=64, v=15)
    assert eval(str(error.value).rpartition("einops.")[2], {"x": x, "rearrange": rearrange}).shape == (2, 64, 4, 15)
    with pytest.raises(ValueError, match="build the block for 8 channels"):
        check_axes(torch.zeros(2, 8, 4, 15), "... c t v", name="x", c=64, v=15)
    with pytest.raises(ValueError, match="layout of these 15 joints"):
        check_axes(torch.zeros(2, 8, 4, 15), "... c t v", name="x", c=8, v=25)


@pytest.mark.parametrize("x", [np.zeros((2, 3)), [torch.zeros(3), torch.zeros(3)], [[0.0, 0.0, 0.0]] * 2])
def test_what_is_no_tensor(x):
    remedy = type_remedy(x, name="x").removeprefix("; convert it with ")
    assert eval(remedy, {"torch": torch, "x": x}).shape == (2, 3)


def test_modules_are_no_tensors():
    with pytest.raises(TypeError, match=r"bank: expected a tensor, got MomentumQueue; .* queue\.bank"):
        check_axes(MomentumQueue(8, size=4), "k d", name="bank")
    with pytest.raises(TypeError, match="x: expected a tensor, got Linear; call the module"):
        check_axes(nn.Linear(2, 2), "n d", name="x")


def test_choices_that_are_misspelled():
    with pytest.raises(ValueError, match=r"got 'bones' \(did you mean 'bone'\?\)"):
        check_choice("bones", ("joint", "bone", "motion"), name="stream")
    with pytest.raises(ValueError, match=r"got 7$"):
        check_choice(7, ("joint", 3), name="stream")
