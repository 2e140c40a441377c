import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from skelblocks import layouts
from skelblocks.data import (
    ArrayDataset,
    Preprocessing,
    align_view,
    center,
    cross_subject,
    cross_view,
    normalize_scale,
    read_arrays,
    resample,
    synthetic_motion,
)

LENGTHS = [12, 7, 1, 9, 12, 3]


def make_clips(layout="nw-ucla", persons=1, frames=12):
    joints = layouts.get(layout).num_joints
    x = np.random.default_rng(0).standard_normal((6, 3, frames, joints, persons)).astype(np.float32)
    for clip, length in enumerate(LENGTHS):
        x[clip, :, length:] = 0
    return x


@pytest.fixture
def dataset():
    return ArrayDataset(
        make_clips(),
        layout="nw-ucla",
        labels=[0, 1, 2, 0, 1, 2],
        preprocessing=Preprocessing(frames=16),
        names=[f"clip{i}" for i in range(6)],
        class_names=["wave", "clap", "walk", "never seen"],
        subjects=[1, 1, 2, 2, 3, 3],
        views=[1, 2, 3, 1, 2, 3],
        arrays={"fold": [0, 1, 2, 3, 4, 5]},
    )


@pytest.mark.parametrize("layout", layouts.available())
@pytest.mark.parametrize("persons", [1, 2])
def test_centres_on_the_layouts_joint_and_resamples_the_true_frames(layout, persons):
    x = make_clips(layout, persons)
    got = ArrayDataset(x, layout=layout, preprocessing=Preprocessing(frames=20)).as_tensor()
    expected = resample(center(x, joint=layouts.get(layout).center), 20, length=LENGTHS)
    assert got.dtype == torch.float32
    np.testing.assert_array_equal(got.numpy(), expected)


def test_every_way_to_read_gives_the_same_clips(dataset):
    whole = dataset.as_tensor()
    assert whole.shape == (6, 3, 16, 20, 1)
    assert torch.stack([dataset[i].clip for i in range(6)]).equal(whole)
    assert torch.cat([batch.clip for batch in dataset.batches(4)]).equal(whole)
    loaded = list(DataLoader(dataset, batch_size=4))
    assert torch.cat([batch.clip for batch in loaded]).equal(whole)
    assert torch.cat([batch.label for batch in loaded]).equal(dataset.labels)
    assert torch.cat([batch.index for batch in loaded]).tolist() == list(range(6))
    assert dataset[-1].index == 5
    assert dataset[np.int64(2)].label == 2
    with pytest.raises(IndexError, match=r"0\.\.5, got 6"):
        dataset[6]


def test_options_reach_the_functions_of_their_name():
    x = make_clips(persons=2)

    def read(lengths=None, frames=None, **settings):
        settings = Preprocessing(frames=frames, **settings)
        return ArrayDataset(x, layout="nw-ucla", preprocessing=settings, lengths=lengths)

    got = read(center="head", per="clip", origin="first").as_tensor().numpy()
    np.testing.assert_array_equal(got, center(x, joint=3, per="clip", origin="first"))
    np.testing.assert_array_equal(read(center=None).as_tensor().numpy(), x)
    for mode in ("frame", "clip", "official"):
        got = read(center=None, align=mode).as_tensor().numpy()
        np.testing.assert_array_equal(got, align_view(x, left=4, right=8, mode=mode))
    for by in ("bones", "spine"):
        got = read(center=None, scale=by).as_tensor().numpy()
        np.testing.assert_array_equal(got, normalize_scale(x, layout="nw-ucla", by=by))
    got = read(center=None, persons=3).as_tensor().numpy()
    np.testing.assert_array_equal(got, np.pad(x, ((0, 0),) * 4 + ((0, 1),)))
    shorter = read(frames=5, center=None, lengths=[4, 3, 1, 2, 4, 3])
    np.testing.assert_array_equal(shorter.as_tensor().numpy(), resample(x, 5, length=[4, 3, 1, 2, 4, 3]))
    assert shorter.subset([4, 2]).as_tensor().equal(shorter.as_tensor()[[4, 2]])


