"""The loop that every method of `examples/` trains in: data order, views, steps, checkpoints, logs.

All randomness is a function of (seed, epoch, step, process), never of what ran before, so that a run which was killed
and resumed sees the same batches, the same views and the same dropout as one that was not: on a CPU, the same weights
bit for bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import math
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from run_folder import RunFolder, RunFolderError
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm import tqdm

from skelblocks._utils.checks import check_integer
from skelblocks.data import ArrayDataset, PreparedSet
from skelblocks.distributed import broadcast_module_state, gather_keys


@dataclass(kw_only=True)
class TrainingOptions:
    """How a method is trained. Defaults: section 4.2 of AimCLR and MsMCLR, then their released code."""

    epochs: int = 300
    batch_size: int = 128  # clips in all processes together
    learning_rate: float = 0.1  # after the warm-up
    sgd_momentum: float = 0.9  # MsMCLR prints 0.999, which is the key encoder's
    weight_decay: float = 1e-4  # of all weights
    schedule: Literal["step", "cosine"] = "step"  # of the rate
    milestones: list[int] = field(default_factory=lambda: [250])  # epochs after which the step schedule divides by ten
    warmup_epochs: float = 0.0  # in which the rate rises from zero
    seed: int = 0
    workers: int = 0  # loader processes
    checkpoint_every: int = 1  # epochs
    evaluate_every: int = 10  # epochs; 0: only at the end
    accelerator: str = "auto"  # one device; for several, on one machine or many, run the script under torchrun
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"  # of training
    sync_batch_norm: bool = False  # batch statistics of all processes together; on GPUs only
    timeout: float = 600.0  # seconds that a process waits for the others before it ends the run
    folder: str | None = None  # for checkpoint, log and pictures; default: runs/METHOD_DATA_SPLIT_STREAM
    resume: bool = True  # go on from the folder's checkpoint, if it has one


class NonFiniteLossError(RuntimeError):
    """The loss became infinite or not a number; the message names the samples of that batch."""


class LostProcessError(RuntimeError):
    """Another process of the run has died, or has not answered in time."""


@contextlib.contextmanager
def lost_process_named() -> Iterator[None]:
    """Say in words that another process was lost; the backends say on which socket. Also a decorator."""
    try:
        yield
    except RuntimeError as error:
        if os.environ.get("WORLD_SIZE", "1") == "1" or isinstance(error, NonFiniteLossError | RunFolderError):
            raise
        ours = isinstance(error, torch.distributed.DistBackendError | torch.distributed.DistNetworkError)
        if not ours and not re.search("gloo|Connection closed|Connection reset|Timed out waiting|NCCL", str(error)):
            raise
        rank = os.environ.get("RANK", "0")
        raise LostProcessError(
            f"process {rank} has lost another one, which has died or did not answer within `timeout` seconds; its own "
            "message, or the system's log where it was killed, says why. Run the same command again: it goes on from "
            "the last checkpoint"
        ) from error


def derive_seed(*parts: object) -> int:
    """A seed from what it is for, so that no two purposes share a random sequence."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7], "big")


@lost_process_named()
def make_fabric(options: TrainingOptions) -> Fabric:
    """Device and precision; under torchrun, its processes. Buffers are not broadcast: each process has its own."""
    world, here = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    known = inspect.signature(DistributedDataParallel).parameters
    # The second is its name before torch 2.13.
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    sharing: dict[str, Any] = {name: False}
    if world > 1:
        # Of 1x1 kernels, whose two memory formats are one.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    fabric = Fabric(
        accelerator=options.accelerator,
        devices=here,
        num_nodes=world // here,
        precision=options.precision,
        strategy=DDPStrategy(timeout=timedelta(seconds=options.timeout), **sharing) if world > 1 else "auto",
    )
    fabric.launch()
    return fabric


def learning_rate(options: TrainingOptions, *, progress: float) -> float:
    """The rate at ``progress`` epochs: linear warm-up, then steps of a tenth or half a cosine to zero."""
    if progress < options.warmup_epochs:
        # The hundredth, since a first step of zero is lost.
        return options.learning_rate * (progress + 1e-2) / (options.warmup_epochs + 1e-2)
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


