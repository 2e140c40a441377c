"""The progress display and the log of a run: a progress bar, TensorBoard curves, and a row of metrics per epoch."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from typing_extensions import Self

from skelblocks._utils.escape import one_line
from skelblocks._utils.optional import require
from skelblocks.distributed import is_main_process
from skelblocks.training.run_folder import RunFolder


def tell(line: str) -> None:
    """Print a line on the first process, without breaking a progress bar."""
    if is_main_process():
        require("tqdm", extra="train").tqdm.write(one_line(line))


class Monitor:
    """Collect the metrics of each step. Use it as a context manager.

    Args:
        folder: Folder of the run, which gets TensorBoard's files if this process writes.
        epochs: Epochs of the whole run.
        steps: Steps per epoch.
        batch_size: Clips per step.
        done: Epochs that are already done.
    """

    def __init__(self, folder: RunFolder, *, epochs: int, steps: int, batch_size: int, done: int) -> None:
        self.folder = folder
        self.epochs, self.steps, self.batch_size = epochs, steps, batch_size
        self._curves: Any = None
        self._sums: dict[str, float] = {}
        self._started = time.perf_counter()
        clips = steps * batch_size
        self._bar = require("tqdm", extra="train").tqdm(
            total=epochs * clips,
            initial=done * clips,
            unit="clip",
            disable=not is_main_process(),
            mininterval=0.5 if os.isatty(2) else 15,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        if self._curves is not None:
            with contextlib.suppress(OSError):
                self._curves.close()

    def begin_epoch(self, epoch: int) -> None:
        """Start the sums of an epoch, counted from 0."""
        self._sums, self._started = {}, time.perf_counter()
        self._bar.set_description(f"epoch {epoch + 1}/{self.epochs}")

    def step(self, metrics: Mapping[str, float], *, step: int, rate: float) -> None:
        """Record the metrics of a step. Its number counts over the whole run, from 0."""
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self.scalars({**metrics, "learning_rate": rate}, step=step)
        self._bar.update(self.batch_size)
        self._bar.set_postfix(loss=f"{self._sums['loss'] / (step % self.steps + 1):.3f}", refresh=False)

    def row(self, epoch: int, *, rate: float) -> dict[str, float]:
        """The metrics of an epoch, averaged over its steps."""
        return {
            "epoch": epoch + 1,
            **{name: value / self.steps for name, value in self._sums.items()},
            "learning_rate": rate,
            "clips_per_second": self.steps * self.batch_size / (time.perf_counter() - self._started),
        }

    def end_epoch(self, row: Mapping[str, float], *, epoch: int) -> None:
        """Add the metrics of an epoch to TensorBoard's curves."""
        own = {name: value for name, value in row.items() if name not in self._sums}
        self.scalars(own, step=(epoch + 1) * self.steps)

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Add one point to each TensorBoard curve."""
        if not self.folder.write:
            return
        with self.folder.writing():
            if self._curves is None:
                require("tensorboard", extra="train")
                writer = require("torch.utils.tensorboard", extra="train").SummaryWriter
                self._curves = writer(str(self.folder.path / "tensorboard"), purge_step=step)
            for name, value in values.items():
                self._curves.add_scalar(name, value, step)
