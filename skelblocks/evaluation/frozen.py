"""A faster copy of an encoder for feature extraction, with the same features up to rounding."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
from torch import nn

from skelblocks._utils.checks import check_choice
from skelblocks._utils.native_bfloat16 import native_bfloat16
from skelblocks.encoders import STGCN, STGCNBlock, fold_batch_norm
from skelblocks.encoders.frame_convolution import FrameConvolution
from skelblocks.encoders.graph_convolution import GraphConvolution

Precision = Literal["own", "bf16", "auto"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_FOLDED = (STGCN, STGCNBlock, GraphConvolution, FrameConvolution)


def frozen(module: nn.Module, *, half: bool = False) -> nn.Module:
    """Fold the batch normalization of the ST-GCNs in a module into their convolutions, for evaluation.

    Args:
        module: Any. It stays as it is; other parts are shared with the copy.
        half: Whether the copy runs under bfloat16 autocast: its weights are converted once.

    Returns:
        A copy, or the module itself where it has no ST-GCN as this package makes them: subclasses, replaced layers,
        layers with hooks and half-precision weights are left as they are.

    Example:
        >>> encoder = nn.Sequential(STGCN("sbu", base_channels=2, out_channels=4), nn.Flatten())
        >>> len([part for part in frozen(encoder).modules() if isinstance(part, nn.BatchNorm2d)])
        0
    """
    if isinstance(module, STGCN):
        if not _is_plain(module):
            return module
        folded = fold_batch_norm(module)
        if half:
            folded.blocks.to(torch.bfloat16)
        return folded
    children = {name: child and frozen(child, half=half) for name, child in module._modules.items()}
    if all(child is module._modules[name] for name, child in children.items()):
        return module
    copied = copy.copy(module)
    copied._modules = children
    return copied


def half_precision(precision: Precision, encoder: nn.Module, *, device: torch.device) -> bool:
    """Whether features are computed in bfloat16, which is for encoders in float32.

    Args:
        precision: ``"auto"``: where the device computes in bfloat16 itself.
        encoder: In double precision it keeps it.
        device: Where the encoder runs.

    Raises:
        ValueError: An unknown precision.
    """
    check_choice(precision, PRECISIONS, name="precision")
    wanted = precision == "bf16" or (precision == "auto" and native_bfloat16(device) is not None)
    return wanted and all(weight.dtype == torch.float32 for weight in encoder.parameters())


def autocast(device: torch.device, *, half: bool) -> AbstractContextManager[object]:
    """The context that an encoder runs in: bfloat16 autocast, or the caller's own."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if half else nullcontext()


def _is_plain(encoder: STGCN) -> bool:
    """Whether the encoder and its layers are those that :func:`fold_batch_norm` replaces, with nothing attached."""
    for part in encoder.modules():
        kind = type(part)
        known = kind in _FOLDED or kind.__module__.startswith("torch.nn.modules") or isinstance(part, nn.Dropout)
        if not known or part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part):
            return False
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and (part.running_mean is None or not part.affine):
            return False
    return all(weight.dtype in (torch.float32, torch.float64) for weight in encoder.parameters())
