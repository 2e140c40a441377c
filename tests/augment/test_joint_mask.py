import pytest
import torch

from skelblocks.augment import JointMaskParams, RandomJointMask, joint_mask


def chosen(size, index):
    return torch.zeros(1, size, dtype=torch.bool).index_fill(1, index, True)


def test_hides_exactly_the_chosen_joints_in_the_chosen_frames():
    x = torch.randn(1, 3, 6, 5, 2)
    y = joint_mask(x, chosen(5, torch.tensor([1, 4])), chosen(6, torch.tensor([0, 2, 3])))
    for t in range(6):
        for v in range(5):
            hidden = t in (0, 2, 3) and v in (1, 4)
            assert y[:, :, t, v].equal(torch.zeros(1, 3, 2) if hidden else x[:, :, t, v])


def test_equals_the_official_code(ascal, assert_golden):
    params = JointMaskParams(chosen(25, ascal["ascal_joints"]), chosen(50, ascal["ascal_frames"]))
    assert_golden(lambda x: RandomJointMask().transform(x, params), ascal["x"], ascal["ascal_out"])


@pytest.mark.parametrize(
    ("t", "v", "frames", "joints"),
    [(50, 25, (20, 50), (5, 15)), (64, 20, (26, 64), (4, 12)), (16, 15, (6, 16), (3, 9))],
)
def test_counts_fill_their_range_and_scale_with_the_skeleton_and_the_length(t, v, frames, joints, generator):
    params = RandomJointMask().sample((3000, 3, t, v, 2), generator=generator)
    for mask, size, (low, high) in ((params.frames, t, frames), (params.joints, v, joints)):
        counts = mask.sum(dim=1).bincount(minlength=size + 1)
        assert (counts.nonzero().flatten() == torch.arange(low, high + 1)).all()
        expected = 3000 / (high - low + 1)
        assert ((counts[low : high + 1] - expected).abs() < 6 * expected**0.5).all()
        often = mask.float().mean(dim=0)  # no place is favored
        assert (often - often.mean()).abs().max() < 0.05


def test_a_nan_under_the_mask_is_hidden_too():
    x = torch.full((1, 3, 4, 5, 1), torch.nan)
    everywhere = torch.ones(1, 5, dtype=torch.bool), torch.ones(1, 4, dtype=torch.bool)
    assert (joint_mask(x, *everywhere) == 0).all()


@pytest.mark.parametrize(
    ("joints", "frames", "message"),
    [
        ((2, 24), (2, 5), r"joints: .* axis 'v' is 24, not 25"),
        ((1, 25), (2, 5), r"joints: .* axis 'n' is 1, not 2"),
        ((25,), (2, 5), r"joints: expected 2 axes \(n=2, v=25\)"),
        ((2, 25), (2, 6), r"frames: .* axis 't' is 6, not 5"),
        ((2, 25), (1, 5), r"frames: .* axis 'n' is 1, not 2"),
        ((2, 25), (5,), r"frames: expected 2 axes \(n=2, t=5\)"),
    ],
)
def test_wrong_shapes_say_what_was_expected(joints, frames, message):
    with pytest.raises(ValueError, match=message):
        joint_mask(torch.zeros(2, 3, 5, 25, 1), torch.zeros(joints).bool(), torch.zeros(frames).bool())
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
        joint_mask(torch.zeros(2, 3, 5, 25), torch.zeros(2, 25).bool(), torch.zeros(2, 5).bool())


@pytest.mark.parametrize("bad", [(-0.1, 0.5), (0.5, 1.2), (0.6, 0.4)])
def test_ratios_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match="joint_ratio: expected two ratios"):
        RandomJointMask(bad)
    with pytest.raises(ValueError, match="frame_ratio: expected two ratios"):
        RandomJointMask(frame_ratio=bad)


def test_repr():
    assert repr(RandomJointMask()) == "RandomJointMask(joint_ratio=(0.2, 0.6), frame_ratio=(0.4, 1.0))"
