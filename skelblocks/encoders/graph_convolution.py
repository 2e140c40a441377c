"""Spatial graph convolution: mix each frame's joints along the skeleton's bones.

Axes: b rows (samples x persons), c input channels, o output channels, t frames, v joints, s subsets of the
neighborhood.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from skelblocks._utils.autocast_dtype import autocast_dtype
from skelblocks._utils.checks import check_axes, check_integer, check_weights_dtype
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders.grouped_linear import grouped_linear


def graph_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, adjacency: Tensor) -> Tensor:
    r"""Send the features of each joint to its neighbors, with one weight matrix per subset, and sum.

    .. math:: y_{bow} = \sum_s \sum_v \Big(\sum_c W_{soc} \, x_{bcv} + \beta_{so}\Big) A_{svw}

    in each frame. Neighbors are gathered before the weights are applied, which is less work if there are more output
    than input channels. As in ST-GCN's code, the bias passes through the adjacency too: it is scaled by the sum of the
    target's column of ``A``.

    Args:
        x: Features ``(b, c, t, v)``. Fastest with ``channels_last`` strides.
        weight: ``(s * o, c)``; row ``k * o + i`` makes channel ``i`` from subset ``k``.
        bias: ``(s * o)`` in the same order, or None.
        adjacency: ``(s, v, w)``, from source v to target w, for instance from ``layouts.adjacency``; or
            ``(b, s, v, w)``, one for each row.

    Returns:
        ``(b, o, t, w)``, with ``channels_last`` strides.

    Raises:
        ValueError: a shape does not fit the others.

    Example:
        >>> x = torch.randn(2, 3, 5, 4)
        >>> graph_convolution(x, torch.eye(3), None, torch.eye(4)[None]).allclose(x)
        True
    """
    per_row = isinstance(adjacency, Tensor) and adjacency.ndim == 4
    check_axes(adjacency, "b s v w" if per_row else "s v w", name="adjacency")
    subsets, joints, targets = adjacency.shape[-3:]
    check_axes(x, "b c t v", name="x", v=joints)
    rows, channels, frames, _ = x.shape
    if per_row:
        check_axes(adjacency, "b s v w", name="adjacency", b=rows)
    check_axes(weight, "so c", name="weight", c=channels)
    check_weights_dtype(x, weight, name="x")
    if weight.shape[0] % subsets:
        raise ValueError(
            f"weight: expected (s * o, c) with s={subsets} subsets, as in adjacency, got shape {tuple(weight.shape)}; "
            "concatenate one matrix (o, c) per subset"
        )
    out_channels = weight.shape[0] // subsets

    x = x.to(autocast_dtype(x))  # otherwise autocast would convert the gathering matrix once for each frame
    features = rearrange(x, "b c t v -> (b t) v c")  # a view of channels-last features
    gather = rearrange(adjacency, "... s v w -> ... (w s) v").to(x.dtype)
    gather = gather.repeat_interleave(frames, dim=0) if per_row else gather.expand(rows * frames, -1, -1)
    # An explicit bmm: matmul would transpose the features to fold the batch into one product, and copies cost more.
    gathered = torch.bmm(gather, features)
    gathered = rearrange(gathered, "bt (w s) c -> bt w 1 (s c)", w=targets, s=subsets)
    y = grouped_linear(gathered, rearrange(weight, "(s o) c -> 1 o (s c)", s=subsets, o=out_channels))
    y = rearrange(y, "(b t) w 1 o -> b t w o", b=rows, t=frames)
    if bias is not None:
        check_axes(bias, "so", name="bias", so=weight.shape[0])
        arriving = (adjacency.sum(dim=-2).mT.to(bias.dtype) @ rearrange(bias, "(s o) -> s o", s=subsets)).to(y.dtype)
        y = y + (arriving[:, None] if per_row else arriving)
    return rearrange(y, "b t w o -> b o t w")


@explain_arguments
class GraphConvolution(nn.Module):
    """Module form of :func:`graph_convolution`, with a learnable factor on every entry of the adjacency.

    Args:
        in_channels: c.
        out_channels: o.
        subsets: s, the matrices of the adjacency.
        joints: v, needed only for the edge importance.
        edge_importance: Whether to learn a factor for each entry, starting at one (ST-GCN's edge importance weighting).
            It can weaken or strengthen a bone but cannot add one.

    Shape:
        ``(b, c, t, v)`` and the adjacency ``(s, v, v)`` to ``(b, o, t, v)``. If ``x`` has only some of the joints,
        ``keep_joints`` names them, ``(v')`` for all rows or ``(b, v')`` for each: ``(b, c, t, v')`` to
        ``(b, o, t, v')``. Their rows and columns of the adjacency are used without normalizing again.

    Example:
        >>> from skelblocks import layouts
        >>> convolution = GraphConvolution(3, out_channels=8, subsets=3, joints=25)
        >>> convolution(torch.randn(2, 3, 10, 25), layouts.adjacency("ntu-rgb+d")).shape
        torch.Size([2, 8, 10, 25])
    """

    def __init__(
        self, in_channels: int, *, out_channels: int, subsets: int, joints: int, edge_importance: bool = True
    ) -> None:
        super().__init__()
        for name, value in (
            ("in_channels", in_channels),
            ("out_channels", out_channels),
            ("subsets", subsets),
            ("joints", joints),
        ):
            check_integer(value, name=name)
        # Stores the weights with the shape, order and initialization of the released checkpoints. It is never called.
        self.conv = nn.Conv2d(in_channels, subsets * out_channels, kernel_size=1)
        self.edge_importance = nn.Parameter(torch.ones(subsets, joints, joints)) if edge_importance else None
        self.subsets = subsets

    def forward(self, x: Tensor, adjacency: Tensor, keep_joints: Tensor | None = None) -> Tensor:
        """Convolve ``x`` along the bones of ``adjacency``."""
        joints = {} if self.edge_importance is None else dict(zip("vw", self.edge_importance.shape[1:], strict=True))
        check_axes(adjacency, "s v w", name="adjacency", s=self.subsets, **joints)
        if self.edge_importance is not None:
            adjacency = adjacency * self.edge_importance
        if keep_joints is not None:
            adjacency = adjacency[:, keep_joints[..., :, None], keep_joints[..., None, :]].movedim(0, -3)
        return graph_convolution(x, self.conv.weight.flatten(1), self.conv.bias, adjacency)
