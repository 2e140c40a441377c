"""The training loop of all methods: order of clips, views, steps, checkpoints, log.

All randomness is a function of (seed, epoch, step, process), never of earlier draws. A run that was killed and resumed
therefore sees the same batches, views and dropout as an uninterrupted run. On a CPU its weights are equal bit for bit.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from skelblocks._utils.prefetch import prefetch
from skelblocks.clips import ClipDataset
from skelblocks.clips.batches import gives_whole_batches
from skelblocks.distributed import broadcast_module_state, gather_keys
from skelblocks.evaluation.fingerprints import data_fingerprint
from skelblocks.training.checkpoint import restore, run_state
from skelblocks.training.errors import NonFiniteLossError
from skelblocks.training.fabric import name_lost_process
from skelblocks.training.method import check_method
from skelblocks.training.monitor import Monitor
from skelblocks.training.optimizer import make_optimizer, set_rate
from skelblocks.training.options import MethodOptions
from skelblocks.training.order import derive_seed, epoch_batches
from skelblocks.training.resume import check_same_start
from skelblocks.training.run_folder import RunFolder
from skelblocks.training.schedule import learning_rate
from skelblocks.training.settle import shares_of_the_run
from skelblocks.training.start_from import Started

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MakeViews = Callable[[Tensor, torch.Generator], Sequence[Tensor]]


@name_lost_process()
def pretrain(
    method: nn.Module,
    *,
    fabric: Fabric,
    dataset: ClipDataset,
    make_views: MakeViews,
    options: MethodOptions,
    folder: RunFolder,
    evaluate: Callable[[], Mapping[str, float]] | None = None,
    started: Started | None = None,
) -> list[dict[str, float]]:
    """Train a method in place.

    Args:
        method: A :class:`~skelblocks.training.Method`. Parameters that require a gradient are trained.
        fabric: The result of :func:`~skelblocks.training.make_fabric`.
        dataset: Training clips.
        make_views: Maps clips ``(n, c, t, v, m)`` and a generator on their device to the views for the method's
            forward.
        options: The run's; the loop itself reads ``train`` and ``evaluate.every``.
        folder: The folder for checkpoint, log and curves, already entered as a context manager.
        evaluate: Called every ``evaluate.every`` epochs and after the last; its metrics join the log.
        started: The parts that :func:`~skelblocks.training.start_from` has initialized from weights.

    Returns:
        One row of metrics per epoch.

    Raises:
        LostProcessError: Another process crashed or hangs.
        NonFiniteLossError: The loss is not finite in one of the processes; all processes raise this. The checkpoint of
            the last good epoch is kept.
        RunFolderError: The folder cannot be written.
        TypeError: ``method`` is not a :class:`~skelblocks.training.Method`.
        ValueError: The batch size does not fit, the folder's checkpoint was trained with other options or clips, or
            ``train.sync_batch_norm`` is set without a GPU.
    """
    check_method(method)
    loop = _Loop(
        method,
        fabric=fabric,
        dataset=dataset,
        make_views=make_views,
        options=options,
        folder=folder,
        started=started,
    )
    history = loop.resume() if options.train.resume else []
    folder.write_config(options.to_dict())
    train, steps = options.train, len(loop.batches(epoch=0))
    with Monitor(folder, epochs=train.epochs, steps=steps, batch_size=train.batch_size, done=len(history)) as monitor:
        for epoch in range(len(history), train.epochs):
            row = loop.run_epoch(epoch, monitor)
            last, every = epoch + 1 == train.epochs, options.evaluate.every
            if evaluate is not None and (last or (every and (epoch + 1) % every == 0)):
                row.update(evaluate())
                monitor.end_epoch(row, epoch=epoch)
            history.append(row)
            if last or (epoch + 1) % train.checkpoint_every == 0:
                loop.save(history)
            folder.log(history)
    return history


class _Loop:
    """A method together with everything that its steps need."""

    def __init__(
        self,
        method: nn.Module,
        *,
        fabric: Fabric,
        dataset: ClipDataset,
        make_views: MakeViews,
        options: MethodOptions,
        folder: RunFolder,
        started: Started | None,
    ) -> None:
        self.fabric, self.make_views = fabric, make_views
        self.dataset: Any = dataset  # also a torch dataset, which the protocol does not express
        self.options, self.train, self.folder = options, options.train, folder
        self.rank, self.world = fabric.global_rank, fabric.world_size
        if self.train.sync_batch_norm:
            method = _synchronized(method, device=fabric.device)
        self.method: Any = method
        self.start = None if started is None else started.record
        self.kept_norms = [] if started is None or self.train.start_norm == "adapt" else _norms(method, started)
        self.plain = make_optimizer(
            method,
            rate=self.train.learning_rate,
            started=() if started is None else started.names,
            share=self.train.start_share,
            kind=self.train.optimizer,
            momentum=self.train.sgd_momentum,
            weight_decay=self.train.weight_decay,
        )
        self.model, self.optimizer = fabric.setup(method, self.plain)
        broadcast_module_state(method)  # also key encoders and queues, which the wrapper does not broadcast
        self.clips = data_fingerprint(cast(Any, dataset))

    def resume(self) -> list[dict[str, float]]:
        """Restore the folder's checkpoint, if there is one, and return the history of its epochs."""
        fixed = bool(shares_of_the_run(self.options))
        state = self.folder.load_same_run(self.options.to_dict(), device=self.fabric.device, fixed_length=fixed)
        if state is None:
            return []
        check_same_start(state, self.start, checkpoint=self.folder.checkpoint)
        done = len(state["history"])
        if done > self.train.epochs:
            raise ValueError(
                f"train.epochs: {self.folder.checkpoint} has {done} already, more than {self.train.epochs}; choose "
                "another train.folder, or train.resume=false"
            )
        if state["clips"] != self.clips:
            raise ValueError(
                f"train.resume: {self.folder.checkpoint} was trained on other clips than the {len(self.dataset)} of "
                "this run; choose another train.folder, or train.resume=false"
            )
        history = restore(state, self.method, self.plain, fabric=self.fabric)
        self.folder.log(history)  # the run may have been killed between writing a checkpoint and its line
        return history

    def batches(self, *, epoch: int, whole: bool = False) -> list[list[int]]:
        """Indices of the clips of each step: this process's share, or the whole batch."""
        rank, world = (0, 1) if whole else (self.rank, self.world)
        return epoch_batches(
            len(self.dataset),
            batch_size=self.train.batch_size,
            seed=self.train.seed,
            epoch=epoch,
            rank=rank,
            world=world,
        )

    def run_epoch(self, epoch: int, monitor: Monitor) -> dict[str, float]:
        """Train for one epoch, and return its row of metrics."""
        monitor.begin_epoch(epoch)
        self.model.train()
        for norm in self.kept_norms:
            norm.eval()
        batches, rate = self.batches(epoch=epoch), 0.0
        with contextlib.closing(self.read(batches)) as read:
            for step, (clips, ids) in enumerate(read):
                rate = learning_rate(self.train, progress=epoch + step / len(batches))
                metrics = self.run_step(clips, ids, epoch=epoch, step=step, steps=len(batches), rate=rate)
                monitor.step(metrics, step=epoch * len(batches) + step, rate=rate)
        return monitor.row(epoch, rate=rate)

    def read(self, batches: list[list[int]]) -> Generator[tuple[Tensor, Tensor]]:
        """Yield clips and indices of each batch, read ahead by a thread or by ``train.workers`` processes."""
        if self.train.workers or not gives_whole_batches(self.dataset):
            loader = DataLoader(self.dataset, batch_sampler=batches, num_workers=self.train.workers)
            yield from ((sample.clip, sample.index) for sample in loader)
            return
        pinned = self.fabric.device.type == "cuda"  # so that the copy to the GPU does not wait for the previous step

        def whole() -> Iterator[tuple[Tensor, Tensor]]:
            for places in batches:
                clips = self.dataset.batch(places)
                yield clips.pin_memory() if pinned else clips, torch.tensor(places)

        yield from prefetch(whole())

    def run_step(
        self, clips: Tensor, ids: Tensor, *, epoch: int, step: int, steps: int, rate: float
    ) -> dict[str, float]:
        """Do one step: views, loss, gradient, optimizer, update. Return the metrics, averaged over the processes."""
        place = (epoch, step, self.rank)
        torch.manual_seed(derive_seed(self.train.seed, "step", *place))  # dropout draws from the global state
        generator = torch.Generator(self.fabric.device).manual_seed(derive_seed(self.train.seed, "views", *place))
        set_rate(self.plain, rate)
        clips, ids = self.fabric.to_device(clips), self.fabric.to_device(ids)
        with torch.no_grad():
            views = self.make_views(clips, generator)
        output = self.model(*views, ids=ids, epoch=epoch)
        # One row per process. A non-finite loss must end all processes, or the others would wait for its gradients.
        values = torch.stack([value.detach().float() for value in (output.loss, *output.metrics.values())])
        shares = gather_keys(values[None])
        self._check_losses(shares[:, 0].tolist(), epoch=epoch, step=step)
        self.fabric.backward(output.loss)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.method.update(output, step=epoch * steps + step + 1, total_steps=self.train.epochs * steps)
        return dict(zip(("loss", *output.metrics), shares.mean(dim=0).tolist(), strict=True))

    def _check_losses(self, losses: list[float], *, epoch: int, step: int) -> None:
        wrong = [rank for rank, loss in enumerate(losses) if not math.isfinite(loss)]
        if not wrong:
            return
        batch = self.batches(epoch=epoch, whole=True)[step]
        names = ", ".join(str(self.dataset.names[i]) for rank in wrong for i in batch[rank :: self.world])
        raise NonFiniteLossError(
            f"the loss is {losses[wrong[0]]} at epoch {epoch + 1}, step {step + 1}, on the samples {names}. "
            f"The last good checkpoint is {self.folder.checkpoint}; look at these samples, or lower "
            "train.learning_rate."
        )

    def save(self, history: list[dict[str, float]]) -> None:
        """Write a checkpoint. All processes must call it together."""
        state = run_state(
            self.method,
            self.plain,
            fabric=self.fabric,
            history=history,
            options=self.options.to_dict(),
            clips=self.clips,
            start=self.start,
        )
        self.folder.save(state)


def _norms(method: nn.Module, started: Started) -> list[nn.Module]:
    """The batch norms of encoders that started from weights, and of their copies."""
    encoders = [method.get_submodule(name) for name in started.encoders]
    return [module for encoder in encoders for module in encoder.modules() if isinstance(module, _BatchNorm)]


def _synchronized(method: nn.Module, *, device: torch.device) -> nn.Module:
    if device.type != "cuda":
        raise ValueError(f"train.sync_batch_norm: expected training on GPUs, got {device.type}; leave the option off")
    converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(method)  # type: ignore[no-untyped-call]
    return converted
