"""The content of a run's checkpoint, and how a run continues from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from skelblocks.distributed import gather_keys
from skelblocks.training.resume import FORMAT

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def run_state(
    method: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    fabric: Fabric,
    history: list[dict[str, float]],
    options: Mapping[str, Any],
    clips: str,
    start: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Collect a run's state after an epoch. All processes must call it together.

    Args:
        method: The method with its parameters and buffers.
        optimizer: The optimizer, without Fabric's wrapper.
        fabric: Fabric; it holds the loss scale of the precision ``16-mixed``.
        history: One row of metrics per epoch.
        options: The run's options in groups.
        clips: Fingerprint of the training clips.
        start: Record of the weights that the run started from.
    """
    return {
        "format": FORMAT,
        "options": dict(options),
        "method": method.state_dict(),
        "optimizer": optimizer.state_dict(),
        "precision": fabric.strategy.precision.state_dict(),
        "history": history,
        "clips": clips,
        "start": None if start is None else dict(start),
        "statistics": {name: gather_keys(value[None]) for name, value in _statistics(method).items()},
    }


def restore(
    state: Mapping[str, Any], method: nn.Module, optimizer: torch.optim.Optimizer, *, fabric: Fabric
) -> list[dict[str, float]]:
    """Restore a run's state, and return its history.

    Each process takes its own statistics of batch normalization. If the number of processes has changed, all take the
    statistics of the first one.
    """
    method.load_state_dict(state["method"])
    optimizer.load_state_dict(state["optimizer"])
    fabric.strategy.precision.load_state_dict(state["precision"])
    saved = state["statistics"]
    for name, value in _statistics(method).items():
        if name in saved and len(saved[name]) == fabric.world_size:
            value.copy_(saved[name][fabric.global_rank])
    history: list[dict[str, float]] = state["history"]
    return history


def _statistics(method: nn.Module) -> dict[str, Tensor]:
    """The running statistics of batch normalization, which processes do not share."""
    norms = ((name, module) for name, module in method.named_modules() if isinstance(module, _BatchNorm))
    return {f"{name}.{buffer}": value for name, module in norms for buffer, value in module.named_buffers()}
