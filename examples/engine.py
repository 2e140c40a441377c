"""The loop that every method of `examples/` trains in: data order, views, steps, checkpoints, logs.

All randomness is a function of (seed, epoch, step, process), never of what ran before, so that a run which was killed
and resumed sees the same batches, the same views and the same dropout as one that was not: on a CPU, the same weights
bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import jsonargparse
import torch
import torch.distributed
import yaml
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from skelblocks.data import ArrayDataset, PreparedSet

T = TypeVar("T")
_FLAG = re.compile(r"(?<=^--)[a-z][^=]*")  # of "--nnm-epoch=150", nnm-epoch
# What may change when a run goes on: where and how it runs, not what it computes, and how long.
_FREE = frozenset(
    {"accelerator", "checkpoint_every", "data", "epochs", "evaluate_every", "folder", "resume", "workers"}
)


@dataclass(kw_only=True)
class TrainingOptions:
    """What is the same for every method. Defaults: section 4.2 of AimCLR and MsMCLR, then their released code."""

    epochs: int = 300
    batch_size: int = 128  # clips in all processes together
    learning_rate: float = 0.1
    sgd_momentum: float = 0.9  # MsMCLR prints 0.999, which is the key encoder's
    weight_decay: float = 1e-4
    schedule: Literal["step", "cosine"] = "step"
    milestones: list[int] = field(default_factory=lambda: [250])  # epochs after which the step schedule divides by ten
    warmup_epochs: float = 0.0
    seed: int = 0
    workers: int = 0  # loader processes
    checkpoint_every: int = 1  # epochs
    evaluate_every: int = 10  # epochs; 0: only at the end
    accelerator: str = "auto"  # one device; for several, on one machine or many, run the script under torchrun
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    folder: str | None = None  # for checkpoint, log and pictures; default: runs/METHOD_DATA_SPLIT_STREAM
    resume: bool = True  # go on from the folder's checkpoint, if it has one


class NonFiniteLossError(RuntimeError):
    """The loss became infinite or not a number; the message names the samples of that batch."""


def parse(options: type[T], arguments: Sequence[str] | None = None) -> T:
    """The options from the command line: ``--config file.yaml`` (any number, later ones win), then ``--name value``.

    ``--nnm-epoch`` is ``--nnm_epoch``.
    """
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--config", action="config", help="a YAML file of options; may be given several times")
    parser.add_class_arguments(options, as_group=False)
    given = sys.argv[1:] if arguments is None else arguments
    chosen = parser.parse_args([_FLAG.sub(lambda flag: flag[0].replace("-", "_"), each) for each in given]).as_dict()
    return options(**{name: value for name, value in chosen.items() if name != "config"})


def derive_seed(*parts: object) -> int:
    """A seed from what it is for, so that no two purposes share a random sequence."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7], "big")


def make_fabric(options: TrainingOptions) -> Fabric:
    """Device and precision; under torchrun, its processes. Buffers are not broadcast: each process has its own."""
    world, here = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    fabric = Fabric(
        accelerator=options.accelerator,
        devices=here,
        num_nodes=world // here,
        precision=options.precision,
        strategy=DDPStrategy(broadcast_buffers=False) if world > 1 else "auto",
    )
    fabric.launch()
    return fabric


def learning_rate(options: TrainingOptions, *, progress: float) -> float:
    """The rate at ``progress`` epochs: linear warm-up, then steps of a tenth or half a cosine to zero."""
    if progress < options.warmup_epochs:
        return (
            options.learning_rate * (progress + 1e-2) / (options.warmup_epochs + 1e-2)
        )  # a first step of zero is lost
    if options.schedule == "cosine":
        done = (progress - options.warmup_epochs) / max(options.epochs - options.warmup_epochs, 1e-9)
        return options.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return options.learning_rate * 0.1 ** sum(progress >= milestone for milestone in options.milestones)


def epoch_batches(
    count: int, *, options: TrainingOptions, epoch: int, rank: int = 0, world: int = 1
) -> list[list[int]]:
    """This process's share of each batch of an epoch; an incomplete last batch is left out, as in released code."""
    if count < options.batch_size:
        raise ValueError(
            f"batch_size: {options.batch_size} is more than the {count} training clips; choose a smaller one"
        )
    if options.batch_size % world:
        raise ValueError(f"batch_size: {options.batch_size} is not a multiple of the {world} processes")
    generator = torch.Generator().manual_seed(derive_seed(options.seed, "order", epoch))
    order = torch.randperm(count, generator=generator).tolist()
    starts = range(0, count - options.batch_size + 1, options.batch_size)
    return [order[start : start + options.batch_size][rank::world] for start in starts]


