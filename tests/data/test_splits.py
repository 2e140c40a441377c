import itertools

import numpy as np
import pytest

from skelblocks.data import (
    ArrayDataset,
    ClipFormatError,
    PkuMmdSplit,
    cross_subject,
    cross_view,
    leave_one_subject_out,
    parse_ntu_name,
    pku_mmd_split,
    protocol_split,
    read_missing_list,
    read_pku_mmd,
    read_pku_mmd_split,
)
from skelblocks.data.splits import boolean_mask
from skelblocks.testing import write_pku_mmd

NTU60 = "1 2 4 5 8 9 13 14 15 16 17 18 19 25 27 28 31 34 35 38"
NTU120 = NTU60 + " 45 46 47 49 50 52 53 54 55 56 57 58 59 70 74 78 80 81 82 83 84 85 86 89 91 92 93 94 95 97 98 100 103"


def everything(**largest):
    """Every combination, as a set would have it: an origin of arrays."""
    values = itertools.product(*(range(1, most + 1) for most in largest.values()))
    return dict(zip(largest, np.array(list(values)).T, strict=True))


@pytest.mark.parametrize(
    ("protocol", "by", "most", "train"),
    [
        ("ntu60-xsub", "subject", 40, list(map(int, NTU60.split()))),
        ("ntu60-xview", "camera", 3, [2, 3]),
        ("ntu120-xsub", "subject", 106, list(map(int, NTU120.split()))),
        ("ntu120-xset", "setup", 32, list(range(2, 33, 2))),
        ("nw-ucla-xview", "view", 3, [1, 2]),
    ],
)
def test_the_published_parts(protocol, by, most, train):
    origin = everything(**{"action": 4, by: most})
    mask = protocol_split(protocol, origin)
    assert mask.dtype == bool
    assert sorted(set(origin[by][mask].tolist())) == train
    assert set(origin[by][~mask].tolist()) == set(range(1, most + 1)) - set(train)
    assert mask.sum() == 4 * len(train)
    shuffled = np.random.default_rng(0).permutation(len(mask))
    again = protocol_split(protocol, {name: values[shuffled] for name, values in origin.items()})
    np.testing.assert_array_equal(again, mask[shuffled])


def test_sizes_of_the_parts_as_the_papers_give_them():
    assert len(NTU60.split()) == 20
    assert len(set(NTU120.split())) == 53


def test_origins_of_names():
    names = ["S002C001P001R001A001", "S001C002P003R002A060", "S004C003P002R001A010"]
    origins = [parse_ntu_name(name) for name in names]
    origin = {key: [one[key] for one in origins] for key in origins[0]}
    assert protocol_split("ntu60-xsub", origin, allow_missing=True).tolist() == [True, False, True]
    assert protocol_split("ntu60-xview", origin).tolist() == [False, True, True]
    assert protocol_split("ntu120-xset", origin, allow_missing=True).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("protocol", "origin", "message"),
    [
        ("ntu120-xview", {"camera": [1, 2]}, "protocol: expected one of 'ntu60-xsub', .* got 'ntu120-xview'"),
        ("ntu60-xsub", {"camera": [1, 2]}, r"origin: 'ntu60-xsub' goes by 'subject', got \['camera'\]"),
        ("ntu60-xsub", {"subject": [1, 45]}, r"subject in 1\.\.40 for 'ntu60-xsub', got 45: of another set"),
        ("ntu60-xview", {"camera": [2, 3], "action": [60, 61]}, r"action in 1\.\.60 .* got 61"),
        ("ntu60-xview", {"camera": [0, 1]}, r"camera in 1\.\.3 .* got 0"),
        ("ntu60-xview", {"camera": [2, 3], "action": [60]}, r"one action per clip, shape \(2,\), got \(1,\)"),
        ("ntu60-xview", {"camera": [[1, 2]]}, r"camera: expected one per clip, shape \(n,\)"),
        (
            "ntu60-xview",
            {"camera": [1, 2]},
            r"train: no clip has \[3\]; camera has \[1, 2\]; choose some of these; allow_missing",
        ),
        ("ntu60-xview", {"camera": [2, 3]}, "the test part is empty"),
    ],
)
def test_wrong_origins_say_what_was_expected(protocol, origin, message):
    with pytest.raises(ValueError, match=message):
        protocol_split(protocol, origin)


def test_other_origins_are_refused():
    with pytest.raises(TypeError, match="origin: expected integers for camera, got float64"):
        protocol_split("ntu60-xview", {"camera": [1.0, 2.5]})


def test_subjects_and_views_of_ones_own():
    assert cross_subject([1, 2, 1], (1,)).tolist() == [True, False, True]
    assert cross_view(np.array(["left", "right"]), ("left",)).tolist() == [True, False]


