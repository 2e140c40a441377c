import pytest
import torch

from skelblocks import layouts
from skelblocks.augment import LayoutViews, LayoutViewsParams, layout_round_trip, layout_views

FORMATS = ("ntu-rgb+d", "coco-17", "h36m-17")
BODIES = [name for name in layouts.available() if name != "hand-21"]


@pytest.mark.parametrize("layout", BODIES)
@pytest.mark.parametrize("through", FORMATS)
def test_equals_remapping_there_and_back(layout, through):
    x = torch.randn(2, 3, 4, layouts.get(layout).num_joints, 2, dtype=torch.float64)
    there, _ = layouts.remap(x, source=layout, target=through, missing="nearest")
    expected, computed = layouts.remap(there, source=through, target=layout, missing="nearest")
    weights = layout_round_trip(layout, through).expand(2, -1, -1)
    same = layout == through
    torch.testing.assert_close(layout_views(x, weights), x if same else expected, rtol=1e-6, atol=1e-6)
    zeroed = layout_views(x, layout_round_trip(layout, through, lost="zero").expand(2, -1, -1))
    lost = torch.zeros_like(computed) if same else computed
    torch.testing.assert_close(zeroed, (x if same else expected) * ~lost[:, None], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layout", BODIES)
@pytest.mark.parametrize("lost", ["fill", "zero"])
def test_every_clip_gets_the_view_that_was_drawn(layout, lost):
    formats = LayoutViews(layout, through=FORMATS, lost=lost)
    x = torch.randn(3, 2, 4, layouts.get(layout).num_joints, 1)
    y = formats.transform(x, LayoutViewsParams(torch.tensor([2, 0, 1])))
    for clip, through in enumerate(("h36m-17", "ntu-rgb+d", "coco-17")):
        weights = layout_round_trip(layout, through, lost=lost)[None]
        torch.testing.assert_close(y[clip : clip + 1], layout_views(x[clip : clip + 1], weights))


def test_the_own_layout_leaves_a_clip_as_it_is():
    x = torch.randn(4, 3, 5, 25, 2)
    assert LayoutViews("ntu-rgb+d", through=["ntu-rgb+d"])(x).equal(x)


def test_measured_joints_are_copied_and_a_body_that_moves_moves_as_a_whole():
    layout = layouts.get("ntu-rgb+d")
    x = torch.randn(2, 3, 5, 25, 1)
    y = layout_views(x, layout_round_trip(layout, "coco-17").expand(2, -1, -1))
    for joint in ("elbow_left", "knee_right", "wrist_right"):
        assert y[:, :, :, layout.index(joint)].equal(x[:, :, :, layout.index(joint)])
    moved = layout_views(x + 5, layout_round_trip(layout, "coco-17").expand(2, -1, -1))
    torch.testing.assert_close(moved, y + 5, rtol=0, atol=1e-5)


def test_formats_are_equally_likely(generator):
    choice = LayoutViews("ntu-rgb+d").sample((3000, 3, 8, 25, 1), generator=generator).choice
    assert ((choice.bincount(minlength=3) / 3000 - 1 / 3).abs() < 0.04).all()


def test_matrices_are_no_state_and_follow_the_dtype_of_the_clips():
    formats = LayoutViews("nw-ucla")
    assert not formats.state_dict()
    assert formats(torch.randn(2, 3, 4, 20, 1, dtype=torch.float64)).dtype == torch.float64
    assert repr(formats) == "LayoutViews('nw-ucla', through=['ntu-rgb+d', 'coco-17', 'h36m-17'], lost='fill')"


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: LayoutViews("nw-ucla", through="coco-17"), TypeError, "through: expected a list of layouts"),
        (lambda: LayoutViews("nw-ucla", through=[]), ValueError, "through: expected at least one layout"),
        (lambda: LayoutViews("nw-ucla", lost="keep"), ValueError, "lost: expected one of 'fill', 'zero', got 'keep'"),
        (
            lambda: LayoutViews("hand-21"),
            ValueError,
            "through: expected a format with joints of 'hand-21', got 'ntu-rgb\\+d'",
        ),
        (lambda: LayoutViews("nw-ucla")(torch.zeros(1, 3, 4, 25, 1)), ValueError, "axis 'v' is 25, not 20"),
        (
            lambda: layout_views(torch.zeros(2, 3, 4, 25, 1), torch.zeros(1, 25, 25)),
            ValueError,
            "weights: .* axis 'n' is 1, not 2",
        ),
    ],
)
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
