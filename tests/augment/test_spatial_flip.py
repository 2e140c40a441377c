import pytest
import torch

from skelblocks import layouts
from skelblocks.augment import RandomSpatialFlip, SpatialFlipParams, spatial_flip


@pytest.mark.parametrize("layout", layouts.available())
@pytest.mark.parametrize("mirror_axis", [None, 0, 1, 2])
def test_equals_the_slow_reference_and_is_an_involution(layout, mirror_axis):
    swap = layouts.get(layout).swap
    x = torch.randn(2, 3, 4, len(swap), 2)
    y = spatial_flip(x, layout=layout, mirror_axis=mirror_axis)
    expected = torch.stack([x[:, :, :, joint] for joint in swap], dim=3)
    if mirror_axis is not None:
        expected[:, mirror_axis] = -expected[:, mirror_axis]
    assert y.equal(expected)
    assert spatial_flip(y, layout=layout, mirror_axis=mirror_axis).equal(x)
    assert RandomSpatialFlip(layout, p=1.0, mirror_axis=mirror_axis)(x).equal(y)


def test_equals_the_official_code(official, assert_golden):
    assert list(layouts.get("ntu-rgb+d").swap) == official["spatial_flip/order"].tolist()
    module = RandomSpatialFlip("ntu-rgb+d")
    params = SpatialFlipParams(torch.zeros(1))
    assert_golden(lambda x: module.transform(x, params), official["x"], official["spatial_flip/out"])


@pytest.mark.parametrize("mirror_axis", [None, 1])
def test_only_the_chosen_clips_are_flipped(mirror_axis):
    x, flipped = torch.randn(3, 3, 4, 20, 1), torch.tensor([True, False, True])
    y = spatial_flip(x, flipped, layout="nw-ucla", mirror_axis=mirror_axis)
    assert y[1].equal(x[1])
    assert y[::2].equal(spatial_flip(x[::2], layout="nw-ucla", mirror_axis=mirror_axis))


def test_only_a_mirrored_flip_is_a_mirror_image():
    """A turned-over skeleton has its hands at mirrored places; a relabelled one has them where they were."""
    x = torch.zeros(1, 3, 1, 25, 1)
    x[0, 0, 0, 7], x[0, 0, 0, 11] = 0.3, -0.5  # the left hand at x = 0.3, the right one at -0.5
    relabelled, mirrored = (spatial_flip(x, layout="ntu-rgb+d", mirror_axis=axis)[0, 0, 0] for axis in (None, 0))
    assert (relabelled[7], relabelled[11]) == (-0.5, 0.3)
    assert (mirrored[7], mirrored[11]) == (0.5, -0.3)


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((2, 3, 5, 20, 1), {}, r"x: .* axis 'v' is 20, not 25"),
        ((3, 5, 25, 1), {}, r"x: expected 5 axes \(n, c, t, v=25, m\)"),
        ((2, 3, 5, 25, 1), {"flipped": torch.ones(1).bool()}, r"flipped: .* axis 'n' is 1, not 2"),
        ((2, 3, 5, 25, 1), {"flipped": torch.ones(2, 1).bool()}, r"flipped: expected 1 axes \(n=2\)"),
        ((2, 3, 5, 25, 1), {"mirror_axis": 3}, "mirror_axis: expected one of None, 0, 1, 2, got 3"),
        ((2, 2, 5, 25, 1), {"mirror_axis": 2}, "mirror_axis: expected one of the 2 channels of x, got 2"),
    ],
)
def test_wrong_arguments_say_what_was_expected(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        spatial_flip(torch.zeros(shape), layout="ntu-rgb+d", **arguments)


def test_takes_the_users_own_layout_and_refuses_an_unknown_one():
    own = {"name": "arms", "joints": ["body", "left", "right"], "edges": [[1, 0], [2, 0]], "center": 0}
    own |= {"swap": [0, 2, 1], "parts": {"all": [0, 1, 2]}, "bodies": {"all": [0, 1, 2]}}
    x = torch.randn(1, 3, 2, 3, 1)
    assert RandomSpatialFlip(own, p=1.0)(x).equal(x[:, :, :, [0, 2, 1]])
    with pytest.raises(ValueError, match="no layout is named 'kinect'"):
        RandomSpatialFlip("kinect")
    with pytest.raises(ValueError, match="mirror_axis"):
        RandomSpatialFlip("nw-ucla", mirror_axis=-1)


def test_repr():
    assert repr(RandomSpatialFlip("nw-ucla")) == "RandomSpatialFlip('nw-ucla', p=0.5, mirror_axis=None)"
