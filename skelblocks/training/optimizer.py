"""The optimizer of a training, with a separate learning rate for parts that start from weights."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import torch
from torch import nn


def make_optimizer(
    module: nn.Module,
    *,
    rate: float,
    started: Collection[str] = (),
    share: float = 1.0,
    kind: Literal["sgd", "adam"] = "sgd",
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """SGD or Adam over all parameters that require a gradient; :func:`set_rate` sets their learning rates.

    Args:
        module: The module with the parameters.
        rate: Learning rate of newly initialized parameters.
        started: Names of the parameters that start from weights.
        share: Learning rate of started parameters as a fraction of ``rate``.
        kind: The kind of optimizer.
        momentum: Momentum of SGD.
        nesterov: Whether SGD uses Nesterov momentum.
        weight_decay: Weight decay of all parameters.

    Returns:
        The optimizer. Its first group holds the newly initialized parameters.

    Example:
        >>> head = nn.Linear(4, 2)
        >>> optimizer = make_optimizer(head, rate=0.1, started=["weight"], share=0.5)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.05]
    """
    trained = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    names = frozenset(started)
    groups: list[dict[str, Any]] = [
        {"params": [parameter for name, parameter in trained if (name in names) == begun], "share": part}
        for begun, part in ((False, 1.0), (True, share))
    ]
    groups = [{**group, "lr": rate * group["share"]} for group in groups if group["params"]]
    if kind == "adam":
        return torch.optim.Adam(groups, lr=rate, weight_decay=weight_decay)
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of newly initialized parameters, and scale the rate of started ones with it.

    Args:
        optimizer: The result of :func:`make_optimizer`.
        rate: Learning rate of newly initialized parameters.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("share", 1.0)  # optimizers in checkpoints of earlier versions have no share
