import hashlib
import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skelblocks.data import ArrayDataset, Preprocessing
from skelblocks.encoders import pool
from skelblocks.evaluation import cached_features, extract_features
from skelblocks.testing import with_cuda


class Encoder(nn.Module):
    """A feature map (n, m, 4, t, v); the clips that went through are counted outside it."""

    def __init__(self, bias=0.0):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 1)
        nn.init.constant_(self.conv.weight, 0.3)
        nn.init.constant_(self.conv.bias, bias)

    def forward(self, x):
        SEEN.append(len(x))
        return self.conv(x).permute(0, 4, 1, 2, 3).tanh()


SEEN = []


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()


def clips(n=7, seed=0):
    x = torch.randn(n, 3, 6, 5, 2, generator=torch.Generator().manual_seed(seed))
    x[::3, ..., 1:] = 0
    return x


def double(x):
    return 2 * x


def maximum(feature_map, mask=None):
    return feature_map.amax(dim=(1, 3, 4))


def entries(folder):
    return sorted(path.stem for path in folder.glob("*.npy"))


def test_the_second_time_the_encoder_does_not_run(tmp_path):
    encoder, x = Encoder().train(), clips()
    expected = extract_features(encoder, x)
    first = cached_features(encoder, x, folder=tmp_path / "deep" / "er")
    runs = len(SEEN)
    again = cached_features(encoder, x, folder=tmp_path / "deep" / "er")
    assert len(SEEN) == runs
    assert first.equal(expected)
    assert again.equal(expected)
    assert encoder.training
    nn.Linear(4, 2)(again).sum().backward()  # ordinary tensors: a probe can be trained on them
    again.zero_()  # and on copies of what is kept
    assert cached_features(encoder, x, folder=tmp_path / "deep" / "er").equal(expected)


def test_the_record_can_be_read_and_the_features_too(tmp_path):
    features = cached_features(Encoder(), clips(), folder=tmp_path, settings={"stream": "joint", "sizes": (1, 2)})
    record = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert record["made_of"]["settings"] == {"stream": "joint", "sizes": [1, 2]}
    assert record["made_of"]["device"] == "cpu"
    assert record["made_of"]["skip_absent"] is False
    assert record["features"]["shape"] == [7, 4]
    array = np.load(next(tmp_path.glob("*.npy")), allow_pickle=False)
    assert np.array_equal(array, features.numpy())
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".npy"}


def test_whatever_changes_the_numbers_changes_the_key(tmp_path):
    base = {"encoder": Encoder(), "clips": clips()}
    named = {"settings": {"transform": "double", "pool": "max"}}
    calls = [
        {},
        {"encoder": Encoder(bias=1e-7)},
        {"encoder": Encoder().double(), "clips": clips().double()},
        {"clips": clips(seed=1)},
        {"clips": clips().flip(0)},
        {"skip_absent": True},
        {"settings": {"stream": "bone"}},
        {"settings": {"stream": "bone", "version": 2}},
        named,  # nothing but the name
        {**named, "transform": double},
        {**named, "pool": maximum},
        {**named, "pool": maximum, "transform": double},
    ]
    for call in calls:
        got = cached_features(**{**base, **call}, folder=tmp_path)
        options = {key: value for key, value in {**base, **call}.items() if key != "settings"}
        torch.testing.assert_close(got, extract_features(**options), rtol=0, atol=0)
    assert len(entries(tmp_path)) == len(calls)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = cached_features(**base, folder=tmp_path)
        assert cached_features(**base, folder=tmp_path).equal(rounded)
    assert rounded.dtype == torch.bfloat16
    assert len(entries(tmp_path)) == len(calls) + 1


def test_the_precision_of_float32_changes_the_key(tmp_path):
    cached_features(Encoder(), clips(), folder=tmp_path)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        cached_features(Encoder(), clips(), folder=tmp_path)
    finally:
        torch.set_float32_matmul_precision(before)
    assert len(entries(tmp_path)) == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_dtype_comes_back_bit_for_bit(tmp_path, dtype):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(180, 4)).to(dtype)
    first = cached_features(encoder, clips().to(dtype), folder=tmp_path)
    again = cached_features(encoder, clips().to(dtype), folder=tmp_path)
    assert first.dtype == again.dtype == dtype
    assert first.equal(again)


def test_batches_and_datasets_share_the_entry_of_the_tensor(tmp_path):
    dataset = ArrayDataset(
        np.random.default_rng(0).standard_normal((7, 3, 9, 20, 1)),
        layout="nw-ucla",
        preprocessing=Preprocessing(frames=8),
    )
    x = dataset.as_tensor()
    expected = extract_features(Encoder(), x)
    for clips in (dataset, DataLoader(dataset, batch_size=3), list(x.split(2)), TensorDataset(x), x):
        for path in tmp_path.iterdir():
            path.unlink()
        torch.testing.assert_close(cached_features(Encoder(), clips, folder=tmp_path, batch_size=2), expected)
        SEEN.clear()
        cached_features(Encoder(), x, folder=tmp_path)
        assert not SEEN
        assert len(entries(tmp_path)) == 1


