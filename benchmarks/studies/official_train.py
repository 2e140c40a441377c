"""Train released code on a real set: `official_code.py` starts this with the name of a job's file.

What is theirs runs as it is: model, feeder, initialization, optimizer, training loop. What is put in its place here:

- what only NTU RGB+D has: edges, left and right, parts, the number of joints, frames and persons, bones;
- what only a GPU or their environment has: ``.cuda()``, the device's number, TensorBoard, the loader of models;
- the order of the clips and the rate of each step, which are ours, so that both sides take the same steps;
- a number of epochs other than 300: mining begins after half of them.

A run that was killed goes on from its last epoch, and gives what it would have given.
"""

from __future__ import annotations

import inspect
import json
import random
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from torch import nn

from benchmarks.studies import official_code, real_sets
from benchmarks.studies.official_fit import fit_model, fit_to, import_class, stand_in
from skelblocks import streams
from skelblocks._utils.whole_file import whole_file
from skelblocks.data import ArrayDataset
from skelblocks.evaluation.fingerprints import data_fingerprint
from skelblocks.layouts import SkeletonLayout
from skelblocks.training import (
    MethodOptions,
    RunFolder,
    derive_seed,
    epoch_batches,
    learning_rate,
    load_page,
    options_from_dict,
)
from skelblocks.training.resume import FORMAT

CONVERTS_ITSELF = ("skeattnclr", "crossclr")  # theirs takes joints, and derives bones and motion itself


class Batches:
    """The training clips of an epoch through their feeder, in our order; sets the step's rate on the way."""

    def __init__(self, feeder: Any, processor: Any, options: MethodOptions, *, layout: SkeletonLayout, stream: str):
        self.feeder, self.processor, self.options = feeder, processor, options
        self.layout, self.stream = layout, stream
        self.batches = self._batches(epoch=0)

    def _batches(self, *, epoch: int) -> list[list[int]]:
        train = self.options.train
        return epoch_batches(len(self.feeder.label), batch_size=train.batch_size, seed=train.seed, epoch=epoch)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        epoch = self.processor.meta_info["epoch"] - 1
        self.batches = self._batches(epoch=epoch)
        for step, rows in enumerate(self.batches):
            self.processor.lr = learning_rate(self.options.train, progress=epoch + step / len(self.batches))
            for group in self.processor.optimizer.param_groups:
                group["lr"] = self.processor.lr
            views, labels = torch.utils.data.default_collate([self.feeder[row] for row in rows])
            yield [self._converted(view) for view in views], labels

    def _converted(self, view: Any) -> Any:
        if isinstance(view, list):
            return [self._converted(each) for each in view]
        return view if view.ndim == 1 else streams.convert(view.float(), self.stream, layout=self.layout)


def main(path: str) -> None:
    job = json.loads(Path(path).read_text())
    method, folder = job["method"], Path(job["folder"])
    options: MethodOptions = options_from_dict(load_page(method).options, job["options"])
    sets = real_sets.load(options.data).sets
    assert isinstance(sets.train, ArrayDataset)
    device = torch.device("cuda" if torch.cuda.is_available() and options.train.accelerator != "cpu" else "cpu")
    stand_in(device)
    released = official_code.released_for(method, options)
    fit_to(sets.layout, persons=sets.persons, frames=options.data.frames, method=method)
    processor = make_processor(released, method, options, device=device)
    fit_model(processor.model, layout=sets.layout)
    feeder = make_feeder(released.feeder, sets.train, shear_amplitude=options.contrast.shear_amplitude)
    stream = "joint" if method in CONVERTS_ITSELF else options.data.stream
    loader = Batches(feeder, processor, options, layout=sets.layout, stream=stream)
    processor.data_loader = {"train": loader}
    with RunFolder(folder) as run:
        pretrain(processor, run, options, device=device, fingerprint=data_fingerprint(sets.train))
    suffix = f"_{options.data.stream}" if method == "crossclr" and options.data.stream != "joint" else ""
    encoder = getattr(processor.model, f"encoder_q{suffix}")
    features = {name: pooled(encoder, part, options, device=device) for name, part in sets._asdict().items()}
    with whole_file(folder / "features.npz") as partial:
        np.savez(partial, train=features["train"], test=features["test"])