def check_queue(*, size: int, batch_size: int, clips: int) -> None:
    """Refuse a batch larger than the queue; warn where the queue is larger than the data."""
    if batch_size > size:
        raise ValueError(f"batch_size: {batch_size} is more than the {size} rows of the queue; enlarge queue_size")
    if size > clips:
        tqdm.write(
            f"Warning: the queue holds {size} keys and there are {clips} training clips: older keys of the same clips "
            "will stand among the negatives. Choose a smaller queue_size, or exclude_own_keys=true."
        )


class RunFolder:
    """A run's files: config.yaml, log.jsonl, checkpoint.pt, tensorboard/, pictures."""

    def __init__(self, path: str | Path, *, options: Mapping[str, Any], write: bool = True) -> None:
        self.path = Path(path)
        self.options = dict(options)
        self.write = write
        self.tensorboard: SummaryWriter | None = None
        if write:
            self.path.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint in one move, so that a kill leaves the old one or the new one, whole."""
        partial = self.checkpoint.with_suffix(".partial")
        with partial.open("wb") as file:
            torch.save({**state, "options": self.options}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.checkpoint)

    def load(self, *, device: torch.device) -> dict[str, Any] | None:
        """The checkpoint's state, or None where there is none.

        Raises:
            ValueError: the checkpoint was trained with other options.
        """
        if not self.checkpoint.exists():
            return None
        state: dict[str, Any] = torch.load(self.checkpoint, map_location=device, weights_only=True)
        theirs = state["options"]
        # A longer run is another run where something is a share of the whole.
        whole = {"cosine", "half"} & {str(value) for value in self.options.values()}
        names = sorted((theirs.keys() | self.options.keys()) - (_FREE - {"epochs"} if whole else _FREE))
        changed = [n for n in names if theirs.get(n) != self.options.get(n)]
        if changed:
            shown = ", ".join(f"{n} {theirs.get(n)!r} there, {self.options.get(n)!r} here" for n in changed)
            raise ValueError(
                f"resume: {self.checkpoint} has other options: {shown}; choose another folder, or resume=false"
            )
        return state

    def write_config(self) -> None:
        """Write all options to config.yaml."""
        if self.write:
            _write_atomically(self.path / "config.yaml", yaml.safe_dump(self.options, sort_keys=False).encode())

    def log(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write the history as JSON lines, whole: after a resume it holds no line of the steps that were lost."""
        if self.write:
            _write_atomically(self.path / "log.jsonl", "".join(json.dumps(row) + "\n" for row in history).encode())

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Add a point to TensorBoard's curves."""
        if not self.write:
            return
        if self.tensorboard is None:
            self.tensorboard = SummaryWriter(str(self.path / "tensorboard"), purge_step=step)
        for name, value in values.items():
            self.tensorboard.add_scalar(name, value, step)


