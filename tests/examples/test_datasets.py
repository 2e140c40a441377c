import numpy as np
import pytest
import torch
import train_skeletonclr
from datasets import DataOptions, groups, load_sets, match_joints, split_of
from finetune import FinetuneOptions, finetune
from small_run import small_sets, write_set

from skelblocks import layouts
from skelblocks.data import Preprocessing, find_clips, prepare
from skelblocks.encoders import STGCN
from skelblocks.testing import write_nw_ucla, write_pyskl

TREE = ["shoulder_center", "shoulder_left", "elbow_left", "hip_center", "hip_left", "head"]


def test_a_file_of_ones_own(small, tmp_path):
    path = write_set(tmp_path / "mine.npz", view=1 + np.arange(24) % 3)
    sets = load_sets(DataOptions(data=path, frames=16))
    assert sets.layout == layouts.get("utd-mhad")
    assert set(sets.train.subjects) == {1, 3}
    assert sets.train[0].clip.shape == (3, 16, 20, 1)
    cross_view = load_sets(DataOptions(data=path, frames=16, split="cross-view"))
    assert set(cross_view.train.views) == {1, 2}
    assert np.isfinite(train_skeletonclr.train(small(train_skeletonclr, data=path))["knn"])


def test_clips_without_labels_or_split(small, tmp_path):
    path = write_set(tmp_path / "mine.npz", y=None, subject=None)
    settings = small(train_skeletonclr, data=path, split="none")
    assert len(load_sets(settings).train) == 24
    assert "knn" not in train_skeletonclr.train(settings)
    assert (tmp_path / "run" / "embedding.png").exists()
    sets = load_sets(DataOptions(data=write_set(tmp_path / "half.npz", y=None), frames=16))
    sets.train.labels = torch.zeros(12, dtype=torch.int64)
    assert not sets.labelled  # the test part has none


def test_few_test_clips_and_nobody_in_the_first(small, tmp_path):
    x = np.random.default_rng(0).standard_normal((14, 3, 20, 20, 1)).astype(np.float32)
    x[12] = 0
    subject = np.array([1] * 12 + [2] * 2)
    path = write_set(tmp_path / "mine.npz", x=x, y=np.arange(14) % 2, subject=subject)
    train_skeletonclr.train(small(train_skeletonclr, data=path))
    pictures = {path.name for path in (tmp_path / "run").glob("*.png")}
    assert "clip.png" in pictures
    assert "embedding.png" not in pictures


def test_copies_of_training_clips_are_not_tested(tmp_path):
    copies = np.zeros(24, dtype=bool)
    copies[[1, 2, 5]] = True
    view = np.where(copies, 3, 1 + np.arange(24) % 3)
    path = write_set(tmp_path / "mine.npz", duplicate_of_other_view=copies, view=view)
    for split, tests in (("cross-view", (view == 3) & ~copies), ("cross-subject", np.arange(24) % 2 == 1)):
        sets = load_sets(DataOptions(data=path, split=split))
        assert sets.test.names == tuple(map(str, np.flatnonzero(tests)))  # copies across views only