def test_a_subset_takes_its_part_of_everything_and_shares_the_clips(dataset):
    part = dataset.subset(dataset.subjects != 2)
    assert part.as_tensor().equal(dataset.as_tensor()[[0, 1, 4, 5]])
    assert part.labels.tolist() == [0, 1, 1, 2]
    assert part.names == ("clip0", "clip1", "clip4", "clip5")
    assert part.subjects.tolist() == [1, 1, 3, 3]
    assert part.views.tolist() == [1, 2, 2, 3]
    assert part.arrays["fold"].tolist() == [0, 1, 4, 5]
    assert part.num_classes == dataset.num_classes == 4
    assert part._clips is dataset._clips
    again = part.subset(torch.tensor([3, 0]))
    assert again.names == ("clip5", "clip0")
    assert again[0].clip.equal(dataset[5].clip)
    assert again[0].index == 0


def test_shuffled_batches_come_from_the_generator_and_leave_the_global_one_alone(dataset):
    before = torch.get_rng_state()

    def order(seed):
        batches = dataset.batches(4, shuffle=True, generator=torch.Generator().manual_seed(seed))
        return torch.cat([batch.index for batch in batches]).tolist()

    assert order(0) == order(0) != list(range(6))
    assert sorted(order(1)) == list(range(6))
    assert torch.get_rng_state().equal(before)
    assert [len(batch.index) for batch in dataset.batches(4, drop_last=True)] == [4]
    for batch in dataset.batches(4, shuffle=True, generator=torch.Generator().manual_seed(3)):
        assert batch.clip.equal(dataset.as_tensor()[batch.index])
        assert batch.label.equal(dataset.labels[batch.index])


def test_without_labels_they_are_minus_one():
    dataset = ArrayDataset(make_clips(), layout="nw-ucla")
    assert dataset.labels.tolist() == [-1] * 6
    assert dataset.num_classes == 0
    assert dataset.names == ("0", "1", "2", "3", "4", "5")


def save(path, **arrays):
    plain = {
        "x": make_clips(),
        "y": np.array([0, 1, 2, 0, 1, 2]),
        "length": np.array(LENGTHS),
        "joint_names": np.array(layouts.get("nw-ucla").joints),
        "clip_name": np.array([f"clip{i}" for i in range(6)]),
        "class_names": np.array(["wave", "clap", "walk"]),
        "subject": np.array([1, 1, 2, 2, 3, 3]),
        "view": np.array([1, 2, 3, 1, 2, 3]),
        "is_train": np.array([True, True, True, False, False, False]),
        "fold": np.arange(6),
        "edges": np.zeros((19, 2), dtype=int),
    }
    np.savez(path, **{name: value for name, value in {**plain, **arrays}.items() if value is not None})
    return path


def test_a_file_is_read_with_everything_that_it_has(tmp_path, dataset):
    opened = ArrayDataset.from_file(save(tmp_path / "set.npz"), preprocessing=Preprocessing(frames=16))
    assert opened.as_tensor().equal(dataset.as_tensor())
    assert opened.layout == layouts.get("nw-ucla")
    assert opened.class_names == ("wave", "clap", "walk")
    assert opened.names[5] == "clip5"
    assert opened.subjects.tolist() == [1, 1, 2, 2, 3, 3]
    assert set(opened.arrays) == {"fold", "train"}
    train, test = (ArrayDataset.from_file(tmp_path / "set.npz", split=split) for split in ("train", "test"))
    assert train.names + test.names == opened.names
    assert repr(train) == "ArrayDataset(3 clips, 3 classes, layout='nw-ucla', frames=50, center='shoulder_center')"


def test_arrays_may_have_other_names(tmp_path):
    path = save(
        tmp_path / "set.npz",
        x=None,
        y=None,
        class_names=None,
        data=make_clips(),
        target=np.arange(6),
        half=np.arange(6) < 2,
    )
    opened = ArrayDataset.from_file(path, keys={"clips": "data", "labels": "target", "train": "half"}, split="train")
    assert opened.labels.tolist() == [0, 1]


