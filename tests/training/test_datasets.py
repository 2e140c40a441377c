import functools

import numpy as np
import pytest
import torch
from small_run import write_set

from skelblocks import layouts
from skelblocks.data import Preprocessing, RawClip, find_clips, prepare
from skelblocks.testing import write_nw_ucla, write_pyskl
from skelblocks.training import DataOptions, groups, load_sets, match_joints, split_of

TREE = ["shoulder_center", "shoulder_left", "elbow_left", "hip_center", "hip_left", "head"]


def prepared(folder, *, write, name, protocol, layout=None, **settings):
    """The folder of a prepared set of 24 clips of 16 frames, and their names."""
    write(folder / "raw", clips=24, seed=0)
    found = find_clips(name, folder / "raw", protocol=protocol)
    found_options = {"layout": layout or found.layout, "protocol": protocol, "part": found.part}
    prepare(found.clips, out=folder / "set", **found_options, preprocessing=Preprocessing(frames=16, **settings))
    return str(folder / "set"), {name for name, _ in found.clips}


def test_a_file_of_own_clips(tmp_path):
    path = write_set(tmp_path / "mine.npz", view=1 + np.arange(24) % 3)
    sets = load_sets(DataOptions(path=path, frames=16))
    assert sets.layout == layouts.get("utd-mhad")
    assert set(sets.train.subjects) == {1, 3}
    assert sets.train[0].clip.shape == (3, 16, 20, 1)
    assert (sets.persons, sets.coordinates, sets.labeled) == (1, 3, True)
    cross_view = load_sets(DataOptions(path=path, frames=16, split="cross-view"))
    assert set(cross_view.train.views) == {1, 2}


def test_clips_without_labels_or_split(tmp_path):
    path = write_set(tmp_path / "mine.npz", y=None, subject=None)
    sets = load_sets(DataOptions(path=path, split="none"))
    assert len(sets.train) == len(sets.test) == 24
    assert not sets.labeled
    sets = load_sets(DataOptions(path=write_set(tmp_path / "half.npz", y=None), frames=16))
    sets.train.labels = torch.zeros(12, dtype=torch.int64)
    assert not sets.labeled  # the test part has no labels


def test_copies_of_training_clips_are_not_tested(tmp_path):
    copies = np.zeros(24, dtype=bool)
    copies[[1, 2, 5]] = True
    view = np.where(copies, 3, 1 + np.arange(24) % 3)
    path = write_set(tmp_path / "mine.npz", duplicate_of_other_view=copies, view=view)
    for split, tests in (("cross-view", (view == 3) & ~copies), ("cross-subject", np.arange(24) % 2 == 1)):
        sets = load_sets(DataOptions(path=path, split=split))
        assert sets.test.names == tuple(map(str, np.flatnonzero(tests)))  # copies across views only


