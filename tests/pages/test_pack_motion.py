import numpy as np
import pytest
import torch

from skelblocks.data import synthetic_motion
from skelblocks.pages import pack_motion, unpack, unpack_motion


def half_steps(clips):
    """Half a step of each clip: the longest side of its box, over the joints of present persons, in 1,023 steps."""
    present = (clips != 0).any(dim=1, keepdim=True).any(dim=3, keepdim=True).expand_as(clips)
    low = torch.where(present, clips, torch.inf).amin(dim=(2, 3, 4))
    high = torch.where(present, clips, -torch.inf).amax(dim=(2, 3, 4))
    return (high - low).amax(dim=1) / 1023 / 2


def clips(n=4, c=3, t=10, v=15, m=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = (
        torch.randn(n, c, t, v, m, generator=generator)
        * torch.tensor([0.01, 1.0, 500.0, 3.0])[:n, None, None, None, None]
    )
    x[1, :, 5:, :, 1] = 0  # a person who leaves
    x[2, :, :3, :, 0] = 0  # a person who comes later
    return x


@pytest.mark.parametrize("c", [2, 3])
def test_no_coordinate_moves_by_more_than_half_a_step(c):
    x = clips(c=c)
    moved = (unpack_motion(pack_motion(x, layout="sbu")) - x).abs().amax(dim=(1, 2, 3, 4))
    assert (moved <= half_steps(x) * 1.001).all()
    assert (moved > 0).all()


def test_absent_persons_stay_absent():
    found = unpack_motion(pack_motion(clips(), layout="sbu"))
    assert not found[1, :, 5:, :, 1].any()
    assert not found[2, :, :3, :, 0].any()


def test_an_empty_clip_and_a_point_come_back():
    x = torch.zeros(2, 3, 4, 15, 1)
    x[1] = 7.0
    torch.testing.assert_close(unpack_motion(pack_motion(x, layout="sbu")), x)


def test_long_clips_keep_every_kth_frame():
    x = clips(t=20)
    data = pack_motion(x, layout="sbu", frames=8)
    assert unpack(data["motion"])["every"] == 3
    moved = (unpack_motion(data) - x[:, :, ::3]).abs().amax(dim=(1, 2, 3, 4))
    assert (moved <= half_steps(x[:, :, ::3]) * 1.001).all()


def test_seen_joints_are_kept():
    seen = torch.rand(4, 10, 15, 2, generator=torch.Generator().manual_seed(0)) < 0.5
    bits = unpack(pack_motion(clips(), layout="sbu", seen=seen)["motion-seen"])
    found = np.unpackbits(bits, axis=-1, count=10, bitorder="little").astype(bool)
    np.testing.assert_array_equal(found, seen.permute(0, 3, 2, 1).numpy())


def test_two_thousand_clips_of_one_person_take_at_most_twelve_megabytes():
    motion = synthetic_motion("ntu-rgb+d", classes=10, subjects=5, views=1, frames=64, seed=0)
    size = sum(len(packed.text) for packed in pack_motion(motion.x[:, ..., :1], layout="ntu-rgb+d").values())
    assert size / len(motion.x) * 2000 < 11e6  # and a megabyte for the rest of a page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clips": torch.zeros(1, 3, 4, 20, 1)}, "clips: expected the 15 joints of layout 'sbu', got 20"),
        ({"clips": torch.zeros(3, 4, 15, 1)}, "clips: expected"),
        ({"clips": torch.zeros(0, 3, 4, 15, 1)}, "at least one clip"),
        ({"clips": torch.full((1, 3, 4, 15, 1), torch.nan)}, "finite"),
        ({"seen": torch.ones(1, 4, 15, 1)}, "seen: expected booleans"),
        ({"frames": 0}, "frames"),
        ({"layout": "nothing"}, "nothing"),
    ],
)
def test_wrong_input(changes, message):
    arguments = {"clips": torch.ones(1, 3, 4, 15, 1), "layout": "sbu", **changes}
    with pytest.raises(ValueError, match=message):
        pack_motion(arguments.pop("clips"), **arguments)