def damaged(content):
    """Ways for a file to be wrong."""
    return [content[:-1], content[: len(content) // 2], b"", content + b"\0", content[:-9] + b"X" + content[-8:]]


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_damaged_files_are_made_again(tmp_path, suffix):
    expected = cached_features(Encoder(), clips(), folder=tmp_path)
    path = next(tmp_path.glob(f"*{suffix}"))
    whole = path.read_bytes()
    # The last line's end is no part of what a record says.
    for content in (
        *damaged(whole.rstrip() if suffix == ".json" else whole),
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b"[" * 100_000,
    ):
        path.write_bytes(content)
        SEEN.clear()
        assert cached_features(Encoder(), clips(), folder=tmp_path).equal(expected)
        assert SEEN, content[:20]
        assert path.read_bytes() == whole
    path.unlink()
    assert cached_features(Encoder(), clips(), folder=tmp_path).equal(expected)
    assert path.read_bytes() == whole


def test_another_entry_under_this_name_is_not_trusted(tmp_path):
    cached_features(Encoder(), clips(seed=1), folder=tmp_path)
    (other,) = entries(tmp_path)
    expected = cached_features(Encoder(), clips(), folder=tmp_path)
    (name,) = set(entries(tmp_path)) - {other}
    for suffix in (".npy", ".json"):
        (tmp_path / f"{other}{suffix}").replace(tmp_path / f"{name}{suffix}")
    assert cached_features(Encoder(), clips(), folder=tmp_path).equal(expected)


@pytest.mark.parametrize(
    "forged",
    [np.zeros((3, 8)), np.zeros(7), np.zeros((7, 8, 1)), np.full((7, 8), np.nan), np.zeros((7, 8), dtype=np.int64)],
)
def test_a_forged_record_with_a_valid_hash_is_made_again(tmp_path, forged):
    expected = cached_features(Encoder(), clips(7), folder=tmp_path)
    path, record_path = next(tmp_path.glob("*.npy")), next(tmp_path.glob("*.json"))
    np.save(path, forged)
    record = json.loads(record_path.read_text())
    about = {"dtype": str(forged.dtype), "shape": list(forged.shape)}
    record["features"] = {**about, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    record_path.write_text(json.dumps(record))
    assert cached_features(Encoder(), clips(7), folder=tmp_path).equal(expected)


def test_features_that_are_not_finite_are_not_kept(tmp_path):
    x = clips()
    x[0] = torch.nan
    assert cached_features(Encoder(), x, folder=tmp_path).isnan().any()
    assert not list(tmp_path.iterdir())


def test_pickles_are_never_read(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    expected = cached_features(Encoder(), clips(), folder=tmp_path)
    path, record_path = next(tmp_path.glob("*.npy")), next(tmp_path.glob("*.json"))
    np.save(path, np.array([Trap()], dtype=object), allow_pickle=True)
    record = json.loads(record_path.read_text())
    record["features"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    record_path.write_text(json.dumps(record))
    assert cached_features(Encoder(), clips(), folder=tmp_path).equal(expected)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        cached_features(Encoder(), clips(), folder=tmp_path)
    assert not list(tmp_path.iterdir())


def work(folder):
    torch.set_num_threads(1)
    return [cached_features(Encoder(), clips(), folder=folder).tolist() for _ in range(5)]


def test_threads_may_write_the_same_entry_at_once(tmp_path):
    with ThreadPoolExecutor(8) as workers:
        results = [workers.submit(cached_features, Encoder(), clips(), folder=tmp_path) for _ in range(16)]
        features = [result.result() for result in results]
    assert all(found.equal(features[0]) for found in features)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".npy"}
    SEEN.clear()
    assert cached_features(Encoder(), clips(), folder=tmp_path).equal(features[0])
    assert not SEEN


@pytest.mark.slow
def test_processes_may_write_the_same_entry_at_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as workers:
        results = workers.map(work, [tmp_path] * 4)
    assert all(result == results[0] for result in results)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".npy"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"transform": double}, ValueError, "settings: a transform was given and a function has no fingerprint; name"),
        ({"pool": maximum}, ValueError, "settings: a pool was given and a function has no fingerprint; name it"),
        ({"pool": maximum, "settings": {"stream": "bone"}}, ValueError, "settings: a pool was given"),
        ({"transform": double, "settings": {"stream": ""}}, ValueError, "settings: a transform was given"),
        ({"settings": {"rate": float("nan")}}, TypeError, "settings: expected what JSON can hold, got .*nan"),
        ({"settings": {"device": torch.device("cpu")}}, TypeError, "settings: expected what JSON can hold"),
        ({"encoder": double}, TypeError, r"encoder: expected a torch\.nn\.Module, got function"),
        ({"clips": iter(clips().split(2))}, TypeError, "clips: expected clips that can be read twice, got an iterator"),
        ({"clips": torch.zeros(2, 3, 6, 5)}, ValueError, "clips: expected 5 axes"),
    ],
)
def test_wrong_arguments_say_what_was_expected(tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        cached_features(**{"encoder": Encoder(), "clips": clips(), "folder": tmp_path, **change})
    assert not list(tmp_path.iterdir())


def test_a_loader_that_shuffles_or_augments_is_found_out(tmp_path):
    loader = DataLoader(TensorDataset(clips(64)), batch_size=8, shuffle=True)
    with pytest.raises(ValueError, match=r"clips: the two passes differ; .* without shuffling or augmentation"):
        cached_features(Encoder(), loader, folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stream", ["stream", "transform"])
def test_a_named_transform_is_taken(tmp_path, stream):
    got = cached_features(Encoder(), clips(), folder=tmp_path, transform=double, settings={stream: "double"})
    torch.testing.assert_close(got, pool(Encoder()(2 * clips())).detach())


@with_cuda
def test_on_cuda_and_for_each_kind_of_device_its_own(tmp_path):
    encoder = Encoder().cuda()
    first = cached_features(encoder, clips(), folder=tmp_path)
    again = cached_features(encoder, clips(), folder=tmp_path)
    assert first.is_cuda
    assert again.is_cuda
    assert first.equal(again)
    torch.testing.assert_close(cached_features(Encoder(), clips(), folder=tmp_path), first.cpu(), rtol=1e-2, atol=1e-2)
    assert len(entries(tmp_path)) == 2
