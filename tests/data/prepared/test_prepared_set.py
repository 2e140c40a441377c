"""Reading prepared sets: batches against one clip at a time, epochs against a plain order, damage."""

import json
import pickle
import random
import shutil
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.data import ClipFormatError, PreparedSet, Preprocessing, RawClip, prepare

N = 23


def clip(i):
    x = np.random.default_rng(i).standard_normal((3, 4, 25, 1), dtype=np.float32)
    return RawClip(f"clip {i}", x, np.ones((4, 1), dtype=bool), i % 5, {"subject": i % 3} if i % 2 else {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "set"
    clips = [(f"clip {i}", partial(clip, i)) for i in range(N)]
    train = np.arange(N) % 4 > 0
    prepare(
        clips,
        out=out,
        layout="ntu-rgb+d",
        part=lambda names, origin: train,
        protocol="mine",
        shard=5,
        preprocessing=Preprocessing(frames=4, persons=1, center=None),
        class_names="abcdefg",
    )
    return out


def test_it_holds_what_was_prepared(folder):
    dataset = PreparedSet(folder)
    assert len(dataset) == N
    assert dataset.shape == (3, 4, 25, 1)
    assert (dataset.layout.name, dataset.num_classes, dataset.class_names) == ("ntu-rgb+d", 7, tuple("abcdefg"))
    assert dataset.origin["subject"].tolist() == [i % 3 if i % 2 else -1 for i in range(N)]
    for i, name in enumerate(dataset.names):
        assert name == f"clip {i}"
        np.testing.assert_array_equal(dataset[i].clip, clip(i).x)
        assert dataset[i].label == i % 5
    assert torch.equal(dataset[-1].clip, dataset[N - 1].clip)
    assert repr(dataset) == "PreparedSet(23 clips (3, 4, 25, 1), 7 classes)"
    dataset.verify()
    with pytest.raises(IndexError, match=r"0\.\.22, got 23"):
        dataset[N]


def test_parts(folder):
    train, test = PreparedSet(folder, part="train"), PreparedSet(folder, "test")
    assert sorted(train.names + test.names) == sorted(PreparedSet(folder).names)
    assert test.names == tuple(f"clip {i}" for i in range(0, N, 4))
    np.testing.assert_array_equal(test.batch([5, 1])[1], clip(4).x)
    assert test.labels.tolist() == [i % 5 for i in range(0, N, 4)]
    with pytest.raises(ValueError, match="part: expected one of"):
        PreparedSet(folder, part="val")


@given(st.lists(st.integers(0, N - 1), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_a_batch_is_its_clips_one_by_one(folder_once, places):
    batch = folder_once.batch(places)
    assert batch.dtype == torch.float32
    assert batch.is_contiguous()
    for x, i in zip(batch, places, strict=True):
        np.testing.assert_array_equal(x, clip(i).x)


@pytest.fixture(scope="module")
def folder_once(folder):
    return PreparedSet(folder)


def test_a_batch_is_a_copy(folder):
    dataset = PreparedSet(folder)
    dataset.batch([3]).zero_()
    assert dataset.batch([3]).any()


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([], "n at least 1"),
        ([[1]], "expected integers"),
        ([0.5], "float64"),
        ([N], r"0\.\.22"),
        ([-1], r"got -1\.\.-1"),
    ],
)
def test_indices_that_are_refused(folder, indices, message):
    with pytest.raises(ValueError, match=message):
        PreparedSet(folder).batch(indices)


@given(
    batch_size=st.integers(1, 6), world_size=st.integers(1, 3), seed=st.integers(0, 3), epoch=st.integers(0, 3),
    drop_last=st.booleans(), shuffle=st.booleans(),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_an_epoch_goes_once_through_the_set(folder_once, batch_size, world_size, seed, epoch, drop_last, shuffle):
    options = {"seed": seed, "epoch": epoch, "world_size": world_size, "drop_last": drop_last, "shuffle": shuffle}
    ranks = [list(folder_once.batches(batch_size, rank=rank, **options)) for rank in range(world_size)]
    for one in (sample for rank in ranks for sample in rank):
        np.testing.assert_array_equal(one.clip, folder_once.batch(one.index))
        assert torch.equal(one.label, folder_once.labels[one.index])
    seen = sorted(int(i) for rank in ranks for sample in rank for i in sample.index)
    step = batch_size * world_size
    if drop_last:
        assert {len(rank) for rank in ranks} == {N // step}
        assert {len(sample.index) for rank in ranks for sample in rank} == {batch_size}
        assert len(set(seen)) == len(seen) == N // step * step
    else:
        assert seen == list(range(N))
    alone = list(folder_once.batches(step, **{**options, "world_size": 1}))
    for i, whole in enumerate(alone):
        parts = [rank[i].index for rank in ranks if i < len(rank)]
        assert torch.equal(torch.cat(parts), whole.index), "a step has the same clips for any number of ranks"


def test_orders_repeat_and_differ_and_can_be_gone_on_with(folder):
    dataset = PreparedSet(folder)

    def order(**options):
        return [sample.index.tolist() for sample in dataset.batches(4, **{"seed": 1, "epoch": 2, **options})]

    assert order() == order() == [sample.index.tolist() for sample in PreparedSet(folder).batches(4, seed=1, epoch=2)]
    assert order() != order(epoch=3)
    assert order() != order(seed=2)
    assert order(seed=2, epoch=1) != order()
    for start in range(6):
        assert order(start=start) == order()[start:]
    assert [i for step in order(shuffle=False, drop_last=False) for i in step] == list(range(N))


def test_an_epoch_leaves_the_global_generators_alone(folder):
    def state():
        return np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    before = state()
    list(PreparedSet(folder).batches(4, seed=1, epoch=2))
    assert state() == before


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size: expected an integer >= 1"),
        ({"batch_size": 12, "world_size": 2}, ValueError, "expected 24 clips for a step, got a set of 23"),
        ({"rank": 1}, ValueError, r"rank: expected 0\.\.0, got 1"),
        ({"start": 6}, ValueError, r"start: expected 0\.\.5"),
        ({"seed": -1}, ValueError, "seed: expected an integer >= 0"),
        ({"epoch": 0.5}, TypeError, "epoch: expected an integer"),
    ],
)
def test_epochs_that_are_refused_at_once(folder, options, error, message):
    with pytest.raises(error, match=message):
        PreparedSet(folder).batches(**{"batch_size": 4, "seed": 0, "epoch": 0, **options})


def test_it_pickles_by_its_folder_and_feeds_a_loader(folder):
    dataset = PreparedSet(folder, part="test")
    dumped = pickle.dumps(dataset)
    assert len(dumped) < 500
    again = pickle.loads(dumped)
    assert again.names == dataset.names
    assert torch.equal(again.batch([0, 3]), dataset.batch([0, 3]))
    some = dataset.subset([2, 0])
    again = pickle.loads(pickle.dumps(some))
    assert (again.names, again.part) == (some.names, "test") == ((dataset.names[2], dataset.names[0]), "test")
    assert torch.equal(again.batch([0, 1]), dataset.batch([2, 0]))
    assert again.groups("subject").tolist() == dataset.origin["subject"][[2, 0]].tolist()
    assert again.digest == some.digest != dataset.digest
    (batch,) = torch.utils.data.DataLoader(dataset, batch_size=len(dataset))
    assert torch.equal(batch.clip, dataset.batch(range(len(dataset))))


def test_parts_keep_their_order(folder, tmp_path):
    assert PreparedSet(folder).layout == layouts.get("ntu-rgb+d")
    shutil.copytree(folder, tmp_path / "set")
    manifest = tmp_path / "set" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()), sort_keys=True))  # as they were once written
    assert PreparedSet(tmp_path / "set").layout == layouts.get("ntu-rgb+d")
    ntu = layouts.get("ntu-rgb+d").to_dict()
    mine = {**ntu, "name": "mine", "parts": dict(reversed(ntu["parts"].items()))}
    prepare([("clip 0", partial(clip, 0))], out=tmp_path / "mine", layout=mine)
    assert PreparedSet(tmp_path / "mine").layout == layouts.get(mine)