@pytest.mark.parametrize(
    ("changes", "arrays", "error", "message"),
    [
        ({"path": "nowhere.npz"}, {}, FileNotFoundError, "there is no file"),
        ({"layout": "ntu-rgb+d"}, {}, ValueError, "'ntu-rgb\\+d' has 25 joints, the clips have 20"),
        ({"layout": "nw-ucla"}, {}, ValueError, "another order"),
        ({"split": "is_train"}, {}, ValueError, "expected an array 'is_train', .* choose cross-subject, or none"),
        ({}, {"subject": None}, ValueError, "expected an array 'subject', .* choose another split"),
        ({"train_ids": [9]}, {}, ValueError, "no clip has \\[9\\]"),
        (
            {},
            {"subject": ["p0", "p1"] * 12},
            ValueError,
            "split: expected integers in the array 'subject' .*return_inverse",
        ),
        (
            {"split": "cross-view", "train_ids": [1]},
            {"view": ["a", "b"] * 12},
            ValueError,
            "integers in the array 'view'",
        ),
        ({}, {"subject": [2, 4] * 12}, ValueError, r"the odd ones train, but .* subject \[2, 4\]; .*train_ids \[2\]"),
        ({}, {"subject": [1, 3] * 12}, ValueError, r"the odd ones train, but .* subject \[1, 3\]; .*train_ids \[1\]"),
        ({"split": "fold"}, {"fold": [1] * 24}, ValueError, "all but the last train, but .*To pretrain on all clips"),
        ({}, {"y": ["walk", "run"] * 12}, ValueError, "data.path: .*labels: expected integers, got <U4; numpy.unique"),
        ({"layout": "none.json"}, {}, FileNotFoundError, "layout: there is no file 'none.json'"),
    ],
)
def test_errors_name_the_option_that_is_wrong(tmp_path, changes, arrays, error, message):
    path = write_set(tmp_path / "mine.npz", **arrays)
    with pytest.raises(error, match=message):
        load_sets(DataOptions(**{"path": path, **changes}))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([1, 0, 2, 0] * 6, "data.split: .*is_train: expected booleans, or 0 and 1, got 2 for clip 2"),
        ([1.0, 0.0, np.nan, 0.0] * 6, "expected a value for every clip, got none for clip 2"),
        ([1, 2] * 12, "got 2 for clip 1"),
        ([1, -1] * 12, "got -1 for clip 1"),
        (["train", "test"] * 12, "expected booleans, or 0 and 1, got <U5"),
        ([1.0, 0.5] * 12, "got 0.5 for clip 1"),
        ([True] * 24, "marks all clips"),
        ([0] * 24, "marks no clip"),
    ],
    ids=str,
)
def test_a_split_mask_that_is_no_mask(tmp_path, mask, message):
    path = write_set(tmp_path / "mine.npz", is_train=np.array(mask))
    with pytest.raises(ValueError, match=message):
        load_sets(DataOptions(path=path, split="is_train"))


@pytest.mark.parametrize("kind", [bool, int, float, np.uint8])
def test_split_masks(tmp_path, kind):
    path = write_set(tmp_path / "mine.npz", is_train=(np.arange(24) < 10).astype(kind))
    sets = load_sets(DataOptions(path=path, split="is_train"))
    assert (len(sets.train), len(sets.test)) == (10, 14)


def test_clips_that_hold_nothing_are_refused(tmp_path):
    x = np.random.default_rng(0).standard_normal((24, 3, 20, 20, 1)).astype(np.float32)
    odd = np.arange(24) % 2 == 0  # the training subjects 1 and 3

    def load(clips):
        return load_sets(DataOptions(path=write_set(tmp_path / "mine.npz", x=clips), frames=16))

    for clips, message in (
        (np.zeros_like(x), "all 12 training clips of .* are zero after preprocessing"),
        (x * odd[:, None, None, None, None], "all 12 test clips of .* are zero"),
        (x * ~odd[:, None, None, None, None], "all 12 training clips of .* are zero"),
        (np.ones_like(x), "all 12 training clips of .* are zero after preprocessing"),  # every joint in one place
        (np.where(odd[:, None, None, None, None], x[:1], x), "all 12 clips of .* are equal"),
    ):
        with pytest.raises(ValueError, match=message):
            load(clips)
    x[0] = 0  # one clip in which nobody is seen
    assert len(load(x).train) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nope": 1}, "data.synthetic: expected some of classes, .*, got nope"),
        ({"layout": 1}, "data.synthetic: expected some of classes, .*, got layout"),
        ({"classes": 1}, "classes"),
        ({"frames": 2.5}, "data.synthetic.frames: expected an integer >= 0, got 2.5"),
    ],
)
def test_synthetic_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_sets(DataOptions(layout="sbu", synthetic=arguments))


def test_a_prepared_set(tmp_path):
    folder, names = prepared(tmp_path, write=write_pyskl, name="pyskl", protocol="xsub")
    sets = load_sets(DataOptions(path=folder, frames=16))
    assert {*sets.train.names} | {*sets.test.names} == names
    for changes, message in (
        ({"frames": 20}, "data.frames: the set in .* was prepared with 16, not 20"),
        ({"align": "clip"}, "data.align: the set in .* was prepared with None, not 'clip'"),
        ({"layout": "nw-ucla"}, "data.layout: the set in .* was prepared with"),
        ({"center": None}, "data.center: the set in .* was prepared with 'layout', not None"),
        ({"split": "cross-view"}, "data.split: the set in .* was prepared with 'cross-subject', not 'cross-v"),
        ({"split": "fold"}, "data.split: the set in .* was prepared with 'cross-subject', not 'fold'"),
        ({"train_ids": [1, 99]}, "train_ids: the set in .* was prepared with training ids .*not \\[1, 99\\]"),
        ({"joints": ["head"]}, "data.joints: expected none with the prepared set .* has all joints of"),
    ):
        with pytest.raises(ValueError, match=message):
            load_sets(DataOptions(**{"path": folder, "frames": 16, **changes}))
    assert match_joints(sets, sets.layout) == sets
    with pytest.raises(ValueError, match=r"or use an .npz file"):
        match_joints(sets, layouts.restrict(sets.layout, sets.layout.joints[:3]))


