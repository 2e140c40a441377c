"""What the readers give for the made-up sets, against what was written by other means, and what they refuse."""

import contextlib
import json
import pickle
import random

import numpy as np
import pytest

from skelblocks.data import (
    ClipFormatError,
    from_pyskl,
    read_nw_ucla,
    read_pku_mmd,
    read_pku_mmd_split,
    read_position_labels,
    read_position_pair,
    read_pyskl,
    to_pyskl,
)
from skelblocks.testing import write_nw_ucla, write_pku_mmd, write_position_pair, write_pyskl

NTU = {"setup": 1, "camera": 1, "subject": 1, "replication": 1, "action": 1}


def assert_whole(clip):
    assert clip.x.dtype == np.float32
    assert clip.x.flags.c_contiguous
    assert clip.seen.shape == (clip.x.shape[1], clip.x.shape[3])
    np.testing.assert_array_equal(clip.seen, (clip.x != 0).any(axis=(0, 2)))


def same(a, b):
    np.testing.assert_array_equal(a.x, b.x)
    return a.name == b.name and a.label == b.label and dict(a.origin) == dict(b.origin)


# Position pairs


def test_a_pair_gives_the_rows_of_the_array(tmp_path):
    position, labels = write_position_pair(tmp_path, clips=7, frames=40)
    clips = read_position_pair(position, labels=labels)
    whole = np.load(position)
    for i, clip in enumerate(clips):
        assert_whole(clip)
        np.testing.assert_array_equal(clip.x, whole[i])
        assert clip.seen.any(axis=1).sum() == 40 - 3 - i
    assert [clip.label for clip in clips] == list(range(7)) == clips.labels.tolist()
    assert clips[0].origin == NTU
    assert clips[0].name == clips.names[0] == "S001C001P001R001A001"
    assert same(clips[-1], clips[6])
    assert [clip.name for clip in clips[2:5:2]] == [clips.names[2], clips.names[4]]
    assert isinstance(clips._clips, np.memmap)
    again = pickle.dumps(clips)
    assert len(again) < 1000
    assert same(pickle.loads(again)[3], clips[3])
    with pytest.raises(IndexError, match=r"0\.\.6, got 7"):
        clips[7]


def test_names_of_the_released_pku_scripts_and_others(tmp_path):
    position, labels = write_position_pair(tmp_path, clips=4)
    names = ["F002V003C017L004.skeleton", "A001N013V002C009L001.skeleton", "mine", "S001C009P001R001A001"]
    labels.write_bytes(pickle.dumps((names, np.array([16, 8, 0, 0])), protocol=2))
    origins = [clip.origin for clip in read_position_pair(position, labels=labels)]
    assert origins == [{"video": 2, "view": 3, "action": 17}, {"view": 2, "action": 9}, {}, {}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((["a", "b"],), r"pair \(names, labels\)"),
        ({"a": 1}, r"pair \(names, labels\)"),
        ((["a", "b"], [0]), "got 2 names and 1 labels"),
        (([], []), "got 0 names"),
        ((["a", "a.skeleton"], [0, 1]), "same name"),
        ((["a", 3], [0, 1]), "got int"),
        ((["a", "b"], [0, -1]), r"'b': expected a label in 0\.\."),
        ((["a", "b"], [0, 10**400]), "expected a label in"),
        ((["a", "b"], [0, 1.0]), "got float"),
        ((["a", "b"], [0, True]), "got bool"),
        ((["a", "b"], np.array([0.0, 1.0])), "got float64"),
        ((["a", "b"], "01"), "got str"),
    ],
)
def test_labels_that_are_refused(tmp_path, content, message):
    path = tmp_path / "label.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ClipFormatError, match=message):
        read_position_labels(path)


