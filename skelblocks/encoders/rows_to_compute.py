"""Choose which rows of a batch an encoder computes, for every choice of ``absent``.

Axes: n samples, c channels, t frames, v joints, m persons, b = n m rows.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from skelblocks.encoders.distinct_persons import distinct_persons
from skelblocks.encoders.present_persons import (
    Absent,
    AllRows,
    PresentRows,
    Rows,
    check_absent,
    present_in_clips,
    rows_are_coupled,
)


class DistinctRows(NamedTuple):
    """One row stands for all absent persons, as :func:`distinct_persons` finds them."""

    compute: Tensor
    place: Tensor

    @property
    def number(self) -> int:
        """Number of rows that are computed."""
        return self.compute.shape[0]

    def take(self, x: Tensor) -> Tensor:
        """Present persons and one absent person."""
        return x[self.compute]

    def put_back(self, y: Tensor) -> Tensor:
        """Every row, absent persons as copies."""
        return y[self.place]


def rows_to_compute(
    x: Tensor, *, encoder: nn.Module, absent: Absent, person_mask: Tensor | None = None, same_joints: bool = True
) -> Rows:
    """Choose the rows of clips that go through an encoder.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        encoder: The encoder. Its batch normalization and dropout determine whether rows depend on each other.
        absent: ``"skip"`` selects the rows of present persons. ``"compute"`` selects all rows, or only one absent
            person if all absent persons have the same result.
        person_mask: Boolean ``(n, m)``, only with ``"skip"``.
        same_joints: Whether all rows use the same joints. Otherwise absent persons have different results.

    Raises:
        ValueError: a mask with ``"compute"``, or a mask of another shape.
        TypeError: a mask that is not boolean.

    Example:
        >>> import torch
        >>> x = torch.ones(2, 3, 8, 25, 2)
        >>> x[..., 1] = 0  # both clips show one person
        >>> [rows_to_compute(x, encoder=nn.Identity().eval(), absent=absent).number for absent in ("compute", "skip")]
        [3, 2]
    """
    check_absent(absent, person_mask)
    if absent == "skip":
        return PresentRows(present_in_clips(x, person_mask), coupled=rows_are_coupled(encoder))
    distinct = distinct_persons(x, encoder=encoder) if same_joints else None
    return AllRows(x.shape[0] * x.shape[4]) if distinct is None else DistinctRows(*distinct)