def test_a_npy_file_is_mapped_not_read_and_pickles_by_its_name(tmp_path):
    np.save(tmp_path / "clips.npy", make_clips())
    np.save(tmp_path / "labels.npy", np.array([[0], [1], [2], [0], [1], [2]]))  # a column, as released code saves it
    opened = ArrayDataset.from_file(tmp_path / "clips.npy", layout="nw-ucla", labels=tmp_path / "labels.npy")
    assert isinstance(opened._clips, np.memmap)
    assert opened.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert opened.as_tensor().equal(ArrayDataset(make_clips(), layout="nw-ucla").as_tensor())
    part = opened.subset([4, 1])
    frozen = pickle.dumps(part)
    assert len(frozen) < make_clips().nbytes / 2
    twin = pickle.loads(frozen)
    assert isinstance(twin._clips, np.memmap)
    assert twin.as_tensor().equal(part.as_tensor())


def test_a_set_in_memory_pickles(dataset):
    twin = pickle.loads(pickle.dumps(dataset))
    assert twin.as_tensor().equal(dataset.as_tensor())
    assert repr(twin) == repr(dataset)


def test_worker_processes_read_the_same(tmp_path):
    np.save(tmp_path / "clips.npy", make_clips())
    opened = ArrayDataset.from_file(tmp_path / "clips.npy", layout="nw-ucla")
    loader = DataLoader(opened, batch_size=4, num_workers=1)
    assert torch.cat([batch.clip for batch in loader]).equal(opened.as_tensor())


