import itertools

import numpy as np
import pytest

from skelblocks.data.formats.forward_kinematics import frame_blocks, joint_positions, rotation_matrices

Rotation = pytest.importorskip("scipy.spatial.transform").Rotation
ORDERS = ["".join(order) for order in itertools.permutations("XYZ")] + ["ZXZ", "X", "YZ"]


@pytest.mark.parametrize("order", ORDERS)
def test_rotations_equal_those_of_scipy(order):
    angles = np.random.default_rng(0).uniform(-np.pi, np.pi, size=(20, len(order)))
    expected = Rotation.from_euler(order, angles).as_matrix()
    np.testing.assert_allclose(rotation_matrices(angles, order), expected, atol=1e-14)


def test_no_rotation_is_the_identity():
    assert (rotation_matrices(np.zeros((4, 0)), "") == np.eye(3)).all()


def test_bones_keep_their_lengths():
    rng = np.random.default_rng(1)
    shifts = rng.normal(size=(6, 4, 3))
    turns = rotation_matrices(rng.normal(size=(6, 4, 3)), "YZX")
    x = joint_positions([-1, 0, 1, 0], shifts, turns)
    for joint, parent in ((1, 0), (2, 1), (3, 0)):
        lengths = np.linalg.norm(x[:, joint] - x[:, parent], axis=1)
        np.testing.assert_allclose(lengths, np.linalg.norm(shifts[:, joint], axis=1))


def test_blocks_cover_all_frames_once():
    for frames, joints in ((1, 3), (10**5, 31), (7, 10**7)):
        covered = [frame for block in frame_blocks(frames, joints) for frame in range(block.start, block.stop)]
        assert covered == list(range(frames))
