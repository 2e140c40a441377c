"""MMPose, Ultralytics, COCO's keypoints, MediaPipe and MoveNet; and files that are refused by name."""

import json
import struct

import numpy as np
import pytest

from skelblocks.data import ClipFormatError, find_poses, read_poses
from skelblocks.data.formats.joint_names import layout_of_names
from skelblocks.layouts import get

COCO_NAMES = ["_".join(reversed(name.split("_"))) for name in get("coco-17").joints]


def write(path, content):
    path.write_text(json.dumps(content))
    return path


# MMPose


def person(joints=17, offset=0.0, score=0.9, coordinates=2):
    keypoints = [[10.0 + j + offset, 20.0 + 2 * j, 5.0][:coordinates] for j in range(joints)]
    return {"keypoints": keypoints, "keypoint_scores": [score] * joints, "bbox": [[1, 2, 3, 4]], "bbox_score": 0.9}


def test_mmpose_pictures_of_the_demo_are_frames(tmp_path):
    for number in (1, 3):
        write(tmp_path / f"img{number}.json", {"meta_info": {}, "instance_info": [person()]})
    (clip,) = read_poses(tmp_path)
    assert clip.seen_persons[:, 0].tolist() == [True, False, True]


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("demo", [True, False])
def test_mmpose_recordings(tmp_path, start, demo):
    frames = [[person(), person(offset=100)], [], [person(score=0.2)]]
    listed = [{"frame_id": start + i, "instances": persons} for i, persons in enumerate(frames)]
    meta = {"dataset_name": "coco", "keypoint_id2name": {str(i): name for i, name in enumerate(COCO_NAMES)}}
    meta["sigmas"] = {"__ndarray__": [0.1] * 17, "dtype": "float32", "shape": [17]}
    (clip,) = read_poses(write(tmp_path / "a.json", {"meta_info": meta, "instance_info": listed} if demo else listed))
    assert (clip.layout, clip.x.shape, clip.tracked) == ("coco-17", (2, 3, 17, 2), False)
    np.testing.assert_allclose(clip.x[:, 0, 3, 1], [113, 26])
    assert clip.seen_persons.tolist() == [[True, True], [False, False], [False, False]]


def test_mmpose_lists_of_persons_a_frame(tmp_path):
    (clip,) = read_poses(write(tmp_path / "a.json", [[person()], [], [person(), person()]]))
    assert clip.seen_persons.sum(axis=1).tolist() == [1, 0, 2]


def test_mmpose_pictures_are_frames(tmp_path):
    for number, persons in {1: [person()], 2: [], 10: [person(offset=5)]}.items():
        write(tmp_path / f"img{number}.json", persons)
    (clip,) = read_poses(tmp_path)
    assert np.flatnonzero(clip.seen_persons[:, 0]).tolist() == [0, 9]


def test_mmpose_joints_in_space_and_ids(tmp_path):
    frames = [
        {"frame_id": i, "instances": [{**person(coordinates=3), "track_id": 5 - i} for i in order]}
        for i, order in enumerate([(0, 1), (1, 0)])
    ]
    (clip,) = read_poses(write(tmp_path / "a.json", frames))
    assert (clip.layout, clip.x.shape, clip.tracked) == ("h36m-17", (3, 2, 17, 2), True)
    assert clip.order.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(("joints", "layout"), [(26, "halpe-26"), (133, "coco-wholebody-133"), (21, "hand-21")])
def test_mmpose_layouts_by_the_number_of_joints(tmp_path, joints, layout):
    (clip,) = read_poses(write(tmp_path / "a.json", [{"frame_id": 0, "instances": [person(joints)]}]))
    assert (clip.layout, clip.x.shape) == (layout, (2, 1, joints, 1))


