"""Training reads whole batches ahead of its steps, from prepared sets of any size."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import options_of
from torch import nn

from skelblocks.data import ArrayDataset, PreparedSet, Preprocessing, RawClip, prepare
from skelblocks.training import MethodOptions, Output, RunFolder, make_fabric, pretrain

STATUS = Path("/proc/self/status")


class Mean(nn.Module):
    """The smallest method; it remembers which clips it saw."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, view, *, ids, epoch):
        self.seen.append((ids.tolist(), view))
        return Output((self.weight * view.mean() - 1).pow(2), [], {})

    def update(self, output, *, step, total_steps):
        pass

    def encoders(self):
        return {"joint": self}


def train(dataset, tmp_path, *, method=None, make_views=lambda clips, generator: [clips], **settings):
    method = method or Mean()
    settings = {"learning_rate": 0.01, "epochs": 1, "batch_size": 4, **settings}
    options = options_of(MethodOptions, folder=str(tmp_path / "run"), accelerator="cpu", **settings)
    with RunFolder(options.train.folder) as folder:
        pretrain(
            method,
            fabric=make_fabric(options.train),
            dataset=dataset,
            make_views=make_views,
            options=options,
            folder=folder,
        )
    return method


def clips(n=10, frames=4):
    return np.random.default_rng(0).standard_normal((n, 3, frames, 15, 1)).astype(np.float32)


def dataset(kind=ArrayDataset, **options):
    return kind(clips(), layout="sbu", preprocessing=Preprocessing(frames=4, center=None), **options)


class Whole(ArrayDataset):
    """Remembers what is asked of it, and by whom."""

    def batch(self, indices):
        self.__dict__.setdefault("asked", []).append((len(indices), threading.current_thread().name))
        return super().batch(indices)


class Doubled(ArrayDataset):
    """A subclass that changes single clips alone, which a batch would not show."""

    def __getitem__(self, index):
        return super().__getitem__(index)._replace(clip=2 * super().__getitem__(index).clip)


def test_a_thread_asks_for_whole_batches_and_ends(tmp_path):
    found = dataset(Whole)
    method = train(found, tmp_path)
    assert [asked for asked in found.asked if asked[0] == 4] == [(4, "prefetch")] * 2
    assert "prefetch" not in {thread.name for thread in threading.enumerate()}
    for ids, view in method.seen:
        assert view.equal(found.batch(ids))


def test_what_a_subclass_makes_of_single_clips_is_kept(tmp_path):
    found = dataset(Doubled)
    for ids, view in train(found, tmp_path).seen:
        assert view.equal(2 * found.batch(ids))


def test_a_step_that_fails_ends_the_thread(tmp_path):
    def broken(clips, generator):
        raise RuntimeError("views")

    with pytest.raises(RuntimeError, match="views"):
        train(dataset(), tmp_path, make_views=broken)
    assert "prefetch" not in {thread.name for thread in threading.enumerate()}


def million(folder):
    """A prepared set of a million clips, which takes no place on the disk."""
    clip = RawClip("", clips(1)[0], np.ones((4, 1), dtype=bool), 0, {})
    parts = [(str(i), lambda i=i: clip._replace(name=str(i))) for i in range(2)]
    prepare(parts, out=folder, layout="sbu", preprocessing=Preprocessing(frames=4, center=None))
    manifest = json.loads((folder / "manifest.json").read_text())
    (shard,) = manifest["shards"]
    shape = (1_000_000, *manifest["shape"])
    shard["clips"] = len(np.lib.format.open_memmap(folder / shard["file"], mode="w+", dtype=np.float32, shape=shape))
    shard.pop("seen", None)
    old = np.load(folder / manifest["index"]["file"])
    index = np.zeros(shape[0], dtype=[(name, "U7" if name == "name" else old.dtype[name]) for name in old.dtype.names])
    index["row"] = np.arange(len(index))
    index["name"] = index["row"].astype("U7")
    np.save(folder / manifest["index"]["file"], index)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return PreparedSet(folder)


def own_memory():
    """Bytes of this process that no file holds."""
    with STATUS.open() as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="memory is read from Linux's /proc")
def test_memory_stays_flat_over_a_million_clips(tmp_path):
    found, sizes = million(tmp_path / "set"), []
    assert len(found) == 1_000_000

    def watched(clips, generator):
        sizes.append(own_memory())
        return [clips[:1]]

    class Forgetful(Mean):
        def forward(self, view, *, ids, epoch):
            return Output((self.weight * view.mean() - 1).pow(2), [], {})

    train(found, tmp_path, method=Forgetful(), make_views=watched, batch_size=2048)
    assert len(sizes) == 488
    assert max(sizes[50:]) - sizes[50] < 30e6  # the clips are 720 MB