@pytest.mark.parametrize(
    ("changes", "arrays", "error", "message"),
    [
        ({"data": "nowhere.npz"}, {}, FileNotFoundError, "there is no file"),
        ({"layout": "ntu-rgb+d"}, {}, ValueError, "'ntu-rgb\\+d' has 25 joints, the clips have 20"),
        ({"layout": "nw-ucla"}, {}, ValueError, "another order"),
        ({"split": "is_train"}, {}, ValueError, "has no array 'is_train'"),
        ({}, {"subject": None}, ValueError, "has no array 'subject'; choose another split"),
        ({"train_ids": [9]}, {}, ValueError, "no clip has \\[9\\]"),
        ({}, {"subject": ["p0", "p1"] * 12}, ValueError, "split: expected integers as 'subject' .*return_inverse"),
        ({"split": "cross-view", "train_ids": [1]}, {"view": ["a", "b"] * 12}, ValueError, "integers as 'view'"),
        ({}, {"subject": [2, 4] * 12}, ValueError, r"the odd ones train, but .* subject \[2, 4\]; .*--train_ids \[2\]"),
        ({}, {"subject": [1, 3] * 12}, ValueError, r"the odd ones train, but .* subject \[1, 3\]; .*--train_ids \[1\]"),
        ({"split": "fold"}, {"fold": [1] * 24}, ValueError, "all but the last train, but .*or let all train"),
        ({}, {"y": ["walk", "run"] * 12}, ValueError, "data: .*labels: expected integers, got <U4; numpy.unique"),
        ({"layout": "none.json"}, {}, FileNotFoundError, "layout: there is no file 'none.json'"),
        ({"batch_size": 10}, {}, ValueError, "batch_size: 10 is more than the 8 rows of the queue"),
        ({"batch_size": 64, "queue_size": 64}, {}, ValueError, "batch_size: 64 is more than the 12 training clips"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(small, tmp_path, changes, arrays, error, message):
    path = write_set(tmp_path / "mine.npz", **arrays)
    with pytest.raises(error, match=message):
        train_skeletonclr.train(small(train_skeletonclr, **{"data": path, **changes}))


def test_a_prepared_set(small, tmp_path):
    write_pyskl(tmp_path / "raw", clips=24, seed=0)
    found = find_clips("pyskl", tmp_path / "raw", protocol="xsub")
    folder = tmp_path / "set"
    prepare(
        found.clips,
        out=folder,
        layout=found.layout,
        protocol="xsub",
        part=found.part,
        preprocessing=Preprocessing(frames=16),
    )
    sets = load_sets(DataOptions(data=str(folder), frames=16))
    assert {*sets.train.names} | {*sets.test.names} == {name for name, _ in found.clips}
    assert np.isfinite(train_skeletonclr.train(small(train_skeletonclr, data=str(folder)))["knn"])
    for changes, message in (
        ({"frames": 20}, "frames: the set in .* was prepared with 16, not 20"),
        ({"frames": 16, "align": "clip"}, "align: the set in .* was prepared with None, not 'clip'"),
        ({"frames": 16, "layout": "nw-ucla"}, "layout: the set in .* was prepared with"),
        ({"frames": 16, "center": None}, "center: the set in .* was prepared with 'layout', not 'no centre'"),
        ({"frames": 16, "split": "cross-view"}, "split: the set in .* was prepared with 'cross-subject', not 'cross-v"),
        ({"frames": 16, "split": "fold"}, "split: the set in .* was prepared with 'cross-subject', not 'fold'"),
        ({"frames": 16, "train_ids": [1, 99]}, "train_ids: the set in .* was prepared to train on .*not \\[1, 99\\]"),
    ):
        with pytest.raises(ValueError, match=message):
            load_sets(DataOptions(data=str(folder), **changes))


def test_a_prepared_set_has_its_own_split(small, tmp_path):
    write_nw_ucla(tmp_path / "raw", clips=24, seed=0)
    found = find_clips("nw-ucla", tmp_path / "raw", protocol="xview")
    folder = str(tmp_path / "set")
    prepare(
        found.clips,
        out=folder,
        layout=found.layout,
        protocol="xview",
        part=found.part,
        preprocessing=Preprocessing(frames=16, center=None),
    )
    options = DataOptions(data=folder, frames=16)
    assert split_of(options) == "cross-view"
    assert {*groups(load_sets(options).test, "cross-view")} == {3}
    assert load_sets(DataOptions(data=folder, frames=16, center=None, split="cross-view", train_ids=[1, 2, 4]))
    for ids in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match=r"train_ids: the set in .* was prepared to train on \[1, 2\], not \[1"):
            load_sets(DataOptions(data=folder, frames=16, train_ids=ids))
    with pytest.raises(ValueError, match=r"split: the set in .* was prepared with 'cross-view', not 'cross-subject'"):
        load_sets(DataOptions(data=folder, frames=16, split="cross-subject"))
    train_skeletonclr.train(small(train_skeletonclr, data=folder))
    assert "split: cross-view" in (tmp_path / "run" / "config.yaml").read_text()
    assert "center: null" in (tmp_path / "run" / "config.yaml").read_text()


def test_a_prepared_set_has_a_skeleton_of_ones_own(tmp_path):
    write_nw_ucla(tmp_path / "raw", clips=24, seed=0)
    found = find_clips("nw-ucla", tmp_path / "raw", protocol="xview")
    mine = {**layouts.get("nw-ucla").to_dict(), "name": "mine"}
    layouts.save(mine, tmp_path / "mine.json")
    layouts.save({**mine, "swap": list(range(20))}, tmp_path / "other.json")
    folder = str(tmp_path / "set")
    prepare(
        found.clips, out=folder, layout=mine, protocol="xview", part=found.part, preprocessing=Preprocessing(frames=16)
    )
    for layout in (None, "mine", str(tmp_path / "mine.json")):
        assert load_sets(DataOptions(data=folder, frames=16, layout=layout)).layout == layouts.get(mine)
    with pytest.raises(ValueError, match=r"layout: the set in .* was prepared with 'mine', not '.*other.json'"):
        load_sets(DataOptions(data=folder, frames=16, layout=str(tmp_path / "other.json")))


def test_who_is_in_a_fold(tmp_path):
    path = write_set(tmp_path / "mine.npz", fold=1 + np.arange(24) % 4)
    sets = load_sets(DataOptions(data=path, split="fold", train_ids=[1, 2, 4]))
    assert {*groups(sets.train, "fold")} == {1, 2, 4}
    assert {*groups(sets.test, "fold")} == {3}
    assert groups(sets.test, "cross-view") is None


def test_joints_are_chosen_after_centring(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    whole = load_sets(DataOptions(data=path, frames=16, align="clip"))
    some = load_sets(DataOptions(data=path, frames=16, align="clip", joints=TREE[1:]))  # without the centre
    places = [whole.layout.index(joint) for joint in TREE[1:]]
    assert some.layout == layouts.restrict("utd-mhad", TREE[1:])
    for part, mine in zip(whole, some, strict=True):
        assert mine.as_tensor().equal(part.as_tensor()[:, :, :, places])
        assert mine[1].clip.equal(part[1].clip[:, :, places])
        assert mine.names == part.names
    again = some.train.select_joints(TREE[4:0:-1])
    assert again.as_tensor().equal(some.train.as_tensor()[:, :, :, [3, 2, 1, 0]])
    assert "center='shoulder_center'" in repr(again)
    shared = load_sets(DataOptions(data=path, joints="sbu"))
    assert shared.layout.joints == layouts.shared_joints("utd-mhad", "sbu")
    synthetic = small_sets(joints="nw-ucla")
    assert synthetic.layout.joints == layouts.shared_joints("sbu", "nw-ucla")


def test_joints_that_are_not_there_are_named(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    with pytest.raises(ValueError, match="layout 'utd-mhad' has no 'tail'"):
        load_sets(DataOptions(data=path, joints=["tail"]))
    with pytest.raises(ValueError, match="no layout is named 'tail'"):
        load_sets(DataOptions(data=path, joints="tail"))
    two = {"joints": ["palm", "tip"], "edges": [[1, 0]], "center": 0, "swap": [0, 1]}
    layouts.register({"name": "two", "parts": {"all": [0, 1]}, "bodies": {"all": [0, 1]}, **two})
    with pytest.raises(ValueError, match="'utd-mhad' and 'two' share no joint by name"):
        load_sets(DataOptions(data=path, joints="two"))
    with pytest.raises(ValueError, match="has no palm, tip; they share no joint by name"):
        match_joints(load_sets(DataOptions(data=path)), layouts.get("two"))


def test_a_prepared_set_keeps_its_joints(tmp_path):
    write_pyskl(tmp_path / "raw", clips=12, seed=0)
    found = find_clips("pyskl", tmp_path / "raw", protocol="xsub")
    folder = str(tmp_path / "set")
    prepare(
        found.clips,
        out=folder,
        layout=found.layout,
        protocol="xsub",
        part=found.part,
        preprocessing=Preprocessing(frames=16),
    )
    with pytest.raises(ValueError, match=r"joints: the prepared set in .* has all joints of"):
        load_sets(DataOptions(data=folder, frames=16, joints=["head"]))
    sets = load_sets(DataOptions(data=folder, frames=16))
    assert match_joints(sets, sets.layout) == sets
    with pytest.raises(ValueError, match=r"choose joints of an .npz file instead"):
        match_joints(sets, layouts.restrict(sets.layout, sets.layout.joints[:3]))
    encoder = STGCN(sets.layout, base_channels=4, out_channels=16)
    result = finetune(encoder, sets, FinetuneOptions(batch_size=2, epochs=1, learning_rate=0.01))
    assert result.logits.shape == (len(sets.test), sets.train.num_classes)