def pretrain(
    method: nn.Module,
    *,
    fabric: Fabric,
    dataset: ArrayDataset | PreparedSet,
    make_views: Callable[[Tensor, torch.Generator], Sequence[Tensor]],
    options: TrainingOptions,
    folder: RunFolder,
    evaluate: Callable[[], Mapping[str, float]] | None = None,
) -> list[dict[str, float]]:
    """Train ``method`` in place.

    Args:
        method: Its ``forward(*views, ids=..., epoch=...)`` returns an object with a scalar ``loss`` and a mapping
            ``figures`` of scalars for the log; its ``update(output, step=..., total_steps=...)`` is called after
            the optimiser's step, which ``step`` counts. Its parameters that require a gradient are trained.
        fabric: From :func:`make_fabric`.
        dataset: Training clips.
        make_views: From clips ``(n, c, t, v, m)`` and a generator on their device to the views of the method's forward.
        options: See there.
        folder: Where the checkpoint, the log and the curves go.
        evaluate: Called every ``evaluate_every`` epochs; its figures join the log.

    Returns:
        One row of figures an epoch.

    Raises:
        NonFiniteLossError: the loss is not finite; the checkpoint is the one of the last good epoch.
        ValueError: the batch size does not fit, or the folder's checkpoint was trained with other options.
    """
    trained = [p for p in method.parameters() if p.requires_grad]
    plain = torch.optim.SGD(
        trained, lr=options.learning_rate, momentum=options.sgd_momentum, weight_decay=options.weight_decay
    )
    model, optimizer = fabric.setup(method, plain)
    state = folder.load(device=fabric.device) if options.resume else None
    history: list[dict[str, float]] = []
    if state is not None:
        method.load_state_dict(state["method"])
        plain.load_state_dict(state["optimizer"])
        fabric.strategy.precision.load_state_dict(state["precision"])
        history = state["history"]
    rank, world = fabric.global_rank, fabric.world_size
    folder.write_config()
    clips_an_epoch = len(epoch_batches(len(dataset), options=options, epoch=0)) * options.batch_size
    bar = tqdm(
        total=options.epochs * clips_an_epoch,
        initial=len(history) * clips_an_epoch,
        unit="clip",
        disable=rank > 0,
        mininterval=0.5 if os.isatty(2) else 15,
    )
    for epoch in range(len(history), options.epochs):
        batches = epoch_batches(len(dataset), options=options, epoch=epoch, rank=rank, world=world)
        started, sums = time.perf_counter(), dict[str, float]()
        model.train()
        bar.set_description(f"epoch {epoch + 1}/{options.epochs}")
        for step, batch in enumerate(_load(dataset, batches, workers=options.workers)):
            place = (epoch, step, rank)
            torch.manual_seed(derive_seed(options.seed, "step", *place))  # dropout draws from the global state
            generator = torch.Generator(fabric.device).manual_seed(derive_seed(options.seed, "views", *place))
            rate = learning_rate(options, progress=epoch + step / len(batches))
            for group in plain.param_groups:
                group["lr"] = rate
            clips, ids = fabric.to_device(batch.clip), fabric.to_device(batch.index)
            with torch.no_grad():
                views = make_views(clips, generator)
            output = model(*views, ids=ids, epoch=epoch)
            loss = output.loss.item()
            if not math.isfinite(loss):
                names = ", ".join(str(dataset.names[i]) for i in batches[step])
                raise NonFiniteLossError(
                    f"the loss is {loss} at epoch {epoch + 1}, step {step + 1}, on the samples {names}. "
                    f"The last good checkpoint is {folder.checkpoint}; look at these samples, or lower learning_rate."
                )
            fabric.backward(output.loss)
            optimizer.step()
            optimizer.zero_grad()
            done = epoch * len(batches) + step + 1
            method.update(output, step=done, total_steps=options.epochs * len(batches))  # type: ignore[operator]
            figures = {"loss": loss, **{name: value.item() for name, value in output.figures.items()}}
            for name, value in figures.items():
                sums[name] = sums.get(name, 0.0) + value
            folder.scalars({**figures, "learning_rate": rate}, step=done - 1)
            bar.update(options.batch_size)
            bar.set_postfix(loss=f"{sums['loss'] / (step + 1):.3f}", refresh=False)
        row = {
            "epoch": epoch + 1,
            **{name: value / len(batches) for name, value in sums.items()},
            "learning_rate": rate,
        }
        row["clips_per_second"] = clips_an_epoch / (time.perf_counter() - started)
        last = epoch + 1 == options.epochs
        if evaluate is not None and (last or (options.evaluate_every and (epoch + 1) % options.evaluate_every == 0)):
            row.update(evaluate())
            folder.scalars({k: v for k, v in row.items() if k not in sums}, step=(epoch + 1) * len(batches))
        history.append(row)
        if rank == 0 and (last or (epoch + 1) % options.checkpoint_every == 0):
            folder.save(
                {
                    "method": method.state_dict(),
                    "optimizer": plain.state_dict(),
                    "precision": fabric.strategy.precision.state_dict(),  # the loss scale of 16-mixed
                    "history": history,
                }
            )
        folder.log(history)
    bar.close()
    if folder.tensorboard is not None:
        folder.tensorboard.close()
    return history


def _load(dataset: ArrayDataset | PreparedSet, batches: list[list[int]], *, workers: int) -> Iterator[Any]:
    return iter(DataLoader(dataset, batch_sampler=batches, num_workers=workers))


def _write_atomically(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
