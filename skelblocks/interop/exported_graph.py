"""The module that is exported as a graph: encoder, and optionally preparation, readout and classifier.

Axes: n clips, c coordinates, t frames, v joints, m persons, d features.
"""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn

from skelblocks.encoders import ReadoutEncoder
from skelblocks.encoders.readout import Readout
from skelblocks.interop.graph_preparation import GraphPreparation


class ExportedGraph(nn.Module):
    """Map clips to probabilities, to features, or to a feature map.

    Args:
        encoder: Maps prepared clips to feature maps.
        readout: How the feature map becomes one vector; None outputs the map.
        classifier: Maps features to scores; the graph then outputs their softmax.
        preparation: Maps recorded clips to prepared clips.

    Raises:
        ValueError: A classifier without a readout.

    Example:
        >>> import torch
        >>> from skelblocks.encoders import STGCN
        >>> encoder = STGCN("coco-17", base_channels=2, out_channels=4).eval()
        >>> graph = ExportedGraph(encoder, readout="mean", classifier=nn.Linear(4, 3))
        >>> graph(torch.randn(2, 3, 20, 17, 1)).sum(dim=1).allclose(torch.ones(2))
        True
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        readout: Readout | None = "mean",
        classifier: nn.Module | None = None,
        preparation: GraphPreparation | None = None,
    ) -> None:
        super().__init__()
        if classifier is not None and readout is None:
            raise ValueError("pool: expected True with a classifier, got False; a classifier takes features, not maps")
        self.preparation = preparation
        self.encoder = encoder if readout is None else ReadoutEncoder(encoder, readout)
        self.classifier = classifier

    @property
    def output(self) -> str:
        """Name of the graph's output."""
        return "features" if self.classifier is None else "probabilities"

    def forward(self, clips: Tensor) -> Tensor:
        """Probabilities ``(n, classes)``, features ``(n, d)`` or the map."""
        x: Tensor = self.encoder(clips if self.preparation is None else self.preparation(clips))
        if self.classifier is None:
            return x
        # The additional axis is for ncnn: its mean over persons keeps an axis that pnnx does not expect, and a softmax
        # over what pnnx takes for the classes gives 1 for all of them (pnnx 20261020, ncnn 1.0.20261020).
        probabilities = rearrange(self.classifier(x), "n classes -> n 1 classes").softmax(dim=-1)
        flat: Tensor = rearrange(probabilities, "n 1 classes -> n classes")
        return flat