def test_clips_are_not_written_to():
    x = make_clips()
    x.flags.writeable = False
    ArrayDataset(x, layout="nw-ucla", preprocessing=Preprocessing(align="official")).as_tensor().add_(1)
    untouched = ArrayDataset(x, layout="nw-ucla", preprocessing=Preprocessing(center=None, frames=None)).as_tensor()
    untouched.add_(1)  # the tensor is the caller's own
    np.testing.assert_array_equal(x, make_clips())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_coordinate_that_is_not_finite_is_found_by_its_clip(tmp_path, value):
    x = make_clips()
    x[3, 1, 0, 5, 0] = x[4, 0, 0, 0, 0] = value
    with pytest.raises(ValueError, match=r"in clip 'd' and 1 more.*nan='unseen'"):
        ArrayDataset(x, layout="nw-ucla", names=list("abcdef"))
    np.save(tmp_path / "x.npy", x)
    mapped = ArrayDataset.from_file(tmp_path / "x.npy", layout="nw-ucla")
    mapped[2]
    with pytest.raises(ValueError, match="in clip '3'"):
        mapped[3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clips": make_clips()[..., 0]}, r"5 axes \(n, c, t, v, m\), .* pass clips\[..., None\]"),
        ({"clips": make_clips()[:0]}, "none empty"),
        ({"layout": "ntu-rgb+d"}, "has 25 joints, the clips have 20; layouts with 20 joints: 'nw-ucla', 'utd-mhad'"),
        ({"clips": make_clips()[:, :, :, :7]}, "have 7; no layout with 7 joints is known; .* layouts.register"),
        ({"labels": [0, 1]}, r"labels: expected one label per clip, shape \(6,\), got shape \(2,\)"),
        ({"labels": [0, 1, 2, -1, 0, 0]}, "labels: expected integers from 0, got -1"),
        (
            {"labels": [0, 1, 2, 3, 0, 0], "class_names": list("abc")},
            r"labels: expected 0..2, one of class_names, got 3",
        ),
        ({"lengths": [1, 2, 3, 4, 5, 13]}, r"lengths: expected 1..12, .* got 1..13"),
        ({"lengths": [1, 2, 3, 4, 5, 0]}, r"lengths: expected 1..12, .* got 0..5"),
        ({"names": ["a"]}, "names: expected one entry for each of the 6 clips"),
        ({"subjects": [1, 2]}, "subjects: expected one entry for each of the 6 clips"),
        ({"arrays": {"fold": [1]}}, "fold: expected one entry for each of the 6 clips"),
        ({"frames": 0}, "frames: expected an integer >= 1, got 0"),
        ({"center": "nose"}, "has no joint 'nose'"),
        ({"center": 20}, r"center: expected a joint in 0..19"),
        ({"per": "day"}, "per: expected one of"),
        ({"align": "me"}, "align: expected one of"),
        ({"preprocessing": Preprocessing(align="frame"), "clips": make_clips()[:, :2]}, "align: .* got 2 .*align=None"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, message):
    arguments = {"clips": make_clips(), "layout": "nw-ucla", **change}
    with pytest.raises(ValueError, match=message):
        ArrayDataset(arguments.pop("clips"), **arguments)


def test_other_numbers_are_refused():
    with pytest.raises(TypeError, match="clips: expected a floating-point numpy array, got int64"):
        ArrayDataset(make_clips().astype(np.int64), layout="nw-ucla")
    with pytest.raises(TypeError, match=r"clips: .* got torch\.float32"):
        ArrayDataset(torch.zeros(2, 3, 5, 20, 1), layout="nw-ucla")
    with pytest.raises(TypeError, match=r"frames: expected an integer >= 1, got 2\.5"):
        ArrayDataset(make_clips(), layout="nw-ucla", frames=2.5)
    with pytest.raises(TypeError, match="lengths: expected integers, got float64"):
        ArrayDataset(make_clips(), layout="nw-ucla", lengths=[5.0] * 6)
    with pytest.raises(ValueError, match="clips: NaN or infinite coordinates in clip '0' and 5 more"):
        ArrayDataset(make_clips().astype(np.float64) + 1e39, layout="nw-ucla")
    with pytest.raises(TypeError, match="labels: expected integers, got float64"):
        ArrayDataset(make_clips(), layout="nw-ucla", labels=np.zeros(6))


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ([True] * 5, "mask of shape"),
        ([False] * 6, "select at least one clip"),
        ([0, 6], r"indices in 0..5"),
        ([0.5], "mask or indices"),
    ],
)
def test_a_wrong_selection_is_refused(dataset, selection, message):
    with pytest.raises(ValueError, match=message):
        dataset.subset(selection)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"x": None}, {}, r"has no array 'x' for the clips; it has .*keys=\{'clips': \.\.\.\}"),
        ({}, {"keys": {"labels": "target"}}, "has no array 'target' for the labels"),
        ({}, {"keys": {"color": "x"}}, "keys: expected names among"),
        ({"is_train": None}, {"split": "train"}, "expected an array 'is_train'"),
        ({}, {"split": "half"}, "split: expected one of"),
        ({"joint_names": None}, {}, "no names of their joints; pass the layout; layouts with 20 joints"),
        ({}, {"layout": "utd-mhad"}, "joints of 'utd-mhad' in another order, hip_center.*; pass 'nw-ucla'"),
        ({"x": make_clips()[..., 0]}, {}, "5 axes"),
        ({"clip_name": np.array([{}] * 6, dtype=object)}, {}, "pickled objects are not read"),
    ],
)
def test_a_wrong_file_says_what_is_missing(tmp_path, arrays, options, message):
    with pytest.raises(ValueError, match=message):
        ArrayDataset.from_file(save(tmp_path / "set.npz", **arrays), **options)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_arrays(tmp_path / "nothing.npz")
    for name, content, message in (
        ("set.pkl", b"", "expected a .npz or .npy file, got 'set.pkl'"),
        ("set.npz", b"PK\x03\x04 cut off", "not a whole numpy file"),
        ("empty.npy", b"", "not a whole numpy file"),
        ("pickle.npy", pickle.dumps([1]), "pickled objects are not read"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_arrays(tmp_path / name)
    np.save(tmp_path / "x.npy", np.zeros(3))
    for name, damage in (("x.npy", lambda content: content[:-8]), ("x.npz", lambda content: content[:300] + b"?" * 9)):
        np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random(99))
        (tmp_path / f"bad_{name}").write_bytes(damage((tmp_path / name).read_bytes()))
        with pytest.raises(ValueError, match="is not a whole numpy file"):
            read_arrays(tmp_path / f"bad_{name}")
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random(99))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[400] ^= 255  # another number, which the file's own checksum tells
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match="is not a whole numpy file: Bad CRC-32"):
        read_arrays(tmp_path / "x.npz")
    with pytest.raises(ValueError, match="leave keys out"):
        read_arrays(tmp_path / "x.npy", keys={"clips": "x"})


