"""The head that carries a pooled feature into the space in which contrast is measured.

Axes: n samples, c channels, d embedding.
"""

from __future__ import annotations

from torch import Tensor, nn

from skelblocks._utils.checks import check_axes


class ProjectionHead(nn.Module):
    """Linear, ReLU, linear. Used in pre-training only; evaluation takes the feature before it.

    Args:
        in_features: Channels of the encoder's feature map; 256 in the released configs.
        hidden_features: Width of the hidden layer; as wide as the input in SkeletonCLR, CrosSCLR, AimCLR and MsMCLR.
        out_features: d; 128 there.
        batch_norm: Whether a batch normalisation stands between the first linear layer and the ReLU, as in SkeleMixCLR
            and CrossMoCo's ST-MLP. It cannot train on a batch of one.

    Shape:
        ``(n, in_features)`` to ``(n, out_features)``, not normalised.

    Raises:
        ValueError: another shape, or a training batch of one with ``batch_norm``.

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
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.batch_norm = batch_norm
        norm = [nn.BatchNorm1d(hidden_features)] if batch_norm else []
        self.layers = nn.Sequential(
            nn.Linear(in_features, hidden_features), *norm, nn.ReLU(), nn.Linear(hidden_features, out_features)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The embedding of each pooled feature."""
        check_axes(x, "n c", name="x", c=self.in_features)
        if self.batch_norm and self.training and x.shape[0] == 1:
            raise ValueError(
                "x: expected at least 2 samples, got 1: in training, batch_norm=True divides by the batch's spread; "
                "use a larger batch (drop_last=True for a left-over sample), .eval(), or batch_norm=False"
            )
        y: Tensor = self.layers(x)
        return y