def test_mmpose_names_of_another_skeleton_are_not_taken_for_coco(tmp_path):
    names = ["nose", "head_bottom", "head_top", *COCO_NAMES[3:]]
    content = {
        "meta_info": {"keypoint_id2name": {str(i): name for i, name in enumerate(names)}},
        "instance_info": [{"frame_id": 1, "instances": [person()]}],
    }
    path = write(tmp_path / "a.json", content)
    with pytest.raises(ClipFormatError, match="got nose, head_bottom, head_top and so on; pass layout="):
        read_poses(path)
    assert read_poses(path, layout="coco-17")[0].layout == get("coco-17")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"frame_id": 0, "instances": 3}], r"frame 0: expected a list of persons \(instances\), got a number"),
        ([{"frame_id": -1, "instances": []}], "frame_id: expected an integer from 0"),
        ([{"frame_id": 1, "instances": []}] * 2, "got 1 twice"),
        ([{"frame_id": 3, "instances": [{"keypoints": [[1], [2]]}]}], "frame 3, person 0: expected keypoints of two"),
        ([{"frame_id": 3, "instances": [{"keypoints": 5}]}], "expected keypoints as a list"),
        ([{"frame_id": 3, "instances": [{**person(), "keypoint_scores": [1]}]}], "expected 17 keypoint_scores"),
        ([{"frame_id": 3, "instances": [person(), person(26)]}], "frame 3, person 1: expected 17 joints"),
        ([{"frame_id": 3, "instances": [person(), person(coordinates=3)]}], "the same coordinates"),
        ([{"frame_id": 3, "instances": [person(20)]}], r"133 \(coco-wholebody-133\), got 20; pass layout="),
        ([{"frame_id": 3, "instances": []}], "expected a person in one of the frames"),
    ],
)
def test_mmpose_errors(tmp_path, content, message):
    with pytest.raises(ClipFormatError, match=message):
        read_poses(write(tmp_path / "a.json", content), format="mmpose")


def test_names_however_the_sides_are_written():
    assert layout_of_names(["".join(word.title() for word in name.split("_")) for name in COCO_NAMES]) == "coco-17"
    assert layout_of_names([*COCO_NAMES, "head", "neck", "hip"]) is None
    assert layout_of_names(COCO_NAMES[::-1]) is None


# Ultralytics


def line(*, x=0.5, y=0.25, score="0.9", end="", joints=17):
    return "0 0.5 0.5 0.2 0.4" + f" {x} {y} {score}" * joints + end + "\n"


def test_ultralytics_needs_the_size_of_the_picture(tmp_path):
    (tmp_path / "walk_2.txt").write_text(line())
    with pytest.raises(ClipFormatError, match=r"image_size=\(width, height\)"):
        read_poses(tmp_path)
    (clip,) = read_poses(tmp_path, image_size=(640, 480))
    np.testing.assert_allclose(clip.x[:, 0, 0, 0], [320, 120])


def test_ultralytics_files_are_frames_in_numeric_order(tmp_path):
    for number in (1, 2, 10):
        (tmp_path / f"walk_{number}.txt").write_text(line(x=number / 100))
    (tmp_path / "notes.txt").write_text("walked twice\n")
    (clip,) = read_poses(tmp_path, image_size=(100, 100))
    assert clip.x.shape == (2, 10, 17, 1)
    np.testing.assert_allclose(clip.x[0, [0, 1, 9], 0, 0], [1, 2, 10])
    assert clip.seen_persons.sum() == 3


@pytest.mark.parametrize(("end", "tracked"), [("", False), (" 0.87", False), (" {}", True), (" 0.87 {}", True)])
def test_ultralytics_ids_and_confidences(tmp_path, end, tracked):
    for number, ids in enumerate([(4, 7), (7, 4)]):
        (tmp_path / f"{number}.txt").write_text("".join(line(x=i / 100, end=end.format(i)) for i in ids))
    (clip,) = read_poses(tmp_path, image_size=(100, 100))
    assert clip.tracked is tracked
    np.testing.assert_allclose(clip.x[0, :, 0], [[4, 7], [4, 7] if tracked else [7, 4]])


def test_ultralytics_joints_at_the_corner_or_below_the_score_are_unseen(tmp_path):
    (tmp_path / "1.txt").write_text("0 0.5 0.5 0.2 0.4 0 0 0.44 0.5 0.5 0.6 0.4 0.4 0.3" + " 0.5 0.5 0.9" * 14)
    (clip,) = read_poses(tmp_path, image_size=(100, 100))
    assert clip.seen[0, :4, 0].tolist() == [False, True, False, True]
    assert read_poses(tmp_path, image_size=(100, 100), min_score=0.2)[0].seen[0, :4, 0].tolist() == [
        False,
        True,
        True,
        True,
    ]


def test_ultralytics_runs_that_were_appended_are_read_once_with_a_warning(tmp_path):
    (tmp_path / "1.txt").write_text((line() + line(x=0.7)) * 2)
    with pytest.warns(UserWarning, match="repeats lines"):
        (clip,) = read_poses(tmp_path, image_size=(100, 100))
    assert clip.x.shape[-1] == 2


