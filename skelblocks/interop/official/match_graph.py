"""Find the graph that an official checkpoint was trained with.

Axes: s subsets of the neighbourhood, v source joints, w target joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skelblocks import layouts
from skelblocks.interop.official.checkpoint_error import CheckpointError
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.adjacency import Strategy

_PREFERRED = ("ntu-rgb+d",)
_STRATEGIES: tuple[Strategy, ...] = ("spatial", "agcn", "spatial_bfs", "distance", "uniform")
_HOPS = ((1, 1), (2, 1), (3, 1), (2, 2), (3, 2))


class Graph(NamedTuple):
    """The arguments with which ``layouts.adjacency`` gives a graph."""

    layout: SkeletonLayout
    strategy: Strategy
    max_hop: int = 1
    dilation: int = 1


def match_graph(
    adjacency: Tensor, *, layout: str | Mapping[str, Any] | SkeletonLayout = "auto", name: str = "A"
) -> tuple[Graph, ...]:
    """Compare the buffer ``A`` of an official encoder with our layouts and strategies.

    The released code uses "spatial" for two graphs: ST-GCN's, in SkeletonCLR, CrosSCLR, AimCLR, MsMCLR, HiCLR and PSTL,
    is our ``"spatial"``; 2s-AGCN's, in SkeleMixCLR and SkeAttnCLR, our ``"agcn"``. Weights fit one of them only.

    Args:
        adjacency: ``(s, v, w)``.
        layout: The skeleton to compare with, or ``"auto"`` for all that are registered, NTU RGB+D first.
        name: What the message calls it.

    Returns:
        All graphs that are equal, the most usual first; they differ in name, or in what the graph does not say.

    Raises:
        CheckpointError: None is equal.

    Example:
        >>> match_graph(layouts.adjacency("ntu-rgb+d", strategy="agcn"))[0].strategy
        'agcn'
    """
    if adjacency.ndim != 3 or adjacency.shape[1] != adjacency.shape[2] or not adjacency.numel():
        raise CheckpointError(f"{name}: expected a graph (s, v, w) with w = v, got shape {tuple(adjacency.shape)}")
    skeletons = layouts_of(adjacency.shape[1], layout=layout)
    graph_matrix = adjacency.to("cpu", torch.float64)
    # Weights that were halved once stay rounded, whatever their dtype is now.
    halved = any(
        graph_matrix.to(dtype).to(graph_matrix.dtype).equal(graph_matrix) for dtype in (torch.float16, torch.bfloat16)
    )
    tolerance = 2e-3 if halved else 1e-6
    matches: list[Graph] = []
    nearest = (float("inf"), "")
    for graph, matrices in (each for skeleton in skeletons for each in _graphs(skeleton, graph_matrix.shape[0])):
        off = float((matrices - graph_matrix).abs().max())
        nearest = min(nearest, (off, f"{graph.strategy!r} of {graph.layout.name!r}, max_hop={graph.max_hop}"))
        if off <= tolerance:
            matches.append(graph)
    if not matches:
        near = f"; the nearest, {nearest[1]}, is off by {nearest[0]:.3g}" if nearest[1] else ""
        raise CheckpointError(
            f"{name}: the file's graph of shape {tuple(graph_matrix.shape)} is none of those that the layouts "
            f"{', '.join(repr(skeleton.name) for skeleton in skeletons)} give{near}; pass your skeleton as layout=, or "
            "check_graph=False to take the file's graph as it is"
        )
    return tuple(matches)


def layouts_of(joints: int, *, layout: str | Mapping[str, Any] | SkeletonLayout) -> list[SkeletonLayout]:
    """The layouts to compare with: the given one, or for ``"auto"`` all with this number of joints."""
    if layout != "auto":
        skeleton = layouts.get(layout)
        if skeleton.num_joints != joints:
            raise CheckpointError(
                f"layout: the file's graph has {joints} joints, {skeleton.name!r} has {skeleton.num_joints}; "
                'pass another, or layout="auto"'
            )
        return [skeleton]
    names = sorted(layouts.available(), key=lambda known: known not in _PREFERRED)
    skeletons = [layouts.get(known) for known in names if layouts.get(known).num_joints == joints]
    if not skeletons:
        raise CheckpointError(
            f"layout: the file's graph has {joints} joints, as no registered layout has; pass yours as layout= "
            "(--layout mine.json), or add it with layouts.register"
        )
    return skeletons


def some_graph(skeleton: SkeletonLayout, *, subsets: int, strategy: str) -> Graph:
    """A graph with this number of subsets, of this strategy if there is one."""
    fitting = [graph for graph, _ in _graphs(skeleton, subsets)]
    if not fitting:
        raise CheckpointError(f"A: expected a graph whose number of subsets a strategy gives, got {subsets}")
    return next((graph for graph in fitting if graph.strategy == strategy), fitting[0])


@lru_cache(maxsize=8)  # a checkpoint asks for the same once an encoder
def _graphs(skeleton: SkeletonLayout, subsets: int) -> tuple[tuple[Graph, Tensor], ...]:
    found = []
    for strategy in _STRATEGIES:
        for max_hop, dilation in _HOPS[:1] if strategy == "agcn" else _HOPS:
            matrices = layouts.adjacency(
                skeleton, strategy=strategy, max_hop=max_hop, dilation=dilation, dtype=torch.float64, device="cpu"
            )
            if matrices.shape[0] == subsets:
                found.append((Graph(skeleton, strategy, max_hop, dilation), matrices))
    return tuple(found)
