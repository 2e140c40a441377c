"""The weight initialization of the released training code."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from skelblocks._utils.explain_arguments import explain_arguments

Module = TypeVar("Module", bound=nn.Module)

_LINEAR = (nn.Conv1d, nn.Conv2d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@explain_arguments
@torch.no_grad()
def initialize_official(module: Module, *, std: float = 0.02, generator: torch.Generator | None = None) -> Module:
    """Initialize all weights as the released code of SkeletonCLR, CrosSCLR, AimCLR, MsMCLR, HiCLR and SkeAttnCLR does.

    Convolutions and linear layers get weights from ``N(0, std)``, batch normalizations from ``N(1, std)``; all biases
    become zero. Running statistics, edge importance and everything else stay unchanged.

    The released code initializes the whole model after it has copied the query encoder to the key encoder, so the two
    start with different weights. Here, initialize the encoder before you wrap it in a ``MomentumEncoder``.

    Args:
        module: Changed in place, with all its children.
        std: 0.02 in the released code.
        generator: Source of randomness, used in the order of ``module.modules()``. Default: torch's global generator.

    Returns:
        The same module.

    Raises:
        ValueError: a negative ``std``.

    Example:
        >>> layer = initialize_official(nn.Linear(64, 64), generator=torch.Generator().manual_seed(0))
        >>> round(layer.weight.std().item(), 3), layer.bias.abs().max().item()
        (0.02, 0.0)
    """
    if not 0 <= std < math.inf:
        raise ValueError(f"std: expected a finite number >= 0, got {std}; the released code has 0.02")

    def draw(weight: Tensor, mean: float) -> None:
        device = weight.device if generator is None else generator.device
        weight.copy_(
            torch.empty(weight.shape, dtype=weight.dtype, device=device).normal_(mean, std, generator=generator)
        )

    for child in module.modules():
        if isinstance(child, _LINEAR + _NORMS) and child.weight is not None:
            draw(child.weight, 1.0 if isinstance(child, _NORMS) else 0.0)
            if child.bias is not None:
                child.bias.zero_()
    return module