def test_a_prepared_set_has_its_own_split(tmp_path):
    folder, _ = prepared(tmp_path, write=write_nw_ucla, name="nw-ucla", protocol="xview", center=None)
    options = DataOptions(path=folder, frames=16)
    assert split_of(options) == "cross-view"
    assert {*groups(load_sets(options).test, "cross-view")} == {3}
    assert load_sets(DataOptions(path=folder, frames=16, center=None, split="cross-view", train_ids=[1, 2, 4]))
    for ids in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match=r"train_ids: .* was prepared with training ids \[1, 2\], not \[1"):
            load_sets(DataOptions(path=folder, frames=16, train_ids=ids))
    with pytest.raises(ValueError, match=r"split: the set in .* was prepared with 'cross-view', not 'cross-subject'"):
        load_sets(DataOptions(path=folder, frames=16, split="cross-subject"))


def test_a_prepared_set_of_an_own_skeleton(tmp_path):
    mine = {**layouts.get("nw-ucla").to_dict(), "name": "mine"}
    layouts.save(mine, tmp_path / "mine.json")
    layouts.save({**mine, "swap": list(range(20))}, tmp_path / "other.json")
    folder, _ = prepared(tmp_path, write=write_nw_ucla, name="nw-ucla", protocol="xview", layout=mine)
    for layout in (None, "mine", str(tmp_path / "mine.json")):
        assert load_sets(DataOptions(path=folder, frames=16, layout=layout)).layout == layouts.get(mine)
    with pytest.raises(ValueError, match=r"layout: the set in .* was prepared with 'mine', not '.*other.json'"):
        load_sets(DataOptions(path=folder, frames=16, layout=str(tmp_path / "other.json")))


def test_groups_of_a_fold(tmp_path):
    path = write_set(tmp_path / "mine.npz", fold=1 + np.arange(24) % 4)
    sets = load_sets(DataOptions(path=path, split="fold", train_ids=[1, 2, 4]))
    assert {*groups(sets.train, "fold")} == {1, 2, 4}
    assert {*groups(sets.test, "fold")} == {3}
    assert groups(sets.test, "cross-view") is None


