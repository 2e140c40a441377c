"""What a checkpoint holds of a run, and how a run continues from it."""

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
    """A run's state after an epoch. All processes call it together.

    Args:
        method: With its parameters and buffers.
        optimizer: Without Fabric's wrapper.
        fabric: Holds the loss scale of the precision ``16-mixed``.
        history: One row of metrics per epoch.
        options: The run's, in groups.
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
    """Put a run's state back in place; returns its history.

    Each process takes its own statistics of batch normalization. Where the number of processes has changed, all take
    the first one's.
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
    """What processes do not share: the running statistics of batch normalization."""
    norms = ((name, module) for name, module in method.named_modules() if isinstance(module, _BatchNorm))
    return {f"{name}.{buffer}": value for name, module in norms for buffer, value in module.named_buffers()}
