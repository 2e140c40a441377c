"""Finding and reading poses in folders of frames, files and folders of clips; OpenPose and AlphaPose."""

import json

import numpy as np
import pytest

from skelblocks.data import ClipFormatError, RawClip, find_poses, read_poses


def row(joints, offset=0.0, score=0.9):
    """x, y, score of each joint: joint j lies at (10 + j + offset, 20 + 2 j)."""
    return [number for j in range(joints) for number in (10.0 + j + offset, 20.0 + 2 * j, score)]


def write_openpose(folder, frames, *, prefix="walk", key="pose_keypoints_2d"):
    """One file for each number in ``frames``, with its persons' rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, persons in frames.items():
        people = [{"person_id": [-1], key: numbers, "face_keypoints_2d": []} for numbers in persons]
        (folder / f"{prefix}_{number:012d}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


def write_alphapose(path, entries):
    path.write_text(
        json.dumps([{"image_id": image, "category_id": 1, "score": 2.7, **entry} for image, entry in entries])
    )
    return path


def test_openpose_frames_are_one_clip(tmp_path):
    missing = row(25)
    missing[3:6] = 0, 0, 0
    folder = write_openpose(tmp_path / "gait", {9: [row(25)], 10: [], 12: [row(25, 100), missing]})
    (clip,) = read_poses(folder, fps=30)
    assert (clip.name, clip.layout, clip.fps, clip.tracked, clip.label) == ("gait", "body-25", 30, False, -1)
    assert clip.x.shape == (2, 4, 25, 2)
    assert clip.seen_persons.tolist() == [[True, False], [False, False], [False, False], [True, True]]
    np.testing.assert_allclose(clip.x[:, 3, 4, 0], [114, 28])
    assert not clip.seen[3, 1, 1]
    assert not clip.x[:, 3, 1, 1].any()
    assert clip.scores[3, 1, 1] == 0
    np.testing.assert_allclose(clip.scores[clip.seen], 0.9)


@pytest.mark.parametrize(
    ("joints", "key", "layout"), [(18, "pose_keypoints", "openpose-18"), (18, "pose_keypoints_2d", "openpose-18")]
)
def test_openpose_versions(tmp_path, joints, key, layout):
    (clip,) = read_poses(write_openpose(tmp_path, {0: [row(joints)]}, key=key))
    assert clip.layout == layout


def test_openpose_scores_below_min_score_are_unseen(tmp_path):
    low = row(25)
    low[2] = 0.03
    folder = write_openpose(tmp_path, {0: [low]})
    assert not read_poses(folder)[0].seen[0, 0, 0]
    assert read_poses(folder, min_score=0.01)[0].seen[0, 0, 0]
    assert not read_poses(folder, min_score=0.95)[0].seen.any()


def test_openpose_missing_joints_are_unseen_at_any_min_score(tmp_path):
    folder = write_openpose(tmp_path, {0: [[0, 0, 0, *row(25)[3:]]]})
    assert read_poses(folder, min_score=0)[0].seen[0, :2, 0].tolist() == [False, True]


@pytest.mark.parametrize(("low", "expected"), [(0.0, (0.5 * 640, 0.25 * 480)), (-1.0, (0.75 * 640, 0.625 * 480))])
def test_openpose_shares_of_the_picture_need_its_size(tmp_path, low, expected):
    corner = [low, low, 0.9]
    folder = write_openpose(tmp_path, {0: [corner + [0.5, 0.25, 0.9] * 24]})
    with pytest.raises(ClipFormatError, match=r"image_size=\(width, height\)"):
        read_poses(folder)
    (clip,) = read_poses(folder, image_size=(640, 480))
    np.testing.assert_allclose(clip.x[:, 0, 1, 0], expected)
    np.testing.assert_allclose(clip.x[:, 0, 0, 0], 0)


def test_openpose_joints_of_an_unknown_count_name_the_remedy(tmp_path):
    folder = write_openpose(tmp_path, {3: [row(15)]})
    with pytest.raises(ClipFormatError, match=r"18 \(openpose-18\), 25 \(body-25\), got 15; pass layout="):
        read_poses(folder)
    assert read_poses(folder, layout="jhmdb-15")[0].layout.name == "jhmdb-15"
    with pytest.raises(ClipFormatError, match="got 'coco-17' with 17"):
        read_poses(folder, layout="coco-17")


def test_openpose_errors_name_the_file_and_the_person(tmp_path):
    folder = write_openpose(tmp_path, {0: [row(25)], 1: [row(25), row(18)]})
    with pytest.raises(ClipFormatError, match=r"walk_000000000001_keypoints\.json: person 1: expected 25 joints"):
        read_poses(folder)


def test_numbers_without_leading_zeros_are_in_numeric_order(tmp_path):
    for number in (2, 10, 1):
        (tmp_path / f"{number}.json").write_text(json.dumps({"people": [{"pose_keypoints_2d": row(25, 100 * number)}]}))
    (clip,) = read_poses(tmp_path)
    assert clip.x.shape[1] == 10
    np.testing.assert_allclose(clip.x[0, [0, 1, 9], 0, 0], [110, 210, 1010])


def test_a_folder_of_folders_is_clips(tmp_path):
    write_openpose(tmp_path / "a", {0: [row(25)], 1: [row(25)]}, prefix="input")
    write_openpose(tmp_path / "b" / "c", {0: [row(25)], 1: [row(25)]}, prefix="input")
    write_openpose(tmp_path / "b" / "d", {0: [row(25)], 1: [row(25)]}, prefix="run")
    write_openpose(tmp_path / "b" / "d", {0: [row(25)], 1: [row(25)]}, prefix="jump")
    (tmp_path / "labels.csv").write_text("clip,label\na,walk\n")
    (tmp_path / "a" / "input_rendered.png").write_bytes(b"\x89PNG")
    assert [clip.name for clip in read_poses(tmp_path)] == ["a", "b/c", "b/d/jump", "b/d/run"]


def test_names_are_unique_and_those_of_the_folder(tmp_path, monkeypatch):
    entries = [("0.jpg", {"keypoints": row(17)})]
    write_alphapose(tmp_path / "walk.json", entries)
    write_alphapose(tmp_path / "walk.results", entries)
    write_openpose(tmp_path / "frames", {0: [row(25)], 1: [row(25)]})
    assert [clip.name for clip in read_poses(tmp_path)] == ["frames", "walk.json", "walk.results"]
    monkeypatch.chdir(tmp_path / "frames")
    assert read_poses(".")[0].name == "frames"
    (tmp_path / "frames" / "below").mkdir()
    assert read_poses(tmp_path / "frames" / "below" / "..")[0].name == "frames"


def test_unknown_content_is_a_source_that_refuses(tmp_path):
    write_openpose(tmp_path / "a", {0: [row(25)], 1: [row(25)]})
    (tmp_path / "settings.json").write_text('{"camera": 3}')
    good, bad = find_poses(tmp_path)
    assert good.read()[0].name == "a"
    with pytest.raises(ClipFormatError, match=r"settings\.json: expected a file of poses"):
        bad.read()


def test_alphapose_frames_are_counted_by_the_images_numbers(tmp_path):
    entries = [("10.jpg", {"keypoints": row(17, 10)}), ("2.jpg", {"keypoints": row(17, 2)})]
    entries.append(("2.jpg", {"keypoints": row(17, 200, score=0.2)}))
    (clip,) = read_poses(write_alphapose(tmp_path / "alphapose-results.json", entries))
    assert (clip.name, clip.layout, clip.tracked) == ("alphapose-results", "coco-17", False)
    assert clip.x.shape == (2, 11, 17, 2)
    assert np.flatnonzero(clip.seen_persons[:, 0]).tolist() == [2, 10]
    np.testing.assert_allclose(clip.x[0, [2, 10], 0, 0], [12, 20])
    assert not clip.seen_persons[:, 1].any()


def test_alphapose_images_with_longer_names_begin_with_the_first(tmp_path):
    entries = [(f"img_{number:04}.jpg", {"keypoints": row(26)}) for number in (500, 502)]
    (clip,) = read_poses(write_alphapose(tmp_path / "a.json", entries))
    assert clip.layout == "halpe-26"
    assert clip.seen_persons[:, 0].tolist() == [True, False, True]


def test_alphapose_face_and_hands_are_left_out(tmp_path):
    (clip,) = read_poses(write_alphapose(tmp_path / "a.json", [("0.jpg", {"keypoints": row(136)})]))
    assert (clip.layout, clip.x.shape) == ("halpe-26", (2, 1, 26, 1))


@pytest.mark.parametrize(
    ("ids", "tracked"),
    [
        ([7, 9, 9, 7], True),
        ([[7.0], [9.0], [9.0], [[7.0], [7.0]]], True),
        ([[0.0], [0.0], [0.0], [[0.0], [0.0]]], False),
        ([7, 7, 9, 7], False),
        ([7, None, 9, 7], False),
    ],
)
def test_alphapose_ids(tmp_path, ids, tracked):
    images = ["0.jpg", "0.jpg", "1.jpg", "1.jpg"]
    entries = [(image, {"keypoints": row(17, 10 * i), "idx": ids[i]}) for i, image in enumerate(images)]
    (clip,) = read_poses(write_alphapose(tmp_path / "a.json", entries))
    assert clip.tracked is tracked
    np.testing.assert_allclose(clip.x[0, 1, 0] - 10, [30, 20] if tracked else [20, 30])
    if tracked:
        assert clip.order.tolist() == [[0, 1], [1, 0]]


def test_alphapose_one_list_for_everybody_is_no_id(tmp_path):
    entries = [(f"{i}.jpg", {"keypoints": row(17), "idx": [0.0]}) for i in range(3)]
    assert not read_poses(write_alphapose(tmp_path / "a.json", entries))[0].tracked
    entries = [(image, {**entry, "idx": 0}) for image, entry in entries]
    assert read_poses(write_alphapose(tmp_path / "a.json", entries))[0].tracked


@pytest.mark.parametrize(("form", "key"), [("bodies", "joints"), ("people", "pose_keypoints_2d")])
def test_alphapose_forms_cmu_and_open(tmp_path, form, key):
    images = {f"{i}.jpg": {"version": "AlphaPose v0.3", form: [{key: row(18, 10 * i)}]} for i in (2, 0, 10)}
    (tmp_path / "alphapose-results.json").write_text(json.dumps(images))
    separate = tmp_path / "sep-json"
    separate.mkdir()
    for image, content in images.items():
        (separate / f"{image[:-4]}.json").write_text(json.dumps(content))
    (clip,) = read_poses(tmp_path)
    assert (clip.layout, clip.x.shape) == ("openpose-18", (2, 11, 18, 1))
    (again,) = read_poses(separate)
    np.testing.assert_array_equal(again.x, clip.x)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"image_id": "0.jpg", "keypoints": [1, 2}]', "line 1: broken JSON"),
        ('[{"image_id": "0.jpg", "keypoints": [1, 2, "3"], "idx": 1}]', "entry 0: keypoints: .* got a text in it"),
        ('[{"image_id": "0.jpg", "keypoints": [1, 2], "idx": 1}]', "entry 0: keypoints: expected 3 numbers for each"),
        ('[{"image_id": "cat.jpg", "keypoints": [], "idx": 1}]', "called by its frame number, got 'cat.jpg'"),
        ('[{"image_id": "0.jpg", "keypoints": [Infinity], "idx": 1}]', "expected finite numbers, got Infinity"),
        ('[{"image_id": "0.jpg", "image_id": "1.jpg", "idx": 1}]', "'image_id' twice"),
    ],
)
def test_alphapose_errors(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ClipFormatError, match=message):
        read_poses(path)


def test_frame_numbers_of_terabytes_are_refused(tmp_path):
    path = write_alphapose(
        tmp_path / "a.json", [("0.jpg", {"keypoints": row(17)}), ("9" * 15 + ".jpg", {"keypoints": row(17)})]
    )
    with pytest.raises(ClipFormatError, match="frame numbers of one recording"):
        read_poses(path)
    (tmp_path / "b").mkdir()
    write_openpose(tmp_path / "b", {0: [row(25)], 10**11: [row(25)]})
    with pytest.raises(ClipFormatError, match="at most 1048576 apart"):
        read_poses(tmp_path / "b")


def test_nan_and_null_are_not_seen_and_huge_numbers_are_refused(tmp_path):
    path = tmp_path / "a.json"
    text = json.dumps([{"image_id": "0.jpg", "idx": 1, "keypoints": row(17)}])
    path.write_text(text.replace("10.0", "NaN").replace("11.0", "null"))
    (clip,) = read_poses(path)
    assert clip.seen[0, :4, 0].tolist() == [False, False, True, True]
    assert np.isfinite(clip.x).all()
    path.write_text(text.replace("12.0", "1" + "0" * 400))
    with pytest.raises(ClipFormatError, match="larger integer"):
        read_poses(path)
    path.write_text(text.replace("12.0", "1e300"))
    with pytest.raises(ClipFormatError, match="frame 0, joint 2"):
        read_poses(path)


def test_a_function_reads_files_of_your_own(tmp_path):
    def mine(path):
        x = np.ones((2, 3, 17, 1), dtype=np.float32)
        return RawClip(path.stem, x, np.ones((3, 17, 1), dtype=bool), -1, {}, layout="coco-17")

    (tmp_path / "b.mine").write_text("1")
    (tmp_path / "a.mine").write_text("2")
    assert [clip.name for clip in read_poses(tmp_path, format=mine)] == ["a", "b"]
    assert [clip.name for clip in read_poses(tmp_path / "b.mine", format=lambda path: [mine(path)] * 2)] == ["b", "b"]
    with pytest.raises(TypeError, match=r"format: expected .* got int"):
        read_poses(tmp_path / "b.mine", format=lambda path: [3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "opnpose"}, "format: expected one of 'auto'"),
        ({"layout": "coco17"}, "did you mean"),
        ({"image_size": (640,)}, r"image_size: expected \(width, height\)"),
        ({"image_size": (640, 0)}, "image_size"),
        ({"image_size": 640}, r"image_size: expected \(width, height\)"),
        ({"fps": 0}, "fps"),
        ({"min_score": -1}, "min_score"),
    ],
)
def test_arguments_that_cannot_be(tmp_path, options, message):
    write_openpose(tmp_path, {0: [row(25)]})
    with pytest.raises(ValueError, match=message):
        read_poses(tmp_path, **options)


def test_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        read_poses(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="got none in"):
        read_poses(tmp_path)
