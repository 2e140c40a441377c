import json

import numpy as np
import pytest

from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data import read_poses


def body(number, *, y=-100.0, **more):
    return {"body_id": number, "joint_positions": [[10.0 * j, y, 2000.0] for j in range(32)], **more}


def recording(*frames, **more):
    """``frames`` are lists of bodies."""
    listed = [
        {"frame_id": 5 + t, "timestamp_usec": 1000 + 33333 * t, "num_bodies": len(bodies), "bodies": bodies}
        for t, bodies in enumerate(frames)
    ]
    return {"k4abt_sdk_version": "1.1.0", "bone_list": [["PELVIS", "SPINE_NAVEL"]], "frames": listed, **more}


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_bodies_keep_their_ids(tmp_path):
    path = write(tmp_path / "a.json", recording([body(7)], [], [body(3), body(7, y=-50.0)]))
    [clip] = read_poses(path)
    assert (clip.name, clip.layout, clip.fps, clip.tracked, clip.scores) == ("a", "azure-kinect-32", 30.0, True, None)
    assert clip.x.shape == (3, 3, 32, 2)
    assert clip.seen_persons.tolist() == [[True, False], [False, False], [True, True]]
    assert clip.x[:, 2, 3, 0].tolist() == [30.0, -50.0, 2000.0]  # millimeters, y down, as in the file
    assert clip.x[:, 2, 3, 1].tolist() == [30.0, -100.0, 2000.0]


@pytest.mark.parametrize("key", ["joint_confidence", "confidence_levels"])
@pytest.mark.parametrize("listed", [False, True])
def test_joints_out_of_range_are_not_seen(tmp_path, key, listed):
    levels = [0, 1, *[2] * 30]
    levels = [[level] for level in levels] if listed else levels
    [clip] = read_poses(write(tmp_path / "a.json", recording([body(1, **{key: levels})])))
    assert clip.seen[0, :, 0].tolist() == [False] + [True] * 31
    assert clip.scores[0, :3, 0].tolist() == [0.0, 1.0, 2.0]
    assert not clip.x[:, 0, 0, 0].any()
    assert not read_poses(tmp_path / "a.json", min_score=2)[0].seen[0, 1, 0]


def test_frames_that_are_left_out_are_frames_without_anybody(tmp_path):
    content = recording([body(1)], [body(1)], [body(1)])
    del content["frames"][1]
    [clip] = read_poses(write(tmp_path / "a.json", content))
    assert clip.seen_persons[:, 0].tolist() == [True, False, True]
    assert clip.fps == 30.0


def test_a_recording_of_nobody(tmp_path):
    content = recording([], [])
    del content["frames"][0]["bodies"]
    [clip] = read_poses(write(tmp_path / "a.json", content))
    assert clip.x.shape == (3, 2, 32, 0)


def test_without_time_stamps_the_frame_rate_is_unknown(tmp_path):
    content = recording([body(1)], [body(1)])
    for frame in content["frames"]:
        del frame["timestamp_usec"]
    path = write(tmp_path / "a.json", content)
    assert read_poses(path)[0].fps is None
    assert read_poses(path, fps=15)[0].fps == 15


def without(content, *path):
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return content


def wrong_body(**changes):
    return recording([{**body(1), **changes}])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"bone_list": [], "bodies": [], "frames": []}, "expected an object with a list of frames"),
        (
            without(recording([body(1)]), "frames", 0, "bodies", 0, "body_id"),
            "frame 0, body 0: body_id: expected",
        ),
        (wrong_body(joint_positions=[[1.0, 2.0]] * 32), "joint_positions: expected 3 numbers for each joint"),
        (wrong_body(joint_positions=[[1.0, 2.0, 3.0]] * 30), "numbers of joints that Azure Kinect writes"),
        (wrong_body(joint_positions=[[1.0, 2.0, "3"]] * 32), "expected a list of numbers, got a text in it"),
        (wrong_body(joint_positions=[[1.0, 2.0, 1e300]] * 32), "joint 0: expected finite numbers"),
        (wrong_body(joint_confidence=[1] * 31), "expected a confidence for each of 32 joints, got 31"),
        (wrong_body(joint_confidence=[9] * 32), "expected confidences from 0 to 3"),
        ({"bone_list": [], "bodies": 0, "frames": [1]}, r"frames\[0\]: expected an object, got a number"),
        (recording([body(1)], bodies=0) | {"frames": [{"frame_id": 1}, {"frame_id": 1}]}, "expected a frame_id above"),
        (
            recording() | {"frames": [{"frame_id": 0, "bodies": []}, {"frame_id": 2**60}]},
            "frame numbers of one",
        ),
    ],
)
def test_damaged_files_say_where_and_why(tmp_path, content, reason):
    with pytest.raises(ClipFormatError, match=reason):
        read_poses(write(tmp_path / "a.json", content), format="azure-kinect")


def test_a_joint_without_a_number_is_not_seen(tmp_path):
    positions = body(1)["joint_positions"]
    positions[4][2] = None
    [clip] = read_poses(write(tmp_path / "a.json", wrong_body(joint_positions=positions)))
    assert np.flatnonzero(~clip.seen[0, :, 0]).tolist() == [4]