@lost_process_named()
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
        LostProcessError: another process has died or hangs.
        NonFiniteLossError: the loss is not finite in one of the processes, in all of which this is raised; the
            checkpoint is the one of the last good epoch.
        RunFolderError: the folder cannot be written.
        ValueError: the batch size does not fit, the folder's checkpoint was trained with other options, or there is no
            GPU to synchronise batch normalisation on.
    """
    for name in ("epochs", "checkpoint_every"):
        check_integer(getattr(options, name), name=name)
    if options.sync_batch_norm:
        if fabric.device.type != "cuda":
            raise ValueError(f"sync_batch_norm: expected GPUs, got {fabric.device.type}; leave it off")
        method = nn.SyncBatchNorm.convert_sync_batchnorm(method)  # type: ignore[no-untyped-call]
    trained = [p for p in method.parameters() if p.requires_grad]
    plain = torch.optim.SGD(
        trained, lr=options.learning_rate, momentum=options.sgd_momentum, weight_decay=options.weight_decay
    )
    model, optimizer = fabric.setup(method, plain)
    broadcast_module_state(method)
    rank, world = fabric.global_rank, fabric.world_size
    fingerprint = fingerprint_of(dataset)
    state = folder.load(device=fabric.device) if options.resume else None
    history: list[dict[str, float]] = []
    if state is not None:
        if len(state["history"]) > options.epochs:
            raise ValueError(
                f"epochs: {folder.checkpoint} has {len(state['history'])} already, more than {options.epochs}; choose "
                "another folder, or resume=false"
            )
        if state.get("clips", fingerprint) != fingerprint:
            raise ValueError(
                f"resume: {folder.checkpoint} was trained on other clips than these {len(dataset)}; choose another "
                "folder, or resume=false"
            )
        method.load_state_dict(state["method"])
        plain.load_state_dict(state["optimizer"])
        fabric.strategy.precision.load_state_dict(state["precision"])
        history = state["history"]
        _restore_statistics(method, state.get("statistics", {}), rank=rank, world=world)
        folder.log(history)  # a kill may have come between a checkpoint and its line
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
        loader = DataLoader(dataset, batch_sampler=batches, num_workers=options.workers)
        for step, batch in enumerate(loader):
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
            # One row a process; one that is not finite ends them all, or the others would wait for its gradients.
            values = torch.stack([value.detach().float() for value in (output.loss, *output.figures.values())])
            shares = gather_keys(values[None])
            losses = shares[:, 0].tolist()
            wrong = [other for other, loss in enumerate(losses) if not math.isfinite(loss)]
            if wrong:
                whole = epoch_batches(len(dataset), options=options, epoch=epoch)[step]
                names = ", ".join(str(dataset.names[i]) for other in wrong for i in whole[other::world])
                raise NonFiniteLossError(
                    f"the loss is {losses[wrong[0]]} at epoch {epoch + 1}, step {step + 1}, on the samples {names}. "
                    f"The last good checkpoint is {folder.checkpoint}; look at these samples, or lower learning_rate."
                )
            fabric.backward(output.loss)
            optimizer.step()
            optimizer.zero_grad()
            done = epoch * len(batches) + step + 1
            method.update(output, step=done, total_steps=options.epochs * len(batches))  # type: ignore[operator]
            figures = dict(zip(("loss", *output.figures), shares.mean(dim=0).tolist(), strict=True))
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
        if last or (epoch + 1) % options.checkpoint_every == 0:
            state = {
                "method": method.state_dict(),
                "optimizer": plain.state_dict(),
                "precision": fabric.strategy.precision.state_dict(),  # the loss scale of 16-mixed
                "history": history,
                "clips": fingerprint,
                "coordinates": len(dataset[0].clip),
                "statistics": {name: gather_keys(value[None]) for name, value in _statistics(method).items()},
            }
            if rank == 0:
                folder.save(state)
        folder.log(history)
    bar.close()
    if folder.tensorboard is not None:
        folder.tensorboard.close()
    return history


def fingerprint_of(dataset: ArrayDataset | PreparedSet) -> str:
    """Of names, labels and, roughly, the first and last clip, which another machine may prepare a digit differently."""
    some = [f"{float(dataset[i].clip.abs().mean()):.3g}" for i in (0, len(dataset) - 1)]
    return hashlib.sha256(repr((list(map(str, dataset.names)), dataset.labels.tolist(), some)).encode()).hexdigest()


def _statistics(method: nn.Module) -> dict[str, Tensor]:
    """What processes do not share: the running figures of batch normalisation."""
    norms = ((name, module) for name, module in method.named_modules() if isinstance(module, _BatchNorm))
    return {f"{name}.{figure}": value for name, module in norms for figure, value in module.named_buffers()}


def _restore_statistics(method: nn.Module, saved: Mapping[str, Tensor], *, rank: int, world: int) -> None:
    """Each process's own; where their number has changed, the first one's, which are in the method's state, for all."""
    for name, value in _statistics(method).items():
        if name in saved and len(saved[name]) == world:
            value.copy_(saved[name][rank])
