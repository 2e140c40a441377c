import pytest
import torch

from skelblocks import layouts, testing
from skelblocks.augment import fill_unseen

LAYOUT = layouts.get("sbu")


def reference(x, seen):
    """Joint by joint, frame by frame."""
    out = x.clone()
    n, _, t, v, m = x.shape
    for i, j, k in torch.cartesian_prod(*map(torch.arange, (n, v, m))).tolist():
        joint = j
        while not seen[i, :, joint, k].any() and joint != LAYOUT.center:
            joint = LAYOUT.parents[joint]
        sights = [frame for frame in range(t) if seen[i, frame, joint, k]] or list(range(t))
        for frame in range(t):
            before = max((s for s in sights if s <= frame), default=min(sights))
            after = min((s for s in sights if s >= frame), default=max(sights))
            share = (frame - before) / max(after - before, 1)
            start, end = x[i, :, before, joint, k], x[i, :, after, joint, k]
            out[i, :, frame, j, k] = start + share * (end - start)
    return out


def clips(n=4, c=2, t=9, m=2, share=0.3):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, c, t, 15, m, dtype=torch.float64, generator=generator)
    seen = torch.rand(n, t, 15, m, generator=generator) < share
    seen[:, :, 5:9] &= torch.rand(n, 1, 4, m, generator=generator) < 0.3  # some are never seen
    return x, seen


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_equals_the_slow_reference(share):
    x, seen = clips(share=share)
    torch.testing.assert_close(fill_unseen(x, seen, layout="sbu"), reference(x, seen))


def test_seen_joints_stay_bit_for_bit():
    x, seen = clips()
    filled = fill_unseen(x, seen, layout="sbu").movedim(1, -1)
    assert filled[seen].equal(x.movedim(1, -1)[seen])


def test_what_stands_at_unseen_joints_does_not_matter():
    x, seen = clips()
    seen[:, 0, LAYOUT.center] = True
    other = torch.where(seen[:, None], x, 1e9)
    assert fill_unseen(other, seen, layout="sbu").equal(fill_unseen(x, seen, layout="sbu"))


class TestFillUnseen(testing.BlockTester):
    def make(self):
        seen = clips(2, 2, 3, 1)[1]
        return lambda x: fill_unseen(x, seen.to(x.device), layout="sbu")

    def inputs(self):
        return (clips(2, 2, 3, 1)[0].float(),)

    test_vmap = None  # a batch has five axes


def test_wrong_inputs_say_what_was_expected():
    x, seen = clips()
    with pytest.raises(TypeError, match=r"seen: expected a torch.bool tensor, got torch.float32"):
        fill_unseen(x, seen.float(), layout="sbu")
    with pytest.raises(ValueError, match=r"seen: .* axis 't' is 8, not 9"):
        fill_unseen(x, seen[:, 1:], layout="sbu")
    with pytest.raises(ValueError, match=r"x: .* axis 'v' is 15, not 25"):
        fill_unseen(x, seen, layout="ntu-rgb+d")


def test_no_frames_stay_none():
    x = torch.zeros(2, 3, 0, 15, 1)
    assert fill_unseen(x, torch.zeros(2, 0, 15, 1, dtype=torch.bool), layout="sbu").shape == x.shape
