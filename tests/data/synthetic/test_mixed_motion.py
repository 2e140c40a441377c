import itertools

import pytest
import torch

from skelblocks import layouts
from skelblocks.data import mixed_motion, motion_batches, synthetic_motion

LAYOUT = layouts.get("ntu-rgb+d")


def test_a_clip_depends_on_its_number_and_the_seed_alone():
    x = mixed_motion(torch.arange(6))
    assert x[4:5].equal(mixed_motion(torch.tensor([4])))
    assert not x[4:5].equal(mixed_motion(torch.tensor([4]), seed=1))
    assert len(x.flatten(1).unique(dim=0)) == 6


def test_another_layout_shows_the_same_motion():
    x, y = (mixed_motion(torch.arange(4), layout=name, noise=0.0, occlusion=0.0) for name in ("ntu-rgb+d", "coco-17"))
    for joint in ("wrist_left", "knee_right"):
        torch.testing.assert_close(x[:, :, :, LAYOUT.index(joint)], y[:, :, :, layouts.get("coco-17").index(joint)])


def test_bones_keep_their_lengths_in_a_clip():
    x = mixed_motion(torch.arange(8), noise=0.0, occlusion=0.0)
    ends = [("elbow_left", "wrist_left"), ("knee_right", "ankle_right"), ("hip_left", "knee_left")]
    a, b = torch.tensor([[LAYOUT.index(joint) for joint in pair] for pair in ends]).T
    lengths = (x[:, :, :, a] - x[:, :, :, b]).norm(dim=1)
    torch.testing.assert_close(lengths, lengths[:, :1].expand(lengths.shape), rtol=1e-3, atol=1e-4)


def test_motion_is_more_varied_than_that_of_the_classes():
    """Poses need more directions to be described."""

    def directions(x):
        poses = (x - x[:, :, :, 20:21]).permute(0, 2, 1, 3, 4).flatten(2).flatten(0, 1)
        share = torch.linalg.svdvals(poses - poses.mean(dim=0)).square()
        share = share / share.sum()
        return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))

    classes = synthetic_motion(classes=60, subjects=2, views=1, noise=0.0, occlusion=0.0).x[:64]
    assert directions(mixed_motion(torch.arange(64), mixed=1.0, noise=0.0, occlusion=0.0)) > 1.1 * directions(classes)
    assert directions(mixed_motion(torch.arange(64), noise=0.0, occlusion=0.0, mixed=1.0, variety=0.0)) > directions(
        classes
    )


def test_clips_that_follow_a_class_differ_from_those_that_do_not():
    numbers = torch.arange(200)
    classes, mixed, both = (mixed_motion(numbers, frames=4, mixed=share) for share in (0.0, 1.0, 0.25))
    is_mixed = (both == mixed).flatten(1).all(dim=1)
    assert is_mixed.logical_xor((both == classes).flatten(1).all(dim=1)).all()
    assert 0.15 < is_mixed.float().mean() < 0.35


def test_batches_go_on_without_end_and_from_any_place():
    first = list(itertools.islice(motion_batches(batch_size=3, layout="sbu", seed=5), 4))
    assert torch.cat(first).equal(mixed_motion(torch.arange(12), layout="sbu", seed=5))
    assert next(motion_batches(batch_size=3, layout="sbu", seed=5, start=2)).equal(first[2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mixed_motion([0, 1]), TypeError, r"numbers: expected integers \(n\) as a tensor, got \[0, 1\]"),
        (lambda: mixed_motion(torch.zeros(2)), TypeError, "numbers: expected integers"),
        (lambda: mixed_motion(torch.tensor([-1])), ValueError, "numbers: expected integers from 0, got -1"),
        (lambda: mixed_motion(torch.arange(2), frames=0), ValueError, "frames: expected an integer >= 1, got 0"),
        (lambda: mixed_motion(torch.arange(2), variety=-1), ValueError, "variety: expected a finite number >= 0"),
        (lambda: next(motion_batches(batch_size=0)), ValueError, "batch_size: expected an integer >= 1, got 0"),
        (lambda: mixed_motion(torch.arange(2), layout="hand-21"), ValueError, "layout: expected joints that the body"),
    ],
)
def test_wrong_arguments_say_what_was_expected(call, error, message):
    with pytest.raises(error, match=message):
        call()