def test_ultralytics_flags_of_training_labels_are_no_scores(tmp_path):
    (tmp_path / "1.txt").write_text("0 0.5 0.5 0.2 0.4 0 0 0" + " 0.5 0.5 1" * 8 + " 0.5 0.5 2" * 8)
    (clip,) = read_poses(tmp_path, image_size=(100, 100))
    assert clip.scores is None
    assert clip.seen.sum() == 16


def test_ultralytics_joints_without_scores(tmp_path):
    (tmp_path / "1.txt").write_text("0 0.5 0.5 0.2 0.4" + " 0.5 0.25" * 17)
    (clip,) = read_poses(tmp_path, image_size=(640, 480))
    assert clip.scores is None
    assert clip.seen.all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 0.2 0.4\n", "line 1: expected joints after the box, got none; use a pose model"),
        (line(joints=20), "line 1: .* got 65 numbers; pass layout="),
        (line() + line(joints=16), "line 2: expected 56 numbers"),
        (line() + line().replace("0.25", "low"), "line 2: expected numbers"),
        (line() + line().replace("0.25", "nan"), "line 2: expected finite numbers"),
        (line(end=" 3") + line(x=0.3, end=" 3"), "expected each id once in a picture"),
    ],
)
def test_ultralytics_errors(tmp_path, text, message):
    (tmp_path / "1.txt").write_text(text)
    with pytest.raises(ClipFormatError, match=message):
        read_poses(tmp_path, image_size=(640, 480))


# COCO


def row(joints=17, offset=0.0, third=0.9):
    return [number for j in range(joints) for number in (10.0 + j + offset, 20.0 + 2 * j, third)]


def test_coco_results_are_frames_by_image_id(tmp_path):
    entries = [{"image_id": i, "category_id": 1, "keypoints": row(offset=i), "score": 0.8} for i in (3, 0, 3)]
    (clip,) = read_poses(write(tmp_path / "results.json", entries))
    assert (clip.name, clip.layout, clip.x.shape) == ("results", "coco-17", (2, 4, 17, 2))
    assert clip.seen_persons.tolist() == [[True, False], [False, False], [False, False], [True, True]]


def test_coco_annotations_have_flags_videos_and_ids(tmp_path):
    images = [{"id": 10 * v + f, "file_name": f"video{v}/{f:06}.jpg"} for v in (1, 2) for f in (4, 5, 7)]
    flagged = row(third=2)
    flagged[:6] = [0, 0, 0, 30, 40, 1]
    annotations = [
        {"id": 1, "image_id": 15, "keypoints": row(offset=50, third=2), "track_id": 8},
        {"id": 2, "image_id": 17, "keypoints": flagged, "track_id": 9},
        {"id": 3, "image_id": 24, "keypoints": flagged, "track_id": 8},
        {"id": 4, "image_id": 24, "keypoints": row(third=0), "track_id": 9, "iscrowd": 1},
    ]
    categories = [{"id": 1, "name": "person", "keypoints": COCO_NAMES}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    one, two = read_poses(write(tmp_path / "set.json", content))
    assert (one.name, two.name) == ("set/video1", "set/video2")
    assert one.x.shape == (2, 4, 17, 2)
    assert one.tracked
    assert one.scores is None
    assert one.seen_persons.tolist() == [[False, False], [True, False], [False, False], [False, True]]
    assert two.x.shape[-1] == 1
    assert two.seen[0, :3, 0].tolist() == [False, True, True]
    strict = read_poses(tmp_path / "set.json", min_score=2)[1]
    assert strict.seen[0, :3, 0].tolist() == [False, False, True]


def test_coco_frames_by_frame_id(tmp_path):
    images = [{"id": i, "file_name": f"a/{100 - i}.jpg", "vid_id": "v", "frame_id": i} for i in range(3)]
    content = {"images": images, "annotations": [{"image_id": 2, "keypoints": row()}]}
    (clip,) = read_poses(write(tmp_path / "set.json", content))
    assert clip.seen_persons[:, 0].tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "expected a list of images"),
        ({"annotations": [{"image_id": 9, "keypoints": row()}]}, "annotation 0: expected the id of one of the images"),
        ({"annotations": [{"image_id": 0}]}, "annotation 0: keypoints: expected a list"),
        ({"annotations": [{"image_id": 0, "keypoints": row(third=0)}]}, "flag 0 for each; pass min_score=0"),
        ({"categories": [{"keypoints": ["nose", "head_bottom"]}]}, "got 2 others, nose, head_bottom and so on"),
        ({"annotations": [{"image_id": 0, "keypoints": row(20)}]}, "got 20; pass layout="),
    ],
)
def test_coco_errors(tmp_path, changes, message):
    content = {"images": [{"id": 0, "file_name": "0.jpg"}], "annotations": [{"image_id": 0, "keypoints": row()}]}
    with pytest.raises(ClipFormatError, match=message):
        read_poses(write(tmp_path / "a.json", {**content, **changes}), format="coco-keypoints")


