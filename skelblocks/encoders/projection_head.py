"""The head that maps a pooled feature to the embedding for the contrastive loss.

Axes: n samples, c channels, d embedding.
"""

from __future__ import annotations

from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_floating, check_integer
from skelblocks._utils.explain_arguments import explain_arguments


@explain_arguments
class ProjectionHead(nn.Module):
    """Map a pooled feature to an embedding: linear, ReLU, linear.

    The head is used in pre-training only. Evaluation uses the feature before it.

    With ``batch_norm`` it is the MLP that turns ST-GCN into CrossMoCo's ST-MLP (section III-B, fig. 3: two linear
    layers, batch normalization and ReLU between them): ``nn.Sequential(encoder, Pool(), head)``. The paper does not say
    whether ST-GCN and ST-MLP share one ST-GCN. Either give each its own encoder, or pool the feature map of one encoder
    and pass it to two heads, with ``hidden_layers=0`` for the head of ST-GCN. The paper gives no width.

    Args:
        in_features: Channels of the encoder's feature map; 256 in the released configs.
        hidden_features: Width of the hidden layer; as wide as the input in SkeletonCLR, CrosSCLR, AimCLR and MsMCLR.
        out_features: d; 128 in the released configs.
        batch_norm: Whether to insert batch normalization between a hidden linear layer and its ReLU, as in CrossMoCo's
            ST-MLP and the released code of SkeleMixCLR and SkeAttnCLR. It cannot train on a batch of one.
        hidden_layers: Number of linear layers that are followed by a ReLU; with 0 the head is one linear layer.
            CrossMoCo's table IV varies "MLP layers" from 1 to 3 without a definition. They are taken as hidden layers
            here, because the result for 1 equals the full model of tables II and III, which fig. 3 shows.
        bias: Whether the linear layers have a bias; SkeAttnCLR's released code has none.

    Shape:
        ``(n, in_features)`` to ``(n, out_features)``, not normalized.

    Raises:
        ValueError: another shape, a training batch of one with ``batch_norm``, a size below 1, or ``hidden_layers``
            below 0.
        TypeError: features that are not floating-point, or a size that is not an integer.

    Example:
        >>> import torch
        >>> ProjectionHead(256, out_features=128)(torch.randn(4, 256)).shape
        torch.Size([4, 128])
    """

    def __init__(
        self,
        in_features: int = 256,
        *,
        hidden_features: int = 256,
        out_features: int = 128,
        batch_norm: bool = False,
        hidden_layers: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_integer(in_features, name="in_features")
        check_integer(hidden_features, name="hidden_features")
        check_integer(out_features, name="out_features")
        check_integer(hidden_layers, name="hidden_layers", least=0)
        self.in_features = in_features
        self.hidden_features = hidden_features
        self.out_features = out_features
        self.hidden_layers = hidden_layers
        self.batch_norm = batch_norm and hidden_layers > 0
        self.bias = bias
        layers: list[nn.Module] = []
        features = in_features
        for _ in range(hidden_layers):
            norm = [nn.BatchNorm1d(hidden_features)] if batch_norm else []
            layers += [nn.Linear(features, hidden_features, bias=bias), *norm, nn.ReLU()]
            features = hidden_features
        self.layers = nn.Sequential(*layers, nn.Linear(features, out_features, bias=bias))

    def forward(self, x: Tensor) -> Tensor:
        """The embedding of each pooled feature."""
        check_axes(x, "n c", name="x", c=self.in_features)
        check_floating(x, name="x")
        if self.batch_norm and self.training and x.shape[0] == 1:
            raise ValueError(
                "x: expected at least 2 samples, got 1: in training, batch_norm=True divides by the batch's spread; "
                "use a larger batch (drop_last=True for a left-over sample), .eval(), or batch_norm=False"
            )
        y: Tensor = self.layers(x)
        return y