def test_splits():
    subjects = [1, 2, 3, 4, 5, 6]
    assert cross_subject(subjects, (1, 3, 5)).tolist() == [True, False] * 3
    assert cross_view(np.array([1, 2, 3]), {2, 3}).tolist() == [False, True, True]
    with pytest.raises(ValueError, match=r"train: no clip has \[9\]; subjects has \[1, 2"):
        cross_subject(subjects, (1, 9))
    assert cross_subject(subjects, (1, 9), allow_missing=True).sum() == 1
    with pytest.raises(ValueError, match="the test part is empty"):
        cross_view([1, 2], (1, 2))
    with pytest.raises(ValueError, match="the training part is empty"):
        cross_view([1, 2], ())
    with pytest.raises(ValueError, match="one per clip"):
        cross_subject([[1, 2]], (1,))


def performed(layout, **options):
    return synthetic_motion(layout, classes=2, subjects=2, frames=16, noise=0.0, **options).x.numpy()


def test_a_clip_of_another_skeleton_is_that_of_the_target():
    source, target = layouts.get("nw-ucla"), layouts.get("ntu-rgb+d")
    settings = Preprocessing(frames=16, to="ntu-rgb+d")
    remapped = ArrayDataset(performed(source), layout=source, preprocessing=settings)
    own = ArrayDataset(performed(target), layout=target, preprocessing=settings)
    assert remapped.layout == own.layout == target
    assert remapped.shape == own.shape == (3, 16, 25, 1)
    assert (remapped.preprocessing.source, own.preprocessing.source) == ("nw-ucla", None)
    assert remapped.preprocessing.differences(own.preprocessing, layout=target) == []
    error = (remapped.as_tensor() - own.as_tensor()).norm(dim=1).mean(dim=(0, 1, 3))
    measured = [target.index(name) for name in ("head", "elbow_left", "knee_right", "spine_base", "hand_left")]
    assert error[measured].max() < 1e-5
    assert error.max() < 0.15  # joints that are made, in meters
    head = remapped.select_joints(["head"]).as_tensor()
    assert head.equal(remapped.as_tensor()[:, :, :, [target.index("head")]])


def test_the_direction_of_y_is_decided_once_for_the_set():
    x = performed("coco-17")[:, :2]
    down = x * np.array([1, -1], dtype=np.float32)[:, None, None, None]
    down[0] = x[0]  # one person does a handstand
    auto = ArrayDataset(down, layout="coco-17", preprocessing=Preprocessing(frames=16, y="auto"))
    assert auto.preprocessing.y == "down"
    fixed = ArrayDataset(x, layout="coco-17", preprocessing=Preprocessing(frames=16, y="auto"))
    assert fixed.preprocessing.y == "up"
    assert auto.as_tensor()[1:].equal(fixed.as_tensor()[1:])
    assert auto.subset([0]).preprocessing.y == "down"
    assert pickle.loads(pickle.dumps(auto)).as_tensor().equal(auto.as_tensor())
    with pytest.raises(ValueError, match="y: expected a layout with shoulders and hips for 'auto', got 'hand-21'"):
        ArrayDataset(np.ones((1, 2, 3, 21, 1)), layout="hand-21", preprocessing=Preprocessing(y="auto"))