@pytest.mark.parametrize("part", [1, 2])
def test_pku_mmd_by_its_lists(tmp_path, part):
    skeletons, labels, listing = write_pku_mmd(tmp_path, part=part)
    split = read_pku_mmd_split(listing)
    names, videos = [], []
    for skeleton, label in zip(skeletons, labels, strict=True):
        clips = read_pku_mmd(skeleton, labels=label)
        names += [clip.name for clip in clips]
        videos += [clips.name] * len(clips)
    mask = pku_mmd_split(names, split)
    assert mask.tolist() == [video in split.training for video in videos]
    assert 0 < mask.sum() < len(mask)
    np.testing.assert_array_equal(pku_mmd_split(videos, split), mask)
    np.testing.assert_array_equal(pku_mmd_split(videos, split, rest="test"), mask)


def test_pku_mmd_videos_in_neither_list():
    split = PkuMmdSplit(("0002-L", "0009-L"), ("0003-L",))
    names = ["0002-L_1_0", "0003-L_1_0", "0004-L_1_0"]
    with pytest.raises(ValueError, match="1 videos, such as '0004-L', are in neither list; rest='test'"):
        pku_mmd_split(names, split)
    assert pku_mmd_split(names, split, rest="test").tolist() == [True, False, False]
    with pytest.raises(ValueError, match="rest: expected one of 'refuse', 'test'"):
        pku_mmd_split(names, split, rest="train")
    with pytest.raises(ValueError, match="split: the test part of 1 clips is empty"):
        pku_mmd_split(names[:1], split)
    with pytest.raises(ValueError, match="split: the training part of 0 clips is empty"):
        pku_mmd_split([], split)


def test_each_subject_is_left_out_once():
    subjects = np.array([7, 1, 7, 3])
    parts = list(leave_one_subject_out(subjects))
    assert [subject for subject, _ in parts] == [1, 3, 7]
    for subject, train in parts:
        np.testing.assert_array_equal(train, subjects != subject)
    assert [name for name, _ in leave_one_subject_out(["b", "a"])] == ["a", "b"]
    with pytest.raises(ValueError, match=r"at least two, got \[1\]"):
        leave_one_subject_out([1, 1])
    with pytest.raises(ValueError, match=r"shape \(n,\), got shape \(1, 2\)"):
        leave_one_subject_out([[1, 2]])


NAMES = {"S001C002P005R002A008", "S017C003P020R002A060", "S032C003P106R002A120"}


@pytest.mark.parametrize(
    "content",
    [
        b"S001C002P005R002A008\nS017C003P020R002A060\nS032C003P106R002A120\n",
        b"S001C002P005R002A008.skeleton\r\nS017C003P020R002A060.skeleton\r\n\r\nS032C003P106R002A120",
        b"\xef\xbb\xbfS001C002P005R002A008\n S017C003P020R002A060 \nS032C003P106R002A120\nS032C003P106R002A120\n",
        b"Missing skeletons of 3 samples, such as S001C001P001R001A001 \xe2\x80\x93\n=====\n\n"
        b"S032C003P106R002A120\nS017C003P020R002A060\nS001C002P005R002A008\n",
    ],
    ids=["plain", "suffix", "mark", "heading"],
)
def test_missing_lists(tmp_path, content):
    path = tmp_path / "missing.txt"
    path.write_bytes(content)
    assert read_missing_list(path) == NAMES
    assert read_missing_list(str(path)) == NAMES


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"", None, "got none"),
        (b"nothing is missing\n", None, "got none"),
        (b"S001C002P005R002A008\nand more\n", 2, "expected the form"),
        (b"heading here\nS001C002P005R002A00\n", 2, "expected the form"),
        (b"X001C002P005R002A008\nS001C002P005R002A008\n", 1, "expected the form"),
        (b"S001C002P005R002A008\nS001C002P005R002A121\n", 2, r"action in 1\.\.120, got 121"),
        (b"a word\n" * 21 + b"S001C002P005R002A008\n", 21, "expected the form"),
        (b"S001C002P005R002A008\n\xff\xfe\x00\n", 2, "expected the form"),
    ],
)
def test_wrong_lists_are_refused_with_their_line(tmp_path, content, line, reason):
    path = tmp_path / "missing.txt"
    path.write_bytes(content)
    with pytest.raises(ClipFormatError, match=reason) as error:
        read_missing_list(path)
    assert (error.value.path, error.value.line) == (path, line)


def mutate(seed, path):
    """Change lines, or damage bytes; names or our own error come out."""
    generator = np.random.default_rng(seed)
    lines = [b"some clips:", *sorted(name.encode() for name in NAMES)]
    for _ in range(generator.integers(1, 4)):
        at = int(generator.integers(len(lines)))
        kind = generator.integers(6)
        if kind == 0:
            lines.insert(at, b" " * int(generator.integers(4)))
        elif kind == 1:
            lines.insert(0, bytes(generator.choice([*b"abc =-"], 12).tolist()) + b" list")
        elif kind == 2:
            lines += lines[at:] * int(generator.integers(1, 20)) if at else []
        elif kind == 3 and len(lines) > 2:
            del lines[at]
        elif kind == 4:
            lines[at] += b".skeleton" if lines[at].startswith(b"S") else b"\r"
        else:
            lines[at] += b"\r"
    content = bytearray(b"\n".join(lines))
    if generator.random() < 0.5:
        at = int(generator.integers(len(content) + 1))
        kind = generator.integers(4)
        if kind == 0:
            content[at : at + 1] = generator.bytes(1)
        elif kind == 1:
            del content[at : at + int(generator.integers(1, 30))]
        elif kind == 2:
            content[at:at] = generator.bytes(int(generator.integers(1, 30)))
        else:
            del content[at:]
    path.write_bytes(content)
    try:
        found = read_missing_list(path)
    except ClipFormatError:
        return False
    assert found
    for name in found:
        parse_ntu_name(name)
    return True