def make_processor(
    released: official_code.Released, method: str, options: MethodOptions, *, device: torch.device
) -> Any:
    """Their trainer with their model and optimizer, without its command line, files and screen."""
    kind = import_class(released.processor)
    processor = kind.__new__(kind)
    sizes: dict[str, Any] = {
        "base_encoder": "net.st_gcn.Model",
        "feature_dim": options.contrast.embedding,
        "queue_size": options.contrast.queue_size,
        "momentum": options.contrast.key_momentum,
        "Temperature": options.contrast.temperature,
        "hidden_channels": options.encoder.base_channels,
        "hidden_dim": options.encoder.out_channels or 256,
        "dropout": options.encoder.dropout,
        "graph_args": {"layout": "ntu-rgb+d", "strategy": "spatial"},
    }
    if method == "skeattnclr":  # and the numbers of its configurations for NTU RGB+D 60
        sizes.update(heads=options.heads, Lambda=options.sharpness)  # type: ignore[attr-defined]
        sizes.update(spa_l=3, spa_u=4, tem_l=4, tem_u=7)
    elif method == "skelemixclr":
        blocks = options.data.frames // 4  # 16 in its configuration, of which it takes 7 to 11
        counts = [2, 3, round(7 / 16 * blocks), round(11 / 16 * blocks)]  # bodies and blocks
        params = [*counts, options.mixes, 1.0]  # type: ignore[attr-defined]
        swap = {"swap_params": [params], "swap_mode": "swap", "spatial_mode": "semantic"}
        sizes.update(base_encoder="net.st_gcn_swap.Model", swap_cfg=swap)
    elif method == "hiclr":
        sizes.update(dropout_graph=0.0, add_graph=0.0)
    processor.arg = types.SimpleNamespace(
        model=released.model,
        model_args=sizes,
        optimizer="SGD",
        base_lr=options.train.learning_rate,
        nesterov=False,
        weight_decay=options.train.weight_decay,
        stream="joint",
        view=options.data.stream if method == "skeattnclr" else "joint",
        mining_epoch=options.train.epochs // 2,
        topk=1,
        loss="ce",
        weight=False,
        mu=getattr(options, "mu", None),
        cross_epoch=options.train.epochs // 2,
        context=getattr(options, "context", True),
        num_epoch=options.train.epochs,
    )
    processor.io = types.SimpleNamespace(
        load_model=lambda name, **arguments: import_class(name)(**arguments), print_log=lambda *_: None
    )
    processor.dev = device
    if method == "hiclr":
        made = import_class("processor.utils.Jointmask")
        processor.mask_gen = lambda clips, frames: made(
            options.mask_ratio,
            clips.shape[4],
            clips.shape[3],
            clips.shape[1],  # type: ignore[attr-defined]
        )(clips, frames)
    processor.meta_info, processor.iter_info, processor.epoch_info = {"epoch": 0, "iter": 0}, {}, {}
    processor.global_step, processor.train_writer = 0, MagicMock()
    for name in ("adjust_lr", "show_iter_info", "show_epoch_info", "train_log_writer"):
        setattr(processor, name, lambda *_: None)
    torch.manual_seed(options.train.seed)
    if options.encoder.initialization == "torch":
        processor.model, processor.loss = import_class(released.model)(**sizes), nn.CrossEntropyLoss()
    else:
        processor.load_model()  # which draws the key encoder apart from the query encoder
    processor.model.to(device)
    processor.load_optimizer()
    return processor


def make_feeder(name: str, part: ArrayDataset, *, shear_amplitude: float) -> Any:
    """Their feeder with its own defaults but for the shear, of clips in memory."""
    kind = import_class(name)
    feeder = kind.__new__(kind)
    defaults = inspect.signature(kind.__init__).parameters.items()
    vars(feeder).update({key: value.default for key, value in defaults if value.default is not value.empty})
    feeder.shear_amplitude = shear_amplitude
    feeder.data, feeder.label = part.as_tensor().numpy(), part.labels.tolist()
    feeder.window_size = feeder.data.shape[2]
    feeder.frames = [feeder.window_size]  # SkeleMixCLR's takes clips of several lengths
    return feeder


def pretrain(
    processor: Any, folder: RunFolder, options: MethodOptions, *, device: torch.device, fingerprint: str
) -> None:
    """All epochs that are not done yet.

    Raises:
        ValueError: those that are done were of other clips.
    """
    history: list[dict[str, float]] = []
    state = folder.load_same_run(options.to_dict(), device=device, fixed_length=True)
    if state is not None:
        if state.get("clips", fingerprint) != fingerprint:
            raise ValueError(f"resume: {folder.checkpoint} was trained on other clips; choose another folder")
        processor.model.load_state_dict(state["method"])
        processor.optimizer.load_state_dict(state["optimizer"])
        history = state["history"]
    for epoch in range(len(history), options.train.epochs):
        seed = derive_seed(options.train.seed, "official", epoch)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002, theirs is this one
        torch.manual_seed(seed)
        processor.meta_info["epoch"] = epoch + 1
        started = time.perf_counter()
        processor.train(epoch + 1)
        clips = len(processor.data_loader["train"]) * options.train.batch_size
        row = {"epoch": epoch + 1, "loss": float(processor.epoch_info["train_mean_loss"])}
        row["clips_per_second"] = clips / (time.perf_counter() - started)
        history.append(row)
        if epoch + 1 == options.train.epochs or (epoch + 1) % options.train.checkpoint_every == 0:
            state = {"method": processor.model.state_dict(), "optimizer": processor.optimizer.state_dict()}
            told = {"format": FORMAT, "options": options.to_dict(), "clips": fingerprint, "history": history}
            folder.save({**state, **told})
        folder.log(history)
        if epoch + 1 == options.train.epochs or (epoch + 1) % 10 == 0:
            print(f"{folder.path}: epoch {epoch + 1}/{options.train.epochs}, loss {row['loss']:.3f}", flush=True)


@torch.no_grad()
def pooled(encoder: Any, part: Any, options: MethodOptions, *, device: torch.device) -> np.ndarray[Any, Any]:
    """The pooled features ``(n, d)`` of a part's clips, without augmentation."""
    network = getattr(encoder, "backbone", encoder).eval()
    network.fc = nn.Identity()
    clips = streams.convert(part.as_tensor(), options.data.stream, layout=part.layout)
    found = [network(chunk.to(device)) for chunk in torch.split(clips, 64)]
    return torch.cat([each[0] if isinstance(each, tuple) else each for each in found]).cpu().numpy()


if __name__ == "__main__":
    main(sys.argv[1])
