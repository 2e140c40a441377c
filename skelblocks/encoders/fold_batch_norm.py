"""A frozen ST-GCN whose batch normalization is part of its convolutions.

Axes: n samples, b rows (samples times persons), c channels, t frames, v joints, m persons, s subsets.
"""

from __future__ import annotations

import copy
from typing import cast

import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders.graph_convolution import graph_convolution
from skelblocks.encoders.skip_frames import skip_frames
from skelblocks.encoders.st_gcn import STGCN
from skelblocks.encoders.st_gcn_block import STGCNBlock


@explain_arguments
def fold_batch_norm(encoder: STGCN) -> STGCN:
    """Copy an encoder for evaluation, with the batch normalization of its blocks folded into their convolutions.

    In evaluation, batch normalization multiplies each channel by a constant and adds a constant. The convolution before
    it can do both, which saves passes over memory. The features are the same up to rounding.

    Args:
        encoder: An ST-GCN, in training or evaluation mode. It is not changed.

    Returns:
        An encoder in evaluation mode without gradients. It takes the same clips. It cannot be trained further, and its
        state dict has other names: save the encoder, not the copy.

    Raises:
        TypeError: the encoder is not an :class:`~skelblocks.encoders.STGCN`.

    Example:
        >>> import torch
        >>> encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=16).eval()
        >>> x = torch.randn(2, 3, 16, 25, 1)
        >>> torch.allclose(fold_batch_norm(encoder)(x), encoder(x), atol=1e-5)
        True
    """
    if not isinstance(encoder, STGCN):
        raise TypeError(f"encoder: expected an STGCN, got {type(encoder).__name__}; pass it without pool and head")
    folded = copy.deepcopy(encoder).eval()
    folded.blocks = nn.ModuleList(_FoldedBlock(cast(STGCNBlock, block), folded.adjacency) for block in folded.blocks)
    return folded.requires_grad_(False)


class _FoldedBlock(nn.Module):
    """An :class:`~skelblocks.encoders.STGCNBlock` in evaluation, with the same arguments."""

    adjacency: Tensor
    weight: Tensor
    bias: Tensor
    constant: Tensor
    shift: Tensor

    def __init__(self, block: STGCNBlock, adjacency: Tensor) -> None:
        super().__init__()
        norm, graph = block.graph_norm, block.graph
        if graph.edge_importance is not None:
            adjacency = adjacency * graph.edge_importance
        factor = norm.weight / (cast(Tensor, norm.running_var) + norm.eps).sqrt()
        self.register_buffer("adjacency", adjacency.detach())
        # The bias passes through the adjacency, like the weights. The constant of the normalization does not.
        rows = repeat(factor, "o -> (s o)", s=graph.subsets)
        self.register_buffer("weight", (graph.conv.weight.flatten(1) * rows[:, None]).detach())
        self.register_buffer("bias", (cast(Tensor, graph.conv.bias) * rows).detach())
        self.register_buffer("constant", (norm.bias - cast(Tensor, norm.running_mean) * factor).detach())
        self.register_buffer("shift", self._shift(self.adjacency))
        self.temporal = fuse_conv_bn_eval(block.temporal, block.temporal_norm)
        self.residual = (
            fuse_conv_bn_eval(*block.residual) if isinstance(block.residual, nn.Sequential) else nn.Identity()
        )
        self.has_residual, self.stride = block.has_residual, block.stride

    def forward(self, x: Tensor, adjacency: Tensor, keep_joints: Tensor | None = None) -> Tensor:
        """The block's output. It uses the block's own adjacency with its edge importance."""
        bones, shift = self.adjacency, self.shift
        if keep_joints is not None:
            bones = bones[:, keep_joints[..., :, None], keep_joints[..., None, :]].movedim(0, -3)
            shift = self._shift(bones)
        y = graph_convolution(x, self.weight, None, bones)
        shift = rearrange(shift.to(y.dtype), "... v o -> ... o 1 v")  # the dtype is autocast's, if it is on
        y = F.relu(y.add_(shift), inplace=True)
        y = self.temporal(y)
        if self.has_residual:
            y = y.add_(self.residual(skip_frames(x, self.stride)))
        return F.relu(y, inplace=True)

    def _shift(self, bones: Tensor) -> Tensor:
        """The constant for each channel of each joint, ``(v, o)`` or ``(b, v, o)``, in memory order."""
        bias: Tensor = rearrange(self.bias, "(s o) -> s o", o=len(self.constant))
        return bones.sum(dim=-2).mT @ bias + self.constant
