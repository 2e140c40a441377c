from pathlib import Path

import numpy as np
import pytest
import torch

from skelblocks import layouts, testing
from skelblocks.augment import (
    BoneLengthsParams,
    RandomBoneLengths,
    RandomSkeletonMix,
    RegionSwapParams,
    SkeletonMixParams,
    actionlet_mix,
    bone_lengths,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "actclr_f64.npz"
CLOSE = {"rtol": 1e-9, "atol": 1e-10}
WAYS = {"cut": 0.0, "resize": 0.6, "blend": 0.9}


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


def shortened(clips):
    """Frames summed with the weights 1, 2, ..., as in the golden file."""
    return (clips * torch.arange(1.0, clips.shape[2] + 1, dtype=torch.float64)[:, None, None]).sum(dim=2)


def clips(n=3, t=12, v=15, m=2):
    x = torch.randn(n, 3, t, v, m, generator=torch.Generator().manual_seed(0)).double()
    x[0, ..., 1] = 0
    return x


class TestActionletMix(testing.BlockTester):
    autocast_exact = True

    def make(self):
        return actionlet_mix

    def inputs(self):
        return torch.randn(2, 3, 8, 5, 2), torch.randn(2, 3, 8, 5, 2), torch.rand(2, 2, 1, 3, 5)

    def gradient_inputs(self):
        return torch.randn(1, 3, 4, 3, 2), torch.randn(1, 3, 4, 3, 2), torch.rand(1, 2, 1, 2, 3)


def test_mix_equals_the_slow_loop():
    x, y, mask = clips(), clips().flip(0), torch.rand(3, 2, 1, 4, 15).double()
    expected = torch.zeros_like(x)
    for frame in range(12):
        at = frame * 3 / 11  # the first frames of clip and map coincide, and the last ones
        low = min(int(at), 2)
        for n in range(3):
            for m in range(2):
                weight = mask[n, m, 0, low] * (low + 1 - at) + mask[n, m, 0, low + 1] * (at - low)
                expected[n, :, frame, :, m] = weight * x[n, :, frame, :, m] + (1 - weight) * y[n, :, frame, :, m]
    torch.testing.assert_close(actionlet_mix(x, y, mask), expected)


def test_mix_equals_the_released_code(golden):
    x = golden["x"].double()
    torch.testing.assert_close(shortened(actionlet_mix(x, x.flip(0), golden["mix_mask"])), golden["mix"], **CLOSE)


def test_mix_refuses_wrong_arguments():
    x, mask = clips(), torch.rand(3, 2, 1, 4, 15)
    with pytest.raises(ValueError, match=r"outside: expected .* axis 't' is 11, not 12"):
        actionlet_mix(x, x[:, :, :-1], mask)
    with pytest.raises(
        ValueError, match=r"mask: expected \(n=3, m=2, one=1, b, v=15\), got shape \(3, 2, 4, 15\)|5 axes"
    ):
        actionlet_mix(x, x, mask[:, :, 0])
    with pytest.raises(TypeError, match=r"mask: expected a floating-point tensor, got torch\.bool"):
        actionlet_mix(x, x, mask > 0.5)


@pytest.mark.parametrize("way", WAYS)
def test_skeleton_mix_equals_the_released_code(way, golden):
    x, inside = golden["x"].double(), golden[f"{way}/inside"]
    mixing = RandomSkeletonMix("ntu-rgb+d", same_on_batch=True, on_absent_persons=True)
    partner = golden[f"{way}/partner"]
    if way == "blend":
        region, share = mixing.region.sample(x.shape)._replace(partner=partner), inside[0, 0]
    else:
        rows, joints = (inside > 0).any(dim=1), (inside > 0).any(dim=0)
        bodies = torch.tensor([all(joints[list(body.joints)]) for body in layouts.get("ntu-rgb+d").bodies])
        start, length = rows.double().argmax(), rows.sum()
        region = RegionSwapParams(partner, bodies.expand(3, 5), start.expand(3), length.expand(3))
        share = torch.zeros((), dtype=torch.float64)
    drawn = SkeletonMixParams(region, torch.full((3,), WAYS[way]), share.expand(3))
    mixed = mixing.transform(x, drawn)
    torch.testing.assert_close(shortened(mixed.clips), golden[way], **CLOSE)
    torch.testing.assert_close(mixed.own, (1 - inside).expand(3, 6, 25))
    other = golden["resize/other"] if way == "resize" else inside
    torch.testing.assert_close(mixed.other, other.expand(3, 6, 25))


def slow_resize(x, drawn, layout, stride):
    """The partner's first frames at double speed, frame by frame."""
    y = x.clone()
    n, _, t, _, m = x.shape
    for i in range(n):
        partner, length = int(drawn.partner[i]), int(drawn.length[i]) * stride
        start = int(drawn.start[i]) * stride
        taken = min(2 * length, t)
        for frame in range(start, min(start + length, t)):
            source = (frame - start) * taken // length
            for body, group in enumerate(layout.bodies):
                for person in range(m):
                    there = bool(x[i, ..., person].any()) and bool(x[partner, ..., person].any())
                    if drawn.bodies[i, body] and there:
                        y[i, :, frame, group.joints, person] = x[partner, :, source][:, group.joints, person]
    return y


def test_resize_equals_the_slow_loop():
    x, layout = clips(n=4, t=14), layouts.get("sbu")
    mixing = RandomSkeletonMix(layout, cut=0.0, resize=1.0, block_ratio=(0.5, 1.0))
    drawn = mixing.sample(x.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(mixing.transform(x, drawn).clips, slow_resize(x, drawn.region, layout, 4))


def test_the_three_ways_have_their_shares_and_clips_their_own_draws():
    x = torch.randn(400, 3, 8, 15, 1)
    drawn = RandomSkeletonMix("sbu").sample(x.shape, generator=torch.Generator().manual_seed(0))
    shares = [(drawn.way < 0.5).float().mean(), (drawn.way >= 0.75).float().mean()]
    assert abs(shares[0] - 0.5) < 0.08
    assert abs(shares[1] - 0.25) < 0.08
    assert len(drawn.share.unique()) > 300
    together = RandomSkeletonMix("sbu", same_on_batch=True).sample(x.shape)
    assert len(together.way.unique()) == len(together.share.unique()) == 1


def test_own_and_other_say_what_is_seen():
    x = torch.cat([torch.full((1, 3, 16, 15, 1), 1.0), torch.full((1, 3, 16, 15, 1), 2.0)])
    for seed in range(20):
        mixed = RandomSkeletonMix("sbu")(x, generator=torch.Generator().manual_seed(seed))
        for i, clip in enumerate(mixed.clips):
            share = (clip[0, :, :, 0] - x[i, 0, 0, 0, 0]).abs().view(4, 4, 15).mean(dim=1)  # of the partner, by block
            torch.testing.assert_close(1 - mixed.own[i], share)
            assert (mixed.other[i] >= share - 1e-6).all()  # at double speed more of the partner is seen


@pytest.mark.parametrize("on_absent_persons", [False, True])
def test_bone_lengths_equal_the_slow_loop(on_absent_persons):
    x, partner, layout = clips(), torch.tensor([1, 2, 0]), layouts.get("sbu")
    expected = x.clone()
    depth = {layout.center: 0}
    while len(depth) < layout.num_joints:
        depth |= {v: depth[p] + 1 for v, p in enumerate(layout.parents) if p in depth and v not in depth}
    for n in range(3):
        for m in range(2):
            absent = not x[n, ..., m].any() or not x[partner[n], ..., m].any()
            if absent and not on_absent_persons:
                continue
            for v in sorted(depth, key=depth.__getitem__)[1:]:
                parent = layout.parents[v]
                own = x[n, :, :, v, m] - x[n, :, :, parent, m]
                other = x[partner[n], :, :, v, m] - x[partner[n], :, :, parent, m]
                ratio = ((other**2).sum(0) + 1e-5).sqrt() / ((own**2).sum(0) + 1e-5).sqrt()
                expected[n, :, :, v, m] = expected[n, :, :, parent, m] + own * ratio
    y = bone_lengths(x, partner, layout=layout, on_absent_persons=on_absent_persons)
    torch.testing.assert_close(y, expected)
    assert y[0, ..., 1].equal(x[0, ..., 1])


def test_bone_lengths_equal_the_released_code(golden):
    x, partner = golden["x"].double(), torch.tensor([1, 2, 0])  # of three clips it always shifts by one
    y = RandomBoneLengths("ntu-rgb+d", on_absent_persons=True).transform(x, BoneLengthsParams(partner))
    torch.testing.assert_close(shortened(y), golden["bones"], **CLOSE)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"cut, resize: expected at most 1 together, got 0.8 \+ 0.3"):
        RandomSkeletonMix("sbu", cut=0.8, resize=0.3)
    with pytest.raises(ValueError, match=r"cut: expected a probability in \[0, 1\], got -0.1"):
        RandomSkeletonMix("sbu", cut=-0.1)
    with pytest.raises(ValueError, match=r"shape: expected n >= 2 clips, to pair each with another, got n=1"):
        RandomBoneLengths("sbu")(clips(n=1))
    with pytest.raises(TypeError, match=r"partner: expected a torch.int64 tensor"):
        bone_lengths(clips(), torch.zeros(3), layout="sbu")
    with pytest.raises(ValueError, match=r"c of 2 or 3"):
        bone_lengths(torch.randn(2, 4, 5, 15, 1), torch.tensor([1, 0]), layout="sbu")


def test_repr():
    assert "RandomSkeletonMix(\n  cut=0.5, resize=0.25" in repr(RandomSkeletonMix("sbu"))
    assert repr(RandomBoneLengths("sbu")) == "RandomBoneLengths('sbu', on_absent_persons=False)"
