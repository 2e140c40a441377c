"""ST-GCN, forward and backward: the library's against the usual form on (N, C, T, V) tensors.

The usual form makes all subsets' features by one 1 x 1 convolution to S * C channels, then multiplies them by the
adjacency with ``einsum("nkctv,kvw->nctw")``. Both use the same parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from case import Case
from torch import Tensor
from torch.nn import functional as F

from skelblocks import STGCN

SHAPE = (8, 3, 50, 25, 2)


def plain_forward(encoder: STGCN, x: Tensor, *, dropout: float) -> Tensor:
    """The feature map ``(n, m, c, t, v)`` from the encoder's own parameters."""
    n, c, t, v, m = x.shape
    h = encoder.data_norm(x.permute(0, 4, 3, 1, 2).reshape(n * m, v * c, t))
    h = h.view(n, m, v, c, t).permute(0, 1, 3, 4, 2).reshape(n * m, c, t, v)
    for i, block in enumerate(encoder.blocks):
        features = block.graph.conv(h)
        features = features.view(n * m, encoder.adjacency.shape[0], -1, *features.shape[2:])
        mixed = torch.einsum("nkctv,kvw->nctw", features, encoder.adjacency * block.graph.edge_importance).contiguous()
        y = block.temporal_norm(block.temporal(F.relu(block.graph_norm(mixed))))
        y = F.dropout(y, dropout if i else 0.0)
        h = F.relu(y + block.residual(h) if block.has_residual else y)
    return h.view(n, m, *h.shape[1:])


def _step(encoder: STGCN, forward: Callable[[], Tensor]) -> list[Tensor]:
    feature_map = forward()
    weight = torch.linspace(-1, 1, feature_map.numel(), dtype=feature_map.dtype).view(feature_map.shape)
    encoder.zero_grad()
    (feature_map * weight).sum().backward()  # type: ignore[no-untyped-call]
    return [feature_map.detach(), *(p.grad for p in encoder.parameters() if p.grad is not None)]


def cases() -> Iterator[Case]:
    """A training step's share of the encoder, with 16 base channels and 256 out, dropout 0.5."""
    torch.manual_seed(0)
    clips = torch.randn(SHAPE)

    exact, small = STGCN("ntu-rgb+d", dropout=0.0).double(), clips[:2].double()
    results = _step(exact, lambda: exact(small)), _step(exact, lambda: plain_forward(exact, small, dropout=0.0))
    pairs = list(zip(*results, strict=True))
    scale = [max(float(theirs.abs().max()), 1.0) for _, theirs in pairs]  # biases before a norm have gradient 0
    difference = max(float((a - b).abs().max()) / s for (a, b), s in zip(pairs, scale, strict=True))

    encoder = STGCN("ntu-rgb+d", dropout=0.5)
    yield Case(
        "encoder",
        f"ST-GCN 16/256, forward and backward of {SHAPE}",
        lambda: _step(encoder, lambda: encoder(clips)),
        lambda: _step(encoder, lambda: plain_forward(encoder, clips, dropout=0.5)),
        difference,
    )
