"""One block of ST-GCN: a graph convolution in space, then a convolution in time.

Axes: b rows (samples x persons), c channels, t frames, v joints, s subsets of the neighborhood.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks._utils.checks import check_integer, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders.drop_add_relu import drop_add_relu
from skelblocks.encoders.frame_convolution import FrameConvolution
from skelblocks.encoders.graph_convolution import GraphConvolution
from skelblocks.encoders.skip_frames import skip_frames


@explain_arguments
class STGCNBlock(nn.Module):
    r"""One block of ST-GCN: graph convolution, temporal convolution over nine frames, residual.

    .. math:: y = \operatorname{ReLU}\Big(\operatorname{Dropout}\big(\operatorname{BN}(\operatorname{Conv}_{9 \times 1}(
        \operatorname{ReLU}(\operatorname{BN}(\operatorname{GraphConv}(x)))))\big) + r(x)\Big)

    The residual :math:`r` is the identity if input and output have the same shape, and otherwise a strided 1 x 1
    convolution with batch normalization.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        subsets: s, the matrices of the adjacency.
        joints: v.
        stride: Keep every ``stride``-th frame.
        kernel_size: Frames that the temporal convolution sees, odd; 9 in ST-GCN.
        dropout: Probability of dropping a value of the branch in training.
        residual: Whether to add the residual. The first block of ST-GCN has none.
        edge_importance: Whether to learn a factor for every entry of the adjacency.

    Shape:
        ``(b, c, t, v)`` and the adjacency ``(s, v, v)`` to ``(b, out_channels, ceil(t / stride), v)``, with
        ``channels_last`` strides. With ``keep_joints``, ``(v')`` or ``(b, v')``, ``x`` and the output have only these
        joints, see :class:`GraphConvolution`.

    Example:
        >>> import torch
        >>> from skelblocks import layouts
        >>> block = STGCNBlock(16, out_channels=32, subsets=3, joints=25, stride=2)
        >>> block(torch.randn(2, 16, 25, 25), layouts.adjacency("ntu-rgb+d")).shape
        torch.Size([2, 32, 13, 25])
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int,
        subsets: int,
        joints: int,
        stride: int = 1,
        kernel_size: int = 9,
        dropout: float = 0.0,
        residual: bool = True,
        edge_importance: bool = True,
    ) -> None:
        super().__init__()
        check_integer(stride, name="stride")
        check_integer(kernel_size, name="kernel_size")
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size: expected an odd number of frames, got {kernel_size}; 9 in ST-GCN")
        check_probability(dropout, name="dropout")
        self.graph = GraphConvolution(
            in_channels, out_channels=out_channels, subsets=subsets, joints=joints, edge_importance=edge_importance
        )
        self.graph_norm = nn.BatchNorm2d(out_channels)
        self.temporal = FrameConvolution(out_channels, kernel_size=kernel_size, stride=stride)
        self.temporal_norm = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.has_residual = residual
        self.stride = stride
        self.residual: nn.Module = nn.Identity()
        if residual and (in_channels != out_channels or stride != 1):
            self.residual = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor, adjacency: Tensor, keep_joints: Tensor | None = None) -> Tensor:
        """Convolve ``x`` along the bones of ``adjacency``, then in time."""
        # In place is safe: a normalization does not need its output in backward.
        y = F.relu(self.graph_norm(self.graph(x, adjacency, keep_joints)), inplace=True)
        y = self.temporal_norm(self.temporal(y))
        residual = self.residual(skip_frames(x, self.stride)) if self.has_residual else None
        return drop_add_relu(y, residual, p=self.dropout.p, training=self.dropout.training)