def test_joints_are_chosen_after_centering(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    whole = load_sets(DataOptions(path=path, frames=16, align="clip"))
    some = load_sets(DataOptions(path=path, frames=16, align="clip", joints=TREE[1:]))  # without the center
    places = [whole.layout.index(joint) for joint in TREE[1:]]
    assert some.layout == layouts.restrict("utd-mhad", TREE[1:])
    for part, mine in zip(whole, some, strict=True):
        assert mine.as_tensor().equal(part.as_tensor()[:, :, :, places])
        assert mine.names == part.names
    shared = load_sets(DataOptions(path=path, joints="sbu"))
    assert shared.layout.joints == layouts.shared_joints("utd-mhad", "sbu")
    synthetic = {"classes": 3, "subjects": 4, "views": 2, "frames": 16, "seed": 0}
    sets = load_sets(DataOptions(layout="sbu", frames=16, joints="nw-ucla", synthetic=synthetic))
    assert sets.layout.joints == layouts.shared_joints("sbu", "nw-ucla")


def test_missing_joints_are_named(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    with pytest.raises(ValueError, match="layout 'utd-mhad' has no 'tail'"):
        load_sets(DataOptions(path=path, joints=["tail"]))
    with pytest.raises(ValueError, match="no layout is named 'tail'"):
        load_sets(DataOptions(path=path, joints="tail"))
    two = {"joints": ["palm", "tip"], "edges": [[1, 0]], "center": 0, "swap": [0, 1]}
    layouts.register({"name": "two", "parts": {"all": [0, 1]}, "bodies": {"all": [0, 1]}, **two})
    with pytest.raises(ValueError, match="shares joint names with 'utd-mhad', got 'two'"):
        load_sets(DataOptions(path=path, joints="two"))
    with pytest.raises(ValueError, match="has no palm, tip; they share no joint by name"):
        match_joints(load_sets(DataOptions(path=path)), layouts.get("two"))


def test_a_set_of_another_skeleton(tmp_path):
    folder, _ = prepared(
        tmp_path, write=write_nw_ucla, name="nw-ucla", protocol="xview", to="ntu-rgb+d", y="down", coordinates=2
    )
    for options in (
        {},
        {"layout": "nw-ucla"},
        {"layout": "ntu-rgb+d"},
        {"to": "ntu-rgb+d", "y": "down", "coordinates": 2},
        {"y": "auto"},
    ):
        sets = load_sets(DataOptions(path=folder, frames=16, **options))
        assert (sets.layout.name, sets.coordinates) == ("ntu-rgb+d", 2)
    for options, message in (
        ({"to": "sbu"}, "data.to: the set in .* was prepared with 'ntu-rgb\\+d', not 'sbu'"),
        ({"coordinates": 3}, "data.coordinates: the set in .* was prepared with 2, not 3"),
        ({"layout": "sbu"}, "data.layout: the set in .* was prepared with 'nw-ucla', not 'sbu'"),
    ):
        with pytest.raises(ValueError, match=message):
            load_sets(DataOptions(path=folder, frames=16, **options))
    layouts.save({**layouts.get("ntu-rgb+d").to_dict(), "name": "mine"}, tmp_path / "mine.json")
    settings = {"layout": "nw-ucla", "frames": 16, "synthetic": {"classes": 2, "subjects": 4, "frames": 16}}
    sets = load_sets(DataOptions(**settings, to=str(tmp_path / "mine.json")))
    assert (sets.layout.name, sets.train.preprocessing.source) == ("mine", "nw-ucla")


@pytest.mark.parametrize("apart", [True, False])
def test_a_recording_that_trains_is_not_tested(tmp_path, apart):
    rng = np.random.default_rng(0)
    clips = [
        (f"{recording}_{window}", rng.standard_normal((3, 16, 20, 1), dtype=np.float32), recording, window)
        for recording in range(2)
        for window in range(3)
    ]
    seen = np.ones((16, 1), dtype=bool)
    sources = [
        (name, functools.partial(RawClip, name, x, seen, window % 2, {"recording": recording}))
        for name, x, recording, window in clips
    ]
    train = [recording == 0 if apart else window < 2 for _, _, recording, window in clips]
    prepare(
        sources,
        out=tmp_path / "set",
        layout="nw-ucla",
        preprocessing=Preprocessing(frames=16, persons=1),
        part=lambda names, origin: np.array(train),
        origin_names={"recording": ["monday", "tuesday"]},
    )
    options = DataOptions(path=str(tmp_path / "set"), frames=16)
    if apart:
        assert len(load_sets(options).test) == 3
    else:
        with pytest.raises(ValueError, match=r"data.path: 2 recordings of .* such as 'monday'; split by recording"):
            load_sets(options)
    assert len(load_sets(DataOptions(path=str(tmp_path / "set"), frames=16, split="none")).test) == 6


def test_auto_turns_the_shoulders_where_there_are_any(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    turned = load_sets(DataOptions(path=path, align="auto"))
    assert turned.train.preprocessing.align == "official"
    assert turned.train[0].clip.equal(load_sets(DataOptions(path=path, align="official")).train[0].clip)
    flat = load_sets(DataOptions(path=path, align="auto", coordinates=2))
    assert flat.train.preprocessing.align is None
    hand = write_set(tmp_path / "hand.npz", layout="hand-21")
    assert load_sets(DataOptions(path=hand, layout="hand-21", align="auto")).train.preprocessing.align is None


def test_a_prepared_set_keeps_its_alignment_with_auto(tmp_path):
    folder, _ = prepared(tmp_path, write=write_nw_ucla, name="nw-ucla", protocol="xview", align="clip")
    assert load_sets(DataOptions(path=folder, frames=16, align="auto")).train.preprocessing.align == "clip"