def test_arrays_that_are_refused(tmp_path):
    position, labels = write_position_pair(tmp_path, clips=3)
    x = np.load(position)
    for wrong, message in [
        (x[:2], "2 clips, and train_label.pkl names 3"),
        (x[:, :, :, :20], "v=25"),
        (x[:, :2], "v=25"),
        (x[0], "n, 3, t, v, b"),
        (x.astype(int), "floating-point"),
        (x.astype(object), "not a whole"),
        (x[:, :, :0], "floating-point"),
    ]:
        np.save(position, wrong)
        with pytest.raises(ClipFormatError, match=message):
            read_position_pair(position, labels=labels)
    np.save(position, x[..., :20, :])
    assert read_position_pair(position, labels=labels, joints=20)[0].x.shape == (3, 60, 20, 2)
    for content in (b"", b"\x93NUMPY", b"PK\x03\x04", pickle.dumps(x), b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4'"):
        position.write_bytes(content)
        with pytest.raises(ClipFormatError, match="not a whole"):
            read_position_pair(position, labels=labels)
    np.save(position, x)
    position.write_bytes(position.read_bytes()[:-4])
    with pytest.raises(ClipFormatError, match="not a whole"):
        read_position_pair(position, labels=labels)
    x = x.astype(np.float64)
    x[1, 0, 0, 0, 0] = 1e300
    np.save(position, x)
    clips = read_position_pair(position, labels=labels)
    with pytest.raises(ClipFormatError, match="in clip 'S001C002P002R001A002'"):
        clips[1]
    assert clips[2].label == 2  # the others are there
    with pytest.raises(FileNotFoundError):
        read_position_pair(tmp_path / "none.npy", labels=labels)


# pyskl


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_pyskl_gives_its_annotations(tmp_path, flat, split):
    path = write_pyskl(tmp_path, flat=flat, split=split)
    written = pickle.loads(path.read_bytes())
    clips = read_pyskl(path)
    assert clips.splits == ({} if not split else {k: tuple(v) for k, v in written["split"].items()})
    for one, clip in zip(written["annotations"] if split else written, clips, strict=True):
        assert_whole(clip)
        m, t, v, c = one["keypoint"].shape
        assert clip.x.shape == (3, t, v, m)
        assert (clip.name, clip.label) == (one["frame_dir"], one["label"])
        assert clip.origin["action"] == one["label"] + 1
        for person in range(m):
            np.testing.assert_array_equal(clip.x[:c, 5, :, person], one["keypoint"][person, 5].T)
            if flat:
                np.testing.assert_array_equal(clip.x[2, 5, :, person], one["keypoint_score"][person, 5])
    if flat:
        assert read_pyskl(path, score=False)[0].x.shape[0] == 2


def test_converters_are_each_others_inverse():
    x = np.random.default_rng(0).standard_normal((4, 3, 7, 5, 2))
    for clips in (x, x[0]):
        keypoint = to_pyskl(clips)
        assert keypoint[..., 1, 6, 4, 2] == pytest.approx(clips[..., 2, 6, 4, 1])
        np.testing.assert_array_equal(from_pyskl(keypoint), clips)
        assert keypoint.flags.c_contiguous
        assert not np.shares_memory(keypoint, clips)
    with pytest.raises(ValueError, match=r"x: expected \(\.\.\., c, t, v, m\), got shape \(3, 7, 5\)"):
        to_pyskl(x[0, ..., 0])
    with pytest.raises(ValueError, match="keypoint: expected"):
        from_pyskl(x[0, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoint": None}, "floating-point array keypoint"),
        ({"keypoint": None, "raw_file": "a"}, "Kinetics"),
        ({"keypoint": np.zeros((1, 27, 25, 3), int)}, "floating-point array"),
        ({"keypoint": np.zeros((1, 27, 20, 3))}, "expected 25 joints, got 20"),
        ({"keypoint": np.zeros((27, 25, 3))}, r"\(m, t, v, c\)"),
        ({"keypoint": np.zeros((1, 27, 25, 4))}, "c 2 or 3"),
        ({"keypoint": np.zeros((0, 27, 25, 3))}, "c 2 or 3"),
        ({"keypoint": np.full((1, 27, 25, 3), np.nan)}, "NaN"),
        ({"keypoint": np.zeros((1, 27, 17, 2))}, "keypoint_score"),
        ({"keypoint": np.zeros((1, 27, 17, 2)), "keypoint_score": np.zeros((1, 26, 17))}, r"\(1, 27, 17\)"),
        ({"total_frames": 26}, "27 frames"),
        ({"label": -1}, "label in 0"),
        ({"label": "3"}, "got str"),
    ],
)
def test_a_damaged_annotation_is_refused_alone(tmp_path, change, message):
    path = write_pyskl(tmp_path, clips=3)
    written = pickle.loads(path.read_bytes())
    written["annotations"][0].update(change)
    path.write_bytes(pickle.dumps(written))
    clips = read_pyskl(path)
    with pytest.raises(ClipFormatError, match=f"clip 'S001C001P001R001A001': .*{message}"):
        clips[0]
    assert clips[1].label == 1


@pytest.mark.parametrize(
    "content", [{}, [], {"annotations": 3}, [3], [{"label": 1}], [{"frame_dir": "a"}] * 2, {"annotations": [], "b": 1}]
)
def test_other_pickles_are_no_pyskl(tmp_path, content):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ClipFormatError):
        read_pyskl(path)
    path.write_bytes(pickle.dumps({"annotations": [{"frame_dir": "a"}], "split": {"train": "a"}}))
    with pytest.raises(ClipFormatError, match="split"):
        read_pyskl(path)


