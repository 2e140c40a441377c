"""The projector of Barlow Twins and PSTL: wide, three layers deep, without biases.

Axes: n samples, c channels, d features.
"""

from __future__ import annotations

from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_floating, check_integer
from skelblocks._utils.explain_arguments import explain_arguments


@explain_arguments
class BarlowProjector(nn.Module):
    """Twice linear, batch normalisation and ReLU, then linear: from a pooled feature to where views are decorrelated.

    Linear layers have no bias: a normalisation follows each, the last one in the loss. Used in pre-training only.

    Defaults are those of PSTL's released code, 256-6144-6144-6144, which is 77 million parameters where its ST-GCN has
    0.8 million. Its checkpoints' ``projector.N.*`` are ``layers.N.*`` here.

    Args:
        in_features: c, channels of the encoder's feature map.
        hidden_features: Width of the two hidden layers.
        out_features: d.

    Shape:
        ``(n, c)`` to ``(n, d)``, neither centred nor normalised: that is part of the loss.

    Raises:
        ValueError: another shape, a training batch of one, or a size below 1.
        TypeError: features that are not floating-point, or a size that is not an integer.

    Example:
        >>> import torch
        >>> BarlowProjector(256, hidden_features=32, out_features=64)(torch.randn(4, 256)).shape
        torch.Size([4, 64])
    """

    def __init__(self, in_features: int = 256, *, hidden_features: int = 6144, out_features: int = 6144) -> None:
        super().__init__()
        for name, value in (
            ("in_features", in_features),
            ("hidden_features", hidden_features),
            ("out_features", out_features),
        ):
            check_integer(value, name=name)
        self.in_features = in_features
        self.hidden_features = hidden_features
        self.out_features = out_features
        self.layers = nn.Sequential(
            nn.Linear(in_features, hidden_features, bias=False),
            nn.BatchNorm1d(hidden_features),
            nn.ReLU(),
            nn.Linear(hidden_features, hidden_features, bias=False),
            nn.BatchNorm1d(hidden_features),
            nn.ReLU(),
            nn.Linear(hidden_features, out_features, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The embedding of each pooled feature."""
        check_axes(x, "n c", name="x", c=self.in_features)
        check_floating(x, name="x")
        if self.training and x.shape[0] == 1:
            raise ValueError(
                "x: expected at least 2 samples, got 1: in training, batch normalisation divides by the batch's "
                "spread; use a larger batch (drop_last=True for a left-over sample) or .eval()"
            )
        y: Tensor = self.layers(x)
        return y