def test_no_set_and_an_empty_part(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no prepared set"):
        PreparedSet(tmp_path)
    clips = [("clip 0", partial(clip, 0))]
    prepare(clips, out=tmp_path / "bare", layout="ntu-rgb+d")
    assert len(PreparedSet(tmp_path / "bare")) == 1
    with pytest.raises(ValueError, match=r"no clip is in 'train' of '.*bare'; prepare it again with a protocol"):
        PreparedSet(tmp_path / "bare", part="train")


def test_damage_is_told(folder, tmp_path):
    def damaged(change):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        change(copy)
        return copy

    def edited(**values):
        def change(copy):
            manifest = json.loads((copy / "manifest.json").read_text())
            (copy / "manifest.json").write_text(json.dumps({**manifest, **values}))

        return change

    def no_character(copy):
        data = bytearray((copy / "index.npy").read_bytes())
        place = data.index("clip 7".encode("utf-32-le"))
        data[place : place + 4] = b"\xff" * 4
        (copy / "index.npy").write_bytes(data)

    for change, message in [
        (lambda copy: (copy / "clips-00001.npy").unlink(), "clips-00001.npy: the manifest names this file"),
        (lambda copy: (copy / "clips-00001.npy").write_bytes(b"\x93NUMPY"), "not a whole"),
        (lambda copy: np.save(copy / "clips-00001.npy", np.zeros((5, 3, 4, 25, 1))), "expected float32"),
        (lambda copy: np.save(copy / "index.npy", np.zeros(N)), "expected records"),
        (lambda copy: np.save(copy / "index.npy", np.load(copy / "index.npy")[:-1]), "expected 23 records"),
        (lambda copy: (copy / "manifest.json").write_text("{\n"), "line 2: broken json"),
        (lambda copy: (copy / "manifest.json").write_bytes(b"\xff"), "not read"),
        (lambda copy: (copy / "manifest.json").write_text("[" * 100000), "json"),
        (lambda copy: (copy / "manifest.json").write_text("[]"), "expected an object"),
        (edited(version=3), "version 1 or 2"),
        (edited(shape=[3, 5, 25, 1]), "damaged: ValueError shape"),
        (edited(sha256=None), "damaged: TypeError"),
        (lambda copy: np.save(copy / "clips-00001.npy", np.zeros((4, 3, 4, 25, 1), np.float32)), "as in the manifest"),
        (edited(shards=None), "damaged: TypeError"),
        (edited(settings={}), "damaged: KeyError"),
        (edited(index={"file": "index.npy"}), "damaged: KeyError"),
        (edited(shards=[{"file": "\0", "clips": N, "sha256": ""}]), "not a whole"),
        (no_character, "index.npy: a name that is no text"),
    ]:
        with pytest.raises(ClipFormatError, match=message):
            PreparedSet(damaged(change))

    def turned(copy):
        data = bytearray((copy / "clips-00002.npy").read_bytes())
        data[-1] ^= 1
        (copy / "clips-00002.npy").write_bytes(data)

    with pytest.raises(ClipFormatError, match=r"clips-00002\.npy: not what was written"):
        PreparedSet(damaged(turned)).verify()

    def changed(copy):
        manifest = json.loads((copy / "manifest.json").read_text())
        manifest["settings"]["preprocessing"]["center"] = "head"
        (copy / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(ClipFormatError, match="its settings differ from the preparation's settings"):
        PreparedSet(damaged(changed)).verify()
    shards = json.loads((folder / "manifest.json").read_text())["shards"]
    shards[2]["plan"] = "0" * 64
    with pytest.raises(ClipFormatError, match=r"clips-00002\.npy is of another preparation"):
        PreparedSet(damaged(edited(shards=shards))).verify()


@pytest.mark.parametrize("mutants", [300, pytest.param(10000, marks=pytest.mark.slow)])
def test_mutated_sets_are_read_or_refused_and_nothing_else(folder, tmp_path, mutants):
    rng = random.Random(0)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    read = 0
    for _ in range(mutants):
        path = copy / rng.choice(["manifest.json", "index.npy", "clips-00001.npy"])
        whole = path.read_bytes()
        mutant = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            mutant[rng.randrange(min(len(mutant), 1500))] = rng.randrange(256)
        if not rng.randrange(5):
            del mutant[rng.randrange(len(mutant)) :]
        path.write_bytes(mutant)
        try:
            dataset = PreparedSet(copy)
            dataset.batch(range(len(dataset)))
            read += 1
        except ClipFormatError:
            pass
        finally:
            path.write_bytes(whole)
    assert read > mutants // 10


def as_version_1(folder):
    """The set, with the manifest that version 0.2.0 would have written."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["plan_sha256"]
    settings = manifest["settings"].pop("preprocessing")
    settings["body"] = settings.pop("origin")
    del settings["scale"]
    shards = [{key: value for key, value in shard.items() if key != "plan"} for shard in manifest["shards"]]
    manifest |= {"version": 1, "settings": manifest["settings"] | settings, "shards": shards}
    path.write_text(json.dumps(manifest))


def test_a_set_of_version_0_2_opens_and_is_left_untouched(tmp_path):
    def make(**options):
        clips = [(f"clip {i}", partial(clip, i)) for i in range(4)]
        settings = Preprocessing(frames=4, persons=1, per="clip", origin="first")
        return prepare(clips, out=tmp_path, layout="ntu-rgb+d", preprocessing=settings, **options)

    make()
    expected = PreparedSet(tmp_path).batch(range(4))
    as_version_1(tmp_path)
    dataset = PreparedSet(tmp_path)
    dataset.verify()
    assert dataset.preprocessing == Preprocessing(frames=4, persons=1, per="clip", origin="first")
    assert dataset.batch(range(4)).equal(expected)
    assert make()["version"] == 1
    with pytest.raises(ValueError, match="other shard"):
        make(shard=2)
    assert make(overwrite=True)["version"] == 2


@pytest.mark.parametrize("name", ["camera", "nothing"])
def test_groups_of_another_name_are_refused(folder, name):
    with pytest.raises(ValueError, match=f"name: expected one of 'subject', got '{name}'"):
        PreparedSet(folder).groups(name)