# NW-UCLA


def test_ucla_gives_its_skeletons(tmp_path):
    paths = write_nw_ucla(tmp_path, clips=12)
    for i, path in enumerate(paths):
        clip, written = read_nw_ucla(path), json.loads(path.read_text())
        assert_whole(clip)
        assert (clip.name, clip.label) == (path.stem, i % 10)
        np.testing.assert_array_equal(clip.x[..., 0], np.float32(written["skeletons"]).transpose(2, 0, 1))
    assert read_nw_ucla(paths[9]).origin == {"action": 12, "subject": 1, "replication": 0, "view": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": 9}, "label 8 or 9|label 1 or 1"),
        ({"label": True}, "label"),
        ({"file_name": "a02_s01_e00_v01"}, "file_name"),
        ({"skeletons": []}, "not empty"),
        ({"skeletons": [[[0, 0, 0]] * 19]}, "frame 0: expected 20 joints, got 19"),
        ({"skeletons": [[[0, 0, 0]] * 20, [[0, 0]] * 20]}, "frame 1: expected three numbers"),
        ({"skeletons": [[[0, 0, "1"]] * 20]}, "three numbers"),
        ({"skeletons": [[[0, 0, True]] * 20]}, "three numbers"),
        ({"skeletons": [[[0, 0, float("nan")]] * 20]}, "got NaN"),
        ({"skeletons": [[[0, 0, 1e200]] * 20]}, "too large"),
        ({"skeletons": [[[0, 0, 10**90]] * 20]}, "too large"),
        ({"skeletons": [[[0, 0, 10**200]] * 20]}, "100 digits"),
    ],
)
def test_damaged_ucla_is_refused(tmp_path, change, message):
    path = write_nw_ucla(tmp_path, clips=1)[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ClipFormatError, match=message):
        read_nw_ucla(path)


def test_ucla_may_carry_the_number_of_the_action(tmp_path):
    path = write_nw_ucla(tmp_path, clips=10)[9]
    for number in (10, 12):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"label": number}))
        assert read_nw_ucla(path).label == 9


def test_broken_json_is_refused_with_its_line(tmp_path):
    path = tmp_path / "a01_s01_e00_v01.json"
    for content in (
        b"",
        b"\xff\xfe",
        b"[" * 200_000,
        b"1",
        b"null",
        b'{"label": 1}',
        b'{"label": ' + b"9" * 5000 + b"}",
    ):
        path.write_bytes(content)
        with pytest.raises(ClipFormatError):
            read_nw_ucla(path)
    path.write_text('{"label": 1,\n"skeletons": [[[0, 0 0]]]}')
    with pytest.raises(ClipFormatError, match="line 2: broken json") as caught:
        read_nw_ucla(path)
    assert caught.value.line == 2
    for name in ("a07_s01_e00_v01.json", "a01.json", "x.json"):
        with pytest.raises(ClipFormatError, match="expected a name"):
            read_nw_ucla(path.rename(tmp_path / name))
        path = tmp_path / name


# PKU-MMD


