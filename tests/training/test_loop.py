import json
import math

import numpy as np
import pytest
import torch
from small_run import options_of
from torch import nn

from skelblocks.data import ArrayDataset, Preprocessing
from skelblocks.training import (
    MethodOptions,
    NonFiniteLossError,
    Output,
    RunFolder,
    TrainOptions,
    derive_seed,
    epoch_batches,
    learning_rate,
    make_fabric,
    pretrain,
)


def options(tmp_path, **changes):
    settings = {"epochs": 4, "batch_size": 4, "learning_rate": 0.05, "milestones": [3], "every": 2}
    return options_of(MethodOptions, folder=str(tmp_path / "run"), accelerator="cpu", **{**settings, **changes})


class Denoiser(nn.Module):
    """The smallest method: dropout, a batch norm and a buffer, so that a resume has something to get wrong."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(15, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 15))
        self.register_buffer("updates", torch.zeros(()))

    def forward(self, view, *, ids, epoch):
        x = view.mean(dim=(1, 2, 4))
        loss = (self.net(x) - x).pow(2).mean()
        return Output(loss, [], {"error": loss.detach()})

    def update(self, output, *, step, total_steps):
        self.updates += 1
        assert step == self.updates  # a resume counts on
        assert total_steps in (3 * 2, 4 * 2)  # epochs of two batches

    def encoders(self):
        return {"joint": self.net}


@pytest.fixture
def dataset():
    clips = np.random.default_rng(0).standard_normal((10, 3, 8, 15, 1)).astype(np.float32)
    return ArrayDataset(
        clips,
        layout="sbu",
        labels=np.arange(10) % 2,
        preprocessing=Preprocessing(frames=8),
        names=[f"clip{i}" for i in range(10)],
    )


def noisy(clips, generator):
    return [clips + 0.1 * torch.randn(clips.shape, generator=generator)]


def run(dataset, settings, *, make_views=noisy, evaluate=None):
    method = Denoiser()
    with RunFolder(settings.train.folder) as folder:
        history = pretrain(
            method,
            fabric=make_fabric(settings.train),
            dataset=dataset,
            make_views=make_views,
            options=settings,
            folder=folder,
            evaluate=evaluate,
        )
    return method, history


def batches(count, settings, epoch, **processes):
    train = settings.train
    return epoch_batches(count, batch_size=train.batch_size, seed=train.seed, epoch=epoch, **processes)


def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, dataset):
    whole, whole_history = run(dataset, options(tmp_path / "whole"))
    settings, calls = options(tmp_path / "cut"), []

    def interrupted(clips, generator):
        calls.append(1)
        if len(calls) == 6:  # the second step of the third epoch
            raise KeyboardInterrupt
        return noisy(clips, generator)

    with pytest.raises(KeyboardInterrupt):
        run(dataset, settings, make_views=interrupted)
    resumed, history = run(dataset, settings)
    assert resumed.updates == whole.updates == 8
    for name, tensor in whole.state_dict().items():
        assert resumed.state_dict()[name].equal(tensor), name
    for row, whole_row in zip(history, whole_history, strict=True):
        assert row["loss"] == whole_row["loss"]
    lines = [json.loads(line) for line in (tmp_path / "cut" / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]


def test_without_resume_a_run_starts_again_and_with_nothing_left_to_do_it_ends_at_once(tmp_path, dataset):
    settings = options(tmp_path)
    first, history = run(dataset, settings)
    again, same = run(dataset, settings)
    assert same == history
    assert again.net[0].weight.equal(first.net[0].weight)
    _, afresh = run(dataset, options(tmp_path, resume=False))
    assert [row["loss"] for row in afresh] == [row["loss"] for row in history]
    assert afresh[0]["clips_per_second"] != history[0]["clips_per_second"]


def test_a_loss_that_is_not_finite_stops_names_the_samples_and_keeps_the_checkpoint(tmp_path, dataset):
    settings, seen = options(tmp_path), []

    def poisoned(clips, generator):
        seen.append(1)
        return [clips * (math.nan if len(seen) == 4 else 1)]

    with pytest.raises(NonFiniteLossError, match=r"the loss is nan at epoch 2, step 2, on the samples clip\d") as error:
        run(dataset, settings, make_views=poisoned)
    batch = batches(10, settings, 1)[1]
    assert ", ".join(f"clip{i}" for i in batch) in str(error.value)
    state = RunFolder(settings.train.folder, write=False).load(device=torch.device("cpu"))
    assert len(state["history"]) == 1
    assert all(tensor.isfinite().all() for tensor in state["method"].values())


def test_evaluation_joins_the_log(tmp_path, dataset):
    _, history = run(dataset, options(tmp_path, epochs=3), evaluate=lambda: {"knn": 50.0})
    assert ["knn" in row for row in history] == [False, True, True]
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_every_clip_once_an_epoch_in_another_order_each_time(tmp_path):
    settings = options(tmp_path, batch_size=5)
    epochs = [[i for batch in batches(23, settings, e) for i in batch] for e in range(2)]
    for order in epochs:
        assert len(order) == 20
        assert len(set(order)) == 20
    assert epochs[0] != epochs[1]
    assert epochs[0] == [i for batch in batches(23, settings, 0) for i in batch]


def test_processes_share_each_batch(tmp_path):
    settings = options(tmp_path, batch_size=6)
    whole = batches(20, settings, 3)
    shares = [batches(20, settings, 3, rank=rank, world=3) for rank in range(3)]
    for step, batch in enumerate(whole):
        assert sorted(i for share in shares for i in share[step]) == sorted(batch)
    with pytest.raises(ValueError, match="batch_size: expected a multiple of the 4 processes, got 6"):
        batches(20, settings, 0, world=4)
    with pytest.raises(ValueError, match="batch_size: expected at most the 5 training clips, got 6"):
        batches(5, settings, 0)


def test_the_papers_rate_is_a_tenth_from_epoch_250():
    paper = TrainOptions()
    rates = [learning_rate(paper, progress=epoch) for epoch in (0, 249.99, 250, 299)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01])


def test_warm_up_rises_and_the_cosine_falls_to_zero():
    settings = TrainOptions(epochs=20, learning_rate=1.0, schedule="cosine", warmup_epochs=4)
    rates = [learning_rate(settings, progress=epoch / 4) for epoch in range(81)]
    assert 0 < rates[0] < 0.01
    assert rates[:17] == sorted(rates[:17])
    assert rates[16] == pytest.approx(1.0)
    assert rates[48] == pytest.approx(0.5)
    assert rates[80] == pytest.approx(0.0, abs=1e-12)


def test_purposes_do_not_share_a_seed():
    seeds = {derive_seed(0, what, epoch, step) for what in ("step", "views") for epoch in range(9) for step in range(9)}
    assert len(seeds) == 2 * 81
    assert derive_seed(0, "step", 1, 23) != derive_seed(0, "step", 12, 3)


def test_another_set_does_not_go_on_where_one_has_stopped(tmp_path, dataset):
    settings = options(tmp_path)
    run(dataset, settings)
    other = ArrayDataset(
        2 * dataset.as_tensor().numpy(), layout=dataset.layout, labels=dataset.labels, names=dataset.names
    )
    with pytest.raises(
        ValueError, match=r"resume: .* was trained on other clips than the 10 of this run; choose another train.folder"
    ):
        run(other, settings)


def test_epochs_that_make_no_sense(tmp_path, dataset):
    run(dataset, options(tmp_path))
    (tmp_path / "run" / "log.jsonl").unlink()
    with pytest.raises(ValueError, match=r"epochs: .* has 4 already, more than 2; choose another train.folder"):
        run(dataset, options(tmp_path, epochs=2))
    run(dataset, options(tmp_path))
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 4


def test_an_error_of_one_process_is_told_as_it_is(tmp_path, dataset):
    settings = options(tmp_path / "gloo and NCCL")
    with pytest.raises(NonFiniteLossError):
        run(dataset, settings, make_views=lambda clips, _: [clips * math.nan])