def test_mutated_lists(tmp_path):
    read = [mutate(seed, tmp_path / "missing.txt") for seed in range(400)]
    assert 200 < sum(read) < 360  # at least half can still be read


@pytest.mark.slow
def test_many_mutated_lists(tmp_path):
    for seed in range(10_000, 20_000):
        mutate(seed, tmp_path / "missing.txt")


def test_no_such_list(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_missing_list(tmp_path / "missing.txt")


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ([1.0, np.nan, 3.0], ValueError, "subjects: expected a value for every clip, got none for clip 1"),
        ([1, None, 3], ValueError, "got none for clip 1"),
        (np.ma.masked_equal([1, 9, 3], 9), ValueError, "got none for clip 1"),
        (np.array([1, None, 3], dtype=object), ValueError, "got none for clip 1"),
        (["a", float("nan"), "b"], ValueError, "got none for clip 1"),
        (np.array(["a", float("nan"), "b"]), ValueError, "got 'nan' for clip 1"),
        (["a", " ", "b"], ValueError, "got ' ' for clip 1"),
        ([1, -1, 3], ValueError, "expected a known group for every clip, got -1 for clip 1"),
        (np.array([1, "a", 3], dtype=object), TypeError, "expected groups of one type, got int, str"),
        ([[1], [2], [3]], ValueError, r"shape \(n,\), got shape \(3, 1\)"),
    ],
)
def test_groups_that_are_not_known(groups, error, message):
    with pytest.raises(error, match=message):
        leave_one_subject_out(groups)
    with pytest.raises(error, match=message):
        cross_subject(groups, train=(1,))
    with pytest.raises(error, match=message.replace("subjects", "views")):
        cross_view(groups, train=(1,), allow_missing=True)
    dataset = ArrayDataset(np.ones((3, 3, 4, 20, 1)), layout="nw-ucla")
    dataset.arrays["fold"] = groups if isinstance(groups, np.ndarray) else np.array(groups, dtype=object)
    with pytest.raises((ValueError, TypeError), match=r"fold: expected"):
        dataset.groups("fold")


def test_groups_of_text_and_of_objects():
    assert [name for name, _ in leave_one_subject_out(np.array(["b", "a", "b"], dtype=object))] == ["a", "b"]
    assert cross_subject(np.array([1, 2, 1], dtype=object), train=(1,)).tolist() == [True, False, True]


def test_protocols_refuse_what_is_missing():
    with pytest.raises(ValueError, match=r"origin\['setup'\]: .* got none for clip 1"):
        protocol_split("ntu120-xset", {"setup": [1, None, 2]})
    with pytest.raises(ValueError, match="train: expected a value"):
        cross_subject([1, 2], train=(1, None))


def test_a_video_in_both_lists_is_named():
    both = PkuMmdSplit(training=("0002-L", "0003-L"), validation=("0003-L", "0004-L"))
    with pytest.raises(ValueError, match="split: expected parts without common names, got '0003-L' in both"):
        pku_mmd_split(["0002-L_17_0", "0004-L_1_0"], both)


@pytest.mark.parametrize(
    "values", [[True, False, True], [1, 0, 1], [1.0, 0.0, 1.0], np.array([True, False, True], object)]
)
def test_masks(values):
    mask = boolean_mask(values, name="is_train", n=3)
    assert mask.dtype == bool
    assert mask.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([1, 0, 2, 0], ValueError, "is_train: expected booleans, or 0 and 1, got 2 for clip 2"),
        ([1, -1, 1, 1], ValueError, "got -1 for clip 1"),
        ([1, 2, 1, 2], ValueError, "got 2 for clip 1"),
        ([1.0, 0.0, np.nan, 0.0], ValueError, "is_train: expected a value for every clip, got none for clip 2"),
        ([1.0, 0.5, 0.0, 0.0], ValueError, "got 0.5 for clip 1"),
        ([1, None, 0, 0], ValueError, "got none for clip 1"),
        (np.ma.masked_equal([1, 0, 7, 0], 7), ValueError, "got none for clip 2"),
        (["train", "test", "train", "test"], TypeError, "expected booleans, or 0 and 1, got <U5"),
        (["1", "0", "1", "0"], TypeError, "expected booleans"),
        ([[1, 0], [1, 0]], ValueError, "expected one value per clip"),
        ([1, 0, 1], ValueError, r"expected one value per clip, \(4,\), got shape \(3,\)"),
    ],
)
def test_masks_that_are_none(values, error, message):
    with pytest.raises(error, match=message):
        boolean_mask(values, name="is_train", n=4)
