"""The graph of a layout as adjacency matrices, partitioned the way ST-GCN and its relatives do it.

Axes: s subsets of the neighborhood, v source joints, w target joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks.layouts.registry import get
from skelblocks.layouts.skeleton_layout import SkeletonLayout

Strategy = Literal["uniform", "distance", "spatial", "spatial_bfs", "agcn"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


def adjacency(
    layout: str | Mapping[str, Any] | SkeletonLayout,
    *,
    strategy: Strategy = "spatial",
    max_hop: int = 1,
    dilation: int = 1,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""Column-normalized adjacency, one matrix for each subset: ``y[w] = sum_s sum_v x[v] @ W_s * A[s, v, w]``.

    Neighbors are the joints at 0, ``dilation``, ``2 * dilation``, ... up to ``max_hop`` bones. For every strategy but
    ``"agcn"`` the subsets together give each target a mean: ``A[:, :, w]`` sums to one.

    - ``"uniform"``: one subset.
    - ``"distance"``: one subset for each hop.
    - ``"spatial"``: the joint itself, then for each hop the neighbors farther from the center than the target or as
      far, and those closer. As in ST-GCN's code, which SkeletonCLR, CrosSCLR, AimCLR and MsMCLR release, the distance
      to the center is cut off at ``max_hop``: all joints beyond count as equally far, so that with one hop on NTU RGB+D
      16 of the 48 directed bones are in another subset than the ST-GCN paper's definition gives. Their checkpoints hold
      these matrices.
    - ``"spatial_bfs"``: the same with true distances, as the definition means.
    - ``"agcn"``: self, inward and outward bones, each normalized separately, as in 2s-AGCN, SkeAttnCLR and SkeleMixCLR
      (which call it "spatial").

    Args:
        layout: A name, a dict or a layout.
        strategy: One of the above.
        max_hop: How many bones a neighbor may be away; 1 in all five methods.
        dilation: Take only every ``dilation``-th hop; the hops between are left out.
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
        raise ValueError(f"max_hop, dilation: strategy 'agcn' knows only single bones, got {max_hop}, {dilation}")
    with torch.device("cpu"):  # not every device has float64
        matrices = _agcn(layout) if strategy == "agcn" else _partitioned(layout, strategy, max_hop, dilation)
    device = torch.empty(0).device if device is None else device
    return matrices.to(dtype or torch.get_default_dtype()).to(device)


def _hop_distance(layout: SkeletonLayout) -> Tensor:
    """Bones between every two joints, ``(v, v)``, by Floyd and Warshall."""
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
    closer = (to_center[:, None] < to_center[None, :]).to(distance)  # the source, seen from the target
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