# MediaPipe and MoveNet


def landmarks(*, hips=(0.5, 0.6), score="visibility", visibility=0.9, joints=33):
    body = [{"x": 0.25 + j / 100, "y": 0.5, "z": -0.1, score: visibility} for j in range(joints)]
    if joints == 33:
        for j in (23, 24):
            body[j] |= {"x": hips[0], "y": hips[1], "z": 0.0}
    return body


BODY = landmarks()
SHAPES = {
    "objects": [{"keypoints": BODY}, {"keypoints": []}, {"keypoints": BODY}],
    "objects with null": [{"pose_landmarks": BODY}, {"pose_landmarks": None}, {"pose_landmarks": BODY}],
    "lists": [BODY, [], BODY],
    "numbers": [{str(i): point for i, point in enumerate(BODY)}, {}, {str(i): point for i, point in enumerate(BODY)}],
    "bare numbers": [[list(point.values()) for point in BODY], None, [list(point.values()) for point in BODY]],
    "bare numbers by number": {i: {str(j): [*p.values()] for j, p in enumerate(BODY)} for i in ("0", "2")},
    "frames by number": {"0": BODY, "2": BODY},
    "frames in an object": {"fps": 30, "frames": [{"frame": i, "landmarks": BODY} for i in (2, 0)]},
    "bodies": [{"landmarks": [BODY, BODY]}, {"landmarks": []}, {"landmarks": [BODY]}],
    "landmark objects": [{"pose_landmarks": {"landmark": BODY}}, {}, {"pose_landmarks": {"landmark": BODY}}],
    "numbered landmarks": [[{"id": i, **point} for i, point in reversed([*enumerate(BODY)])], [], BODY],
    "names": [
        {
            "LEFT_" + n[:-5].upper() if n.endswith("_left") else n: p
            for n, p in zip(get("mediapipe-33").joints, BODY, strict=True)
        },
        {},
        [*BODY],
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_mediapipe_shapes(tmp_path, shape):
    path = write(tmp_path / "a.json", SHAPES[shape])
    with pytest.raises(ClipFormatError, match=r"expected image_size=\(width, height\), got none"):
        read_poses(path)
    (clip,) = read_poses(path, image_size=(200, 100), fps=25)
    assert (clip.layout, clip.fps, clip.x.shape[:3]) == ("mediapipe-33", 25, (2, 3, 33))
    assert clip.seen_persons[:, 0].tolist() == [True, False, True]
    np.testing.assert_allclose(clip.x[:, 0, [0, 10, 23], 0], [[50, 70, 100], [50, 50, 60]], rtol=1e-6)
    np.testing.assert_allclose(clip.scores[clip.seen], 0.9)


def test_mediapipe_one_frame_in_each_file(tmp_path):
    for number, content in {1: BODY, 2: [], 11: {str(i): point for i, point in enumerate(BODY)}}.items():
        write(tmp_path / f"frame_{number}.json", content)
    (clip,) = read_poses(tmp_path, image_size=(200, 100))
    assert np.flatnonzero(clip.seen_persons[:, 0]).tolist() == [0, 10]


def test_mediapipe_recordings_beside_each_other_are_clips(tmp_path):
    for number in (1, 2):
        write(tmp_path / f"squat{number}.json", [{"keypoints": BODY}] * 3)
    assert [clip.name for clip in read_poses(tmp_path, image_size=(200, 100))] == ["squat1", "squat2"]


def test_mediapipe_world_landmarks_are_told_by_the_hips(tmp_path):
    body = landmarks(hips=(0.001, -0.002))
    (clip,) = read_poses(write(tmp_path / "a.json", [{"landmarks": body}]))
    np.testing.assert_allclose(clip.x[:, 0, 0, 0], [0.25, 0.5, -0.1], rtol=1e-6)
    both = write(tmp_path / "b.json", [{"pose_landmarks": BODY, "pose_world_landmarks": body}])
    assert read_poses(both, image_size=(200, 100))[0].x.shape[0] == 2
    assert read_poses(both, format="mediapipe-world")[0].x.shape[0] == 3
    alone = write(tmp_path / "c.json", [{"pose_world_landmarks": body}])
    assert read_poses(alone)[0].x.shape[0] == 3


@pytest.mark.parametrize("named", [True, False])
def test_mediapipe_landmarks_that_are_left_out_are_unseen(tmp_path, named):
    some = {"LEFT_SHOULDER": 11, "RIGHT_SHOULDER": 12, "nose": 0}
    body = [{"name" if named else "id": name if named else i, **BODY[i]} for name, i in some.items()]
    (clip,) = read_poses(write(tmp_path / "a.json", [{"landmarks": body}]), image_size=(200, 100))
    assert clip.layout == "mediapipe-33"
    assert np.flatnonzero(clip.seen[0, :, 0]).tolist() == [0, 11, 12]
    np.testing.assert_allclose(clip.x[0, 0, [0, 11, 12], 0], [50, 72, 74], rtol=1e-6)


def test_movenet_with_names_is_in_the_order_of_coco(tmp_path):
    body = [{"x": 100.0 + j, "y": 50.0, "score": 0.8, "name": name} for j, name in enumerate(COCO_NAMES)]
    (clip,) = read_poses(write(tmp_path / "a.json", [{"keypoints": body}]))
    assert clip.layout == "coco-17"
    np.testing.assert_allclose(clip.x[0, 0, :, 0], 100 + np.arange(17))


def test_mediapipe_low_visibility_is_unseen(tmp_path):
    path = write(tmp_path / "a.json", [[*landmarks(visibility=0.3)[:5], *BODY[5:]]])
    seen = read_poses(path, image_size=(200, 100))[0].seen[0, :, 0]
    assert not seen[:5].any()
    assert seen[5:].all()


def test_movenet_in_pixels_stays(tmp_path):
    body = [{"x": 100.0 + j, "y": 50.0, "score": 0.8} for j in range(17)]
    (clip,) = read_poses(write(tmp_path / "a.json", [{"keypoints": body}]))
    assert clip.layout == "coco-17"
    np.testing.assert_allclose(clip.x[:, 0, 3, 0], [103, 50])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([landmarks(joints=20)], "got 20; pass layout="),
        ([BODY, BODY[:30]], "frame 1, body 0: expected 33 landmarks, got 30"),
        ([[*BODY[:32], {"x": "left", "y": 0}]], "got a text in it"),
        ([[*BODY[:32], 5]], "joint 32: expected x, y, z and visibility, got a number"),
        ({"0": {"x": 1, "y": 2}, "55": {"x": 1, "y": 2}}, "expected landmarks by number from 0 to 32"),
        ([[{"x": 1, "y": 2, "z": 3, "name": "nose"}] * 2], "each once, got nose, nose and so on"),
        ({"1": BODY, "01": BODY}, "frame 1: expected each frame once"),
        ({"1": BODY, "9999999999": BODY}, "at most 1048576 frames"),
        ([[]], "expected a body in one of the frames"),
        ({"a": BODY}, "expected frames by number, got 'a'"),
    ],
)
def test_mediapipe_errors(tmp_path, content, message):
    with pytest.raises(ClipFormatError, match=message):
        read_poses(write(tmp_path / "a.json", content), format="mediapipe", image_size=(200, 100))


# What is refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            b"scorer,n,n,n\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,1,2,0.9\n",
            "DeepLabCut; read it with pandas",
        ),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        ("a.c3d", b"\x02\x50" + bytes(510), "markers and not joints"),
        ("a.pose", struct.pack("<fHHHHH", 0.1, 640, 480, 0, 2, 4) + b"BODY" + bytes(50), "pose-format"),
        ("a.pkl", b"\x80\x04\x95" + bytes(50), "can run code and is not opened"),
        ("a.mp4", bytes(4) + b"ftypisom" + bytes(50), "run a pose estimator"),
        (
            "a.json",
            b'[{"name": "person", "box": {"x1": 1}, "keypoints": {"x": [1], "y": [2], "visible": [1]}}]',
            "to_json",
        ),
        ("a.json", b'{"camera": 3}', "known formats are"),
        ("a.json", b"", "known formats are"),
    ],
)
def test_files_that_are_refused_by_what_they_are(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClipFormatError, match=message):
        read_poses(tmp_path / name)
    if name != "a.mp4":
        with pytest.raises(ClipFormatError, match=message):
            find_poses(tmp_path)[0].read()
