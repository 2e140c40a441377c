"""Set up device, precision and processes of a run with Lightning Fabric."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn.parallel import DistributedDataParallel

from skelblocks._utils.optional import require
from skelblocks.training.errors import LostProcessError, TrainingError
from skelblocks.training.options import TrainOptions
from skelblocks.training.precision import choose_precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@contextlib.contextmanager
def name_lost_process() -> Iterator[None]:
    """Turn a backend's network error into a :class:`LostProcessError`. Works as a context manager and a decorator.

    Example:
        >>> with name_lost_process():
        ...     pass
    """
    try:
        yield
    except RuntimeError as error:
        if os.environ.get("WORLD_SIZE", "1") == "1" or isinstance(error, TrainingError):
            raise
        known = isinstance(error, torch.distributed.DistBackendError | torch.distributed.DistNetworkError)
        if not known and not re.search("gloo|Connection closed|Connection reset|Timed out waiting|NCCL", str(error)):
            raise
        rank = os.environ.get("RANK", "0")
        raise LostProcessError(
            f"process {rank} lost contact with another process, which crashed or did not answer within train.timeout "
            "seconds. Look for the other process's error, or in the system's log if it was killed. Run the same "
            "command again to resume from the last checkpoint"
        ) from error


@name_lost_process()
def make_fabric(options: TrainOptions) -> Fabric:
    """Set up the device and the precision, and under torchrun the processes.

    Buffers are not broadcast in every step, so each process keeps its own batch-normalization statistics.

    Args:
        options: ``accelerator``, ``precision`` and ``timeout`` are used. The precision ``"auto"`` depends on the
            machine.

    Returns:
        A launched ``lightning_fabric.Fabric``.

    Raises:
        ImportError: Lightning Fabric is not installed (extra ``train``).
        LostProcessError: Another process crashed or hangs.
        ValueError: The accelerator does not exist.

    Example:
        >>> make_fabric(TrainOptions(accelerator="cpu")).device
        device(type='cpu')
    """
    fabrics = require("lightning_fabric", extra="train")
    strategies = require("lightning_fabric.strategies.ddp", extra="train")
    world, here = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    strategy: Any = "auto"
    if world > 1:
        known = inspect.signature(DistributedDataParallel).parameters
        # The second name is the one before torch 2.13.
        sharing = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        strategy = strategies.DDPStrategy(timeout=timedelta(seconds=options.timeout), **{sharing: False})
        # The two memory formats of a 1x1 kernel are the same.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    precision = options.precision
    if precision == "auto":
        precision = cast(Any, choose_precision(options.accelerator).precision)
    try:
        fabric: Fabric = fabrics.Fabric(
            accelerator=options.accelerator,
            devices=here,
            num_nodes=world // here,
            precision=precision,
            strategy=strategy,
        )
    except (ValueError, RuntimeError) as error:
        absent = type(error).__name__ == "MisconfigurationException" or "backend found" in str(error)
        if isinstance(error, RuntimeError) and not absent:
            raise
        raise ValueError(
            f"train.accelerator: {options.accelerator!r} is not available ({error}); try --train.accelerator cpu"
        ) from error
    fabric.launch()
    return fabric