@pytest.mark.parametrize("part", [1, 2])
def test_pku_cuts_its_clips_with_both_ends(tmp_path, part):
    skeletons, labels, split = write_pku_mmd(tmp_path, part=part, clips=4)
    for skeleton, label in zip(skeletons, labels, strict=True):
        video = read_pku_mmd(skeleton, labels=label)
        rows = np.loadtxt(skeleton).astype(np.float32)
        for i, clip in enumerate(video):
            assert_whole(clip)
            action, start, end, _ = map(int, label.read_text().split("\n")[i].split(","))
            assert clip.x.shape[1] == end - start + 1 == 25
            for t in (0, end - start):
                np.testing.assert_array_equal(clip.x[:, t, 3, 1], rows[start - 1 + t, 75 + 9 : 75 + 12])
                np.testing.assert_array_equal(clip.x[:, t, 3, 0], rows[start - 1 + t, 9:12])
            assert clip.seen[:, 1].all() == (i % 2 == 0)
            assert clip.label == action - 1
            assert clip.name == f"{skeleton.stem}_{action}_{i}"
            assert clip.origin["view"] == " LMR".index(skeleton.stem[-1])
            assert ("video" in clip.origin) == (part == 1)
    parts = read_pku_mmd_split(split)
    assert sorted(parts.training + parts.validation) == sorted(path.stem for path in skeletons)
    assert parts.validation
    assert all(name.endswith("L") for name in parts.validation)


def test_a_body_whose_numbers_sum_to_nothing_is_seen(tmp_path):
    skeletons, labels, _ = write_pku_mmd(tmp_path, videos=1)
    row = ["1"] * 75 + ["0"] * 75
    row[75], row[76] = "1.5", "-1.5"
    skeletons[0].write_text(" ".join(row) + "\n")
    labels[0].write_text("1,1,1,2\n")
    assert read_pku_mmd(skeletons[0], labels=labels[0])[0].seen.all()


@pytest.mark.parametrize(
    ("which", "edit", "line", "message"),
    [
        (0, lambda lines: [*lines[:7], lines[7].rsplit(" ", 1)[0]], 8, "150 numbers.*got 149"),
        (0, lambda lines: [lines[0], lines[1] + " 1"], 2, "got more"),
        (0, lambda lines: [lines[0], "", lines[1]], 2, "empty line"),
        (0, lambda lines: [lines[0].replace(lines[0].split()[4], "nan", 1)], 1, "finite"),
        (0, lambda lines: [lines[0], lines[0].replace(lines[0].split()[4], "1e99", 1)], 2, "finite"),
        (0, lambda lines: [lines[0].replace(lines[0].split()[4], "1_0", 1)], 1, "finite"),
        (0, lambda lines: [lines[0].replace(lines[0].split()[4], "x", 1)], 1, "not a number"),
        (0, lambda lines: [], None, "no frame"),
        (1, lambda lines: [lines[0], "1,2,3"], 2, "four integers"),
        (1, lambda lines: ["1,2.5,3,2"], 1, "four integers"),
        (1, lambda lines: ["52,2,3,2"], 1, r"1\.\.51, got 52"),
        (1, lambda lines: ["0,2,3,2"], 1, r"1\.\.51, got 0"),
        (1, lambda lines: ["1,2," + "9" * 5000 + ",2"], 1, "four integers"),
        (1, lambda lines: [], None, "no label"),
    ],
)
def test_damaged_pku_is_refused_with_its_line(tmp_path, which, edit, line, message):
    skeletons, labels, _ = write_pku_mmd(tmp_path, videos=1)
    path = (skeletons, labels)[which][0]
    path.write_text("\n".join(edit(path.read_text().splitlines())))
    with pytest.raises(ClipFormatError, match=message) as caught:
        read_pku_mmd(skeletons[0], labels=labels[0])
    assert (caught.value.path, caught.value.line) == (path, line)


