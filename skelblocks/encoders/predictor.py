"""The predictor of BYOL and SimSiam, which maps the embedding of one view onto the embedding of the other.

Axes: n samples, d embedding.
"""

from __future__ import annotations

from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_floating, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._batch_of_one import check_not_alone


@explain_arguments
class Predictor(nn.Module):
    """Predict the embedding of another view: linear, batch normalization, ReLU, linear.

    Only the online branch has a predictor, after its projection head. This asymmetry, together with a constant target,
    keeps the embeddings from collapsing without negatives. See :func:`~skelblocks.losses.negative_cosine_loss`.

    Args:
        features: d, the size of the embedding. The defaults of both sizes come from SkeletonBYOL's released code,
            128-256-128. SimSiam has 2048-512-2048.
        hidden_features: Width of the hidden layer.
        hidden_bias: Whether the first linear layer has a bias, as in SkeletonBYOL. SimSiam's has none.

    Shape:
        ``(n, d)`` to ``(n, d)``, not normalized.

    Raises:
        ValueError: another shape, a training batch of one, or a size below 1.
        TypeError: embeddings that are not floating-point, or a size that is not an integer.

    Example:
        >>> import torch
        >>> Predictor(128)(torch.randn(4, 128)).shape
        torch.Size([4, 128])
    """

    def __init__(self, features: int = 128, *, hidden_features: int = 256, hidden_bias: bool = True) -> None:
        super().__init__()
        check_integer(features, name="features")
        check_integer(hidden_features, name="hidden_features")
        self.features = features
        self.hidden_features = hidden_features
        self.layers = nn.Sequential(
            nn.Linear(features, hidden_features, bias=hidden_bias),
            nn.BatchNorm1d(hidden_features),
            nn.ReLU(),
            nn.Linear(hidden_features, features),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The prediction for each embedding."""
        check_axes(x, "n d", name="x", d=self.features)
        check_floating(x, name="x")
        check_not_alone(x, training=self.training)
        y: Tensor = self.layers(x)
        return y
