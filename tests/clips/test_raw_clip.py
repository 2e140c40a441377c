"""A raw clip tells which joints and which persons are seen."""

import numpy as np

from skelblocks.clips import RawClip


def test_a_mask_of_persons_covers_all_their_joints() -> None:
    seen = np.array([[True, False], [True, True]])
    clip = RawClip("", np.ones((2, 2, 3, 2), np.float32), seen, -1, {})
    assert clip.seen_joints.shape == (2, 3, 2)
    assert (clip.seen_joints == seen[:, None]).all()
    assert clip.seen_persons is seen


def test_a_person_is_seen_with_one_joint() -> None:
    seen = np.zeros((2, 3, 2), dtype=bool)
    seen[1, 2, 0] = True
    clip = RawClip("", np.ones((2, 2, 3, 2), np.float32), seen, -1, {})
    assert clip.seen_joints is seen
    assert clip.seen_persons.tolist() == [[False, False], [True, False]]
