"""Old names work for one more version, with a warning that names the new ones."""

import pytest
import torch

from skelblocks import augment
from skelblocks.augment import recipes

LAYOUT = "ntu-rgb+d"
PAIR = (0.25, 0.5)
ARGUMENTS = [
    (augment.RandomJointMask, {"joints": PAIR}, {"joint_ratio": PAIR}),
    (augment.RandomJointMask, {"frames": PAIR}, {"frame_ratio": PAIR}),
    (augment.RandomNoiseJoints, {"fraction": 0.04}, {"ratio": 0.04}),
    (augment.LearnableJointMask, {"shared": True}, {"same_on_batch": True}),
    (augment.MotionTemporalMask, {"most_moving": 0.1}, {"moving_ratio": 0.1}),
    (augment.MotionTemporalMask, {"kept": 0.5}, {"kept_ratio": 0.5}),
    (augment.MotionTemporalMask, {"shared": True}, {"same_on_batch": True}),
    (lambda **old: augment.CentralSpatialMask(LAYOUT, **old), {"hidden": 0.2}, {"ratio": 0.2}),
    (lambda **old: augment.CentralSpatialMask(LAYOUT, **old), {"multiset": True}, {"same_on_batch": True}),
    (lambda **old: augment.RandomRegionSwap(LAYOUT, **old), {"bodies": PAIR}, {"body_ratio": PAIR}),
    (lambda **old: augment.RandomRegionSwap(LAYOUT, **old), {"blocks": PAIR}, {"block_ratio": PAIR}),
    (lambda **old: augment.RandomRegionSwap(LAYOUT, **old), {"shared": True}, {"same_on_batch": True}),
    (lambda **old: augment.SpatioTemporalOcclusion(LAYOUT, **old), {"spatial_rate": 0.3}, {"joint_ratio": 0.3}),
    (lambda **old: augment.SpatioTemporalOcclusion(LAYOUT, **old), {"temporal_rate": 0.3}, {"frame_ratio": 0.3}),
    (lambda **old: augment.SpatioTemporalOcclusion(LAYOUT, **old), {"rate_counts": "units"}, {"ratio_counts": "units"}),
    (lambda **old: recipes.skelemix_swap(LAYOUT, **old), {"shared": True}, {"same_on_batch": True}),
    (lambda **old: recipes.skeattnclr_swap(LAYOUT, **old), {"shared": True}, {"same_on_batch": True}),
]


@pytest.mark.parametrize(
    ("make", "old", "new"), ARGUMENTS, ids=lambda value: "-".join(value) if value is dict else None
)
def test_arguments_and_attributes(make, old, new):
    (before, value), (now, _) = next(iter(old.items())), next(iter(new.items()))
    with pytest.warns(DeprecationWarning, match=f"the argument {before} is deprecated; use {now}") as caught:
        op = make(**old)
    assert caught[0].filename == __file__
    assert repr(op) == repr(make(**new))
    with pytest.warns(DeprecationWarning, match=f"the attribute {before} is deprecated; use {now}") as caught:
        assert getattr(op, before) == value
    assert caught[0].filename == __file__
    with pytest.raises(TypeError, match=f"got both {now} and its old name {before}"):
        make(**old, **new)


def test_occluded_joints_rate():
    draws, units = torch.rand(15), augment.occlusion_units("sbu")
    with pytest.warns(DeprecationWarning, match="use ratio") as caught:
        old = augment.occluded_joints(draws, units, rate=0.5, rate_counts="units")
    assert {each.filename for each in caught} == {__file__}
    assert old.equal(augment.occluded_joints(draws, units, ratio=0.5, ratio_counts="units"))


def test_neighbours():
    with pytest.warns(DeprecationWarning, match="'neighbours' is deprecated; use 'neighbors'") as caught:
        units = augment.occlusion_units("sbu", unit="neighbours")
    assert caught[0].filename == __file__
    assert units == augment.occlusion_units("sbu")
    with pytest.warns(DeprecationWarning, match="'neighbours' is deprecated; use 'neighbors'") as caught:
        op = augment.SpatioTemporalOcclusion("sbu", unit="neighbours")
    assert caught[0].filename == __file__
    assert op.unit == "neighbors"


def test_normal():
    with pytest.warns(DeprecationWarning, match=r"recipes\.normal is deprecated; use .*recipes\.weak") as caught:
        assert recipes.normal is recipes.weak
    assert caught[0].filename == __file__
    with pytest.raises(AttributeError, match="has no attribute 'strong'"):
        recipes.strong  # noqa: B018


def test_motion_temporal_mask_draws():
    x, draws = torch.randn(2, 3, 10, 5, 1), torch.rand(2, 10)
    with pytest.warns(DeprecationWarning, match="use places|with kept= are deprecated") as caught:
        y = augment.motion_temporal_mask(x, draws=draws, most_moving=2, kept=3)
    assert {each.filename for each in caught} == {__file__}
    places = draws[:, :8].argsort(dim=1)[:, :3].sort(dim=1).values
    assert y.equal(augment.motion_temporal_mask(x, places, most_moving=2))
