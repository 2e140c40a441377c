"""The matrix that averages joints to parts and bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.layouts.registry import get
from skelblocks.layouts.skeleton_layout import Scale, SkeletonLayout


@explain_arguments
def pooling_matrix(
    layout: str | Mapping[str, Any] | SkeletonLayout,
    *,
    scale: Scale,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """The matrix that averages joints into the groups of a scale: ``x @ matrix`` takes ``(..., v)`` to ``(..., p)``.

    MsMCLR's section 3.2.1 uses the plain mean of a group's joints.

    Args:
        layout: A name, a dict or a layout.
        scale: ``"part"``, ``"body"``, or ``"joint"`` for the identity.
        dtype: Default: torch's default.
        device: Default: torch's default.

    Returns:
        ``(v, p)``; every column sums to one.

    Raises:
        ValueError: an unknown layout or scale.

    Example:
        >>> pooling_matrix("ntu-rgb+d", scale="part").shape
        torch.Size([25, 10])
    """
    layout = get(layout)
    groups = layout.groups(scale)
    matrix = torch.zeros(layout.num_joints, len(groups), dtype=dtype)
    for column, group in enumerate(groups):
        matrix[list(group.joints), column] = 1 / len(group.joints)
    return matrix.to(device=device)