def test_a_label_outside_the_video_is_refused_alone(tmp_path):
    skeletons, labels, _ = write_pku_mmd(tmp_path, videos=1)
    labels[0].write_text("1,1,90,2\n2,60,91,2\n3,0,5,2\n4,9,8,2\n\n")
    video = read_pku_mmd(skeletons[0], labels=labels[0])
    assert video[0].x.shape[1] == 90
    for i, interval in ((1, r"60\.\.91"), (2, r"0\.\.5"), (-1, r"9\.\.8")):
        with pytest.raises(
            ClipFormatError, match=rf"line {i % 4 + 1}: expected frames within the video, 1\.\.90, .* {interval}"
        ):
            video[i]
    with pytest.raises(ClipFormatError, match="labels of video '0002-L'"):
        read_pku_mmd(skeletons[0], labels=labels[1])
    with pytest.raises(ClipFormatError, match=r"0002-L\.txt or A01N01-L"):
        read_pku_mmd(skeletons[0].rename(tmp_path / "x.txt"), labels=labels[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got 0 lines"),
        ("Training:\n0002-L\n", "got 2 lines"),
        ("0002-L\nTraining:\n0002-M\nValidation:\n", "heading"),
        ("a\n0002-L, 2-M\nb\n0003-L\n", "line 2: .* got '2-M'"),
        ("a\n0002-L\nb\n0002-L\n", "listed twice"),
    ],
)
def test_splits_that_are_refused(tmp_path, text, message):
    path = tmp_path / "cross-view.txt"
    path.write_text(text)
    with pytest.raises(ClipFormatError, match=message):
        read_pku_mmd_split(path)


def test_sets_are_drawn_from_their_seed(tmp_path):
    for write in (write_position_pair, write_pyskl, write_nw_ucla, write_pku_mmd):
        contents = []
        for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
            write(tmp_path / write.__name__ / folder, seed=seed)
            files = sorted(p for p in (tmp_path / write.__name__ / folder).rglob("*") if p.is_file())
            contents.append([path.read_bytes() for path in files])
        assert contents[0] == contents[1] != contents[2]
    with pytest.raises(ValueError, match="expected 1 or 2, got 3"):
        write_pku_mmd(tmp_path, part=3)


# Damage


def damaged(data, random_):
    data = bytearray(data)
    at = random_.randrange(len(data))
    kind = random_.choice(["byte", "cut", "drop", "repeat", "digits", "nan", "space", "head"])
    if kind == "byte":
        data[at] = random_.randrange(256)
    elif kind == "cut":
        del data[at:]
    elif kind == "drop":
        del data[at : at + random_.randint(1, 60)]
    elif kind == "repeat":
        data[at:at] = data[at : at + random_.randint(1, 60)]
    elif kind == "digits":
        data[at : at + 1] = random_.choice([b"99999999999999999999", b"-1", b"0", b"1e999", b"1_0"])
    elif kind == "nan":
        data[at : at + 1] = random_.choice([b"nan", b"NaN", b"inf", b"Infinity", b"null"])
    elif kind == "space":
        data[at : at + 1] = random_.choice([b"\n", b" ", b",", b"\x00", b"[", b"]", b"\r\n"])
    else:
        data[random_.randrange(min(len(data), 130))] = random_.randrange(256)
    return bytes(data)


def survive(folder, n, seed):
    """Reads n damaged files; only our error may come out. Gives how many could be read."""
    random_ = random.Random(seed)
    position, labels = write_position_pair(folder, clips=2, frames=20)
    skeletons, intervals, split = write_pku_mmd(folder, videos=1, clips=1)
    pyskl, ucla = write_pyskl(folder, clips=2), write_nw_ucla(folder, clips=1)[0]
    readers = [
        (position, lambda: list(read_position_pair(position, labels=labels))),
        (labels, lambda: list(read_position_pair(position, labels=labels))),
        (skeletons[0], lambda: list(read_pku_mmd(skeletons[0], labels=intervals[0]))),
        (intervals[0], lambda: list(read_pku_mmd(skeletons[0], labels=intervals[0]))),
        (split, lambda: read_pku_mmd_split(split)),
        (pyskl, lambda: list(read_pyskl(pyskl))),
        (ucla, lambda: read_nw_ucla(ucla)),
    ]
    read = 0
    for i in range(n):
        path, reader = readers[i % len(readers)]
        sound = path.read_bytes()
        path.write_bytes(damaged(sound, random_))
        with contextlib.suppress(ClipFormatError):
            for clip in reader():
                read += 1
                assert not hasattr(clip, "x") or np.isfinite(clip.x).all()
        path.write_bytes(sound)
    return read


def test_damaged_files_give_our_error_alone(tmp_path):
    assert survive(tmp_path, 420, seed=0) > 0


@pytest.mark.slow
def test_many_damaged_files_give_our_error_alone(tmp_path):
    assert survive(tmp_path, 21_000, seed=1) > 0
