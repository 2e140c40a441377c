"""ST-GCN, forward and backward: the library's against the usual form on (N, C, T, V) tensors.

The usual form makes all subsets' features by one 1 x 1 convolution to S * C channels, then multiplies them by the
adjacency with ``einsum("nkctv,kvw->nctw")``. Both use the same parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.speed.case import Case, Setting, largest_difference
from skelblocks import STGCN

SHAPE = (8, 3, 50, 25, 2)


def plain_forward(encoder: STGCN, x: Tensor, *, dropout: float) -> Tensor:
    """The feature map ``(n, m, c, t, v)`` from the encoder's own parameters, in place where the released codes are."""
    n, c, t, v, m = x.shape
    h = encoder.data_norm(x.permute(0, 4, 3, 1, 2).contiguous().view(n * m, v * c, t))
    h = h.view(n, m, v, c, t).permute(0, 1, 3, 4, 2).contiguous().view(n * m, c, t, v)
    for i, block in enumerate(encoder.blocks):
        residual = block.residual(h[:, :, :: block.stride]) if block.has_residual else 0
        features = block.graph.conv(h)
        features = features.view(n * m, encoder.adjacency.shape[0], -1, *features.shape[2:])
        mixed = torch.einsum("nkctv,kvw->nctw", features, encoder.adjacency * block.graph.edge_importance).contiguous()
        y = F.relu(block.graph_norm(mixed), inplace=True)
        # Not by calling the layer, which has a faster way for many channels.
        y = block.temporal_norm(nn.Conv2d.forward(block.temporal, y))
        y = F.dropout(y, dropout if i else 0.0, training=encoder.training, inplace=True)
        h = F.relu(y + residual, inplace=True)
    return h.view(n, m, *h.shape[1:])


def _step(encoder: STGCN, forward: Callable[[], Tensor], weight: Tensor | float = 1.0) -> list[Tensor]:
    encoder.zero_grad()
    feature_map = forward()
    (feature_map * weight).mean().backward()  # type: ignore[no-untyped-call]
    return [feature_map.detach(), *(p.grad for p in encoder.parameters() if p.grad is not None)]


def cases(setting: Setting) -> Iterator[Case]:
    """A training step's share of the encoder, with 16 base channels and 256 out, dropout 0.5."""
    torch.manual_seed(0)
    shape = (2, 3, 16, 25, 2) if setting.small else SHAPE
    widths = {"base_channels": 4, "out_channels": 16} if setting.small else {}
    clips = torch.randn(shape, device=setting.device)

    exact, few = STGCN("ntu-rgb+d", dropout=0.0, **widths).double().to(setting.device), clips[:2].double()
    weight = torch.linspace(-1e4, 1e4, exact(few).numel(), dtype=few.dtype, device=few.device).view(exact(few).shape)
    results = (
        _step(exact, lambda: exact(few), weight),
        _step(exact, lambda: plain_forward(exact, few, dropout=0.0), weight),
    )
    difference = largest_difference(*results, floor=1.0)  # biases before a norm have gradient 0

    encoder = STGCN("ntu-rgb+d", dropout=0.5, **widths).to(setting.device)
    forward = torch.compile(encoder) if setting.compiled else encoder

    def ours() -> list[Tensor]:
        with torch.autocast(torch.device(setting.device).type, dtype=torch.bfloat16, enabled=setting.half):
            return _step(encoder, lambda: forward(clips))

    extras = "".join(f", {name}" for name, on in (("bf16", setting.half), ("compiled", setting.compiled)) if on)
    yield Case(
        "encoder",
        f"ST-GCN {'4/16' if setting.small else '16/256'}, forward and backward of {shape}{extras}",
        ours,
        lambda: _step(encoder, lambda: plain_forward(encoder, clips, dropout=0.5)),
        difference,
        clips=shape[0],
    )
