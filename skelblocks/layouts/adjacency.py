"""The graph of a layout as adjacency matrices, partitioned as in ST-GCN and related methods.

Axes: s subsets of the neighborhood, v source joints, w target joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.layouts.registry import get
from skelblocks.layouts.skeleton_layout import SkeletonLayout

Strategy = Literal["uniform", "distance", "spatial", "spatial_bfs", "agcn"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


@explain_arguments
def adjacency(
    layout: str | Mapping[str, Any] | SkeletonLayout,
    *,
    strategy: Strategy = "spatial",
    max_hop: int = 1,
    dilation: int = 1,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""Column-normalized adjacency, one matrix per subset: ``y[w] = sum_s sum_v x[v] @ W_s * A[s, v, w]``.

    Neighbors are the joints at a distance of 0, ``dilation``, ``2 * dilation``, ... up to ``max_hop`` bones. Except for
    ``"agcn"``, the subsets together average over each target's neighbors: ``A[:, :, w]`` sums to one.

    - ``"uniform"``: one subset.
    - ``"distance"``: one subset per hop.
    - ``"spatial"``: the joint itself; then for each hop the neighbors that are closer to the center than the target,
      and all other neighbors. As in ST-GCN's code, which SkeletonCLR, CrosSCLR, AimCLR and MsMCLR use, distances to the
      center are clipped at ``max_hop``. So with one hop on NTU RGB+D, 16 of the 48 directed bones are in another subset
      than in the ST-GCN paper's definition. The released checkpoints contain these matrices.
    - ``"spatial_bfs"``: the same with true distances, as in the paper's definition.
    - ``"agcn"``: self, inward and outward bones, each normalized separately, as in 2s-AGCN, SkeAttnCLR and SkeleMixCLR
      (which call it "spatial").

    Args:
        layout: A name, a dict or a layout.
        strategy: One of the above.
        max_hop: Largest distance of a neighbor in bones; 1 in all these methods.
        dilation: Use only every ``dilation``-th hop.
        dtype: Default: torch's default. The matrices are computed in float64.
        device: Default: torch's default.

    Returns:
        ``(s, v, w)``.

    Raises:
        TypeError: ``max_hop`` or ``dilation`` is not an integer.
        ValueError: an unknown strategy, ``max_hop`` or ``dilation`` below 1, or another hop than 1 with ``"agcn"``.

    Example:
        >>> A = adjacency("ntu-rgb+d", strategy="spatial", dtype=torch.float64)
        >>> A.shape, bool(A.sum(dim=(0, 1)).allclose(torch.ones(25, dtype=torch.float64)))
        (torch.Size([3, 25, 25]), True)
    """
    layout = get(layout)
    check_choice(strategy, STRATEGIES, name="strategy")
    check_integer(max_hop, name="max_hop")
    check_integer(dilation, name="dilation")
    if strategy == "agcn" and (max_hop, dilation) != (1, 1):
        raise ValueError(f"max_hop, dilation: expected 1, 1 with strategy 'agcn', got {max_hop}, {dilation}; omit them")
    with torch.device("cpu"):  # not every device has float64
        matrices = _agcn(layout) if strategy == "agcn" else _partitioned(layout, strategy, max_hop, dilation)
    device = torch.empty(0).device if device is None else device
    return matrices.to(dtype or torch.get_default_dtype()).to(device)


def _hop_distance(layout: SkeletonLayout) -> Tensor:
    """Number of bones between every two joints, ``(v, v)``, by the Floyd-Warshall algorithm."""
    distance = torch.full((layout.num_joints, layout.num_joints), torch.inf, dtype=torch.float64)
    distance.fill_diagonal_(0)
    for a, b in layout.edges:
        distance[a, b] = distance[b, a] = 1
    for joint in range(layout.num_joints):
        distance = torch.minimum(distance, distance[:, joint, None] + distance[None, joint, :])
    return distance


def _normalize_columns(matrix: Tensor) -> Tensor:
    return matrix / matrix.sum(dim=0).where(matrix.sum(dim=0) > 0, 1)


def _partitioned(layout: SkeletonLayout, strategy: Strategy, max_hop: int, dilation: int) -> Tensor:
    distance = _hop_distance(layout)
    hops = range(0, max_hop + 1, dilation)
    by_hop = [(distance == hop).to(distance) for hop in hops]
    weights = _normalize_columns(torch.stack(by_hop).sum(dim=0))
    if strategy == "uniform":
        return weights[None]
    if strategy == "distance":
        return torch.stack([weights * near for near in by_hop])
    to_center = distance[:, layout.center]
    if strategy == "spatial":
        to_center = to_center.where(to_center <= max_hop, torch.inf)
    closer = (to_center[:, None] < to_center[None, :]).to(distance)  # whether the source is closer than the target
    subsets = [weights * by_hop[0]]
    for near in by_hop[1:]:
        subsets += [weights * near * (1 - closer), weights * near * closer]
    return torch.stack(subsets)


def _agcn(layout: SkeletonLayout) -> Tensor:
    count = layout.num_joints
    inward = torch.zeros(count, count, dtype=torch.float64)
    for a, b in layout.edges:
        child, parent = (b, a) if layout.parents[b] == a else (a, b)
        inward[parent, child] = 1
    return torch.stack([torch.eye(count, dtype=torch.float64), *map(_normalize_columns, (inward, inward.T))])
