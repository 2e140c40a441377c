"""The projector of Barlow Twins and PSTL: wide, three layers deep, without biases.

Axes: n samples, c channels, d features.
"""

from __future__ import annotations

from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_floating, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._batch_of_one import check_not_alone


@explain_arguments
class BarlowProjector(nn.Module):
    """Map a pooled feature into the space in which views are decorrelated: three linear layers, used in pre-training.

    Batch normalization and ReLU follow the first two layers. No layer has a bias, because a normalization follows each
    of them; the one after the last layer is part of the loss.

    The defaults come from PSTL's released code, 256-6144-6144-6144. They give 77 million parameters, while its ST-GCN
    has 0.8 million. ``projector.N.*`` in its checkpoints is ``layers.N.*`` here.

    Args:
        in_features: c, channels of the encoder's feature map.
        hidden_features: Width of the two hidden layers.
        out_features: d.

    Shape:
        ``(n, c)`` to ``(n, d)``, neither centered nor normalized, which the loss does.

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
        check_not_alone(x, training=self.training)
        y: Tensor = self.layers(x)
        return y
