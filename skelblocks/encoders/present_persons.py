"""Compute only the rows of present persons. The map of an absent person is zero.

Axes: n samples, m persons, c channels, t frames, v joints, b = n m rows.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, get_args

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_boolean, check_choice
from skelblocks.clips.person_mask import person_mask as find_persons

Absent = Literal["compute", "skip"]
ABSENT: tuple[Absent, ...] = get_args(Absent)
_BATCH_DEPENDENT = nn.BatchNorm1d | nn.BatchNorm2d | nn.SyncBatchNorm | nn.Dropout


class Rows(Protocol):
    """Selects the rows ``(b, c, t, v)`` that an encoder computes, and puts the results back in place."""

    @property
    def number(self) -> int:
        """Number of rows that are computed."""

    def take(self, x: Tensor) -> Tensor:
        """The rows to compute."""

    def put_back(self, y: Tensor) -> Tensor:
        """All rows, assembled from the computed rows."""


class AllRows(NamedTuple):
    """Every row is computed."""

    number: int

    def take(self, x: Tensor) -> Tensor:
        """The argument."""
        return x

    def put_back(self, y: Tensor) -> Tensor:
        """The argument."""
        return y


class PresentRows:
    r"""The rows that a block computes if it skips absent persons.

    With :math:`f` a block that treats rows independently, or that mixes them only through batch statistics,

    .. math:: y_i = f(x_P)_i \text{ for } i \in P, \qquad y_i = 0 \text{ for } i \notin P

    where :math:`P` are the rows of present persons. :meth:`take` is :math:`x \mapsto x_P`, and :meth:`put_back` puts
    the results back in their places. If all persons are present, both return their argument.

    In a compiled or exported graph, and under ``vmap``, the number of rows cannot depend on values. If no row depends
    on another, all rows are computed, and the rows of absent persons are then set to zero: the results are the same,
    but no time is saved. Otherwise ``torch.compile`` breaks the graph (so ``fullgraph=True`` fails), and ``vmap``
    raises an error.

    Args:
        present: Boolean, one value per row, in any shape with b entries; true where the person is present.
        coupled: Whether rows depend on each other, for instance through batch statistics in training.

    Raises:
        ValueError: coupled rows under ``vmap``.

    Example:
        >>> rows = PresentRows(torch.tensor([[True, False], [False, True]]))
        >>> x = torch.arange(1.0, 5.0).view(4, 1, 1, 1)
        >>> rows.put_back(10 * rows.take(x)).flatten().tolist()
        [10.0, 0.0, 0.0, 40.0]
    """

    def __init__(self, present: Tensor, *, coupled: bool = False) -> None:
        self.present = present.flatten()
        self.index: Tensor | None = None
        self.number = self.present.shape[0]
        self.everybody = False
        if _readable(self.present) or (coupled and torch.compiler.is_compiling()):
            self.index = self.present.nonzero()[:, 0]
            self.number = self.index.shape[0]
            self.everybody = self.number == self.present.shape[0]
        elif coupled and not present.is_meta:
            raise ValueError(
                "absent: expected 'compute' under torch.vmap or torch.jit.trace in training, got 'skip': the result "
                "depends on the number of present persons; pass absent='compute', or call .eval()"
            )

    def take(self, x: Tensor) -> Tensor:
        """The rows to compute of ``(b, c, t, v)``."""
        if self.everybody:
            return x
        if self.index is None:
            return x.masked_fill(~_spread(self.present, x), 0)  # NaN would reach the weights' gradients
        if x.ndim != 4:
            return x.index_select(0, self.index)
        # Convert to channels-last: with other strides, index_select and its backward are several times slower
        # (torch 2.13).
        return x.permute(0, 2, 3, 1).index_select(0, self.index).permute(0, 3, 1, 2)

    def put_back(self, y: Tensor) -> Tensor:
        """Results ``(b, ...)``, zero or false for absent persons. Maps have channels-last strides."""
        if self.everybody:
            return y
        if self.index is None:
            return y.masked_fill(~_spread(self.present, y), 0)
        last = y.permute(0, 2, 3, 1) if y.ndim == 4 else y
        whole = y.new_zeros(self.present.shape[0], *last.shape[1:]).index_copy_(0, self.index, last)
        return whole.permute(0, 3, 1, 2) if y.ndim == 4 else whole


def present_in_clips(x: Tensor, person_mask: Tensor | None) -> Tensor:
    """Boolean ``(n, m)``: the mask, or the persons of ``(n, c, t, v, m)`` who have a coordinate other than zero."""
    if person_mask is None:
        return find_persons(x)
    check_axes(person_mask, "n m", name="person_mask", n=x.shape[0], m=x.shape[4])
    check_boolean(person_mask, name="person_mask")
    return person_mask


def present_in_map(feature_map: Tensor, person_mask: Tensor | None = None) -> Tensor:
    """Boolean ``(...)``: the persons of a map ``(..., c, t, v)`` who are present.

    An encoder with ``absent="skip"`` gives absent persons a map of zeros, and the blocks after it keep the zeros.

    Args:
        feature_map: ``(..., c, t, v)``.
        person_mask: Boolean ``(...)``, true where a person is present; it is checked and returned. Default: persons
            whose map is not all zero (NaN is not zero).

    Raises:
        ValueError: a mask of another shape.
        TypeError: a mask that is not boolean.

    Example:
        >>> feature_map = torch.ones(1, 2, 8, 13, 25)
        >>> feature_map[:, 1] = 0
        >>> present_in_map(feature_map).tolist()
        [[True, False]]
    """
    if person_mask is None:
        # With channels-last strides, a sum of magnitudes is fifty times as fast as a maximum or
        # `(feature_map != 0).any()`.
        return feature_map.detach().abs().sum(dim=(-3, -2, -1)) != 0
    check_boolean(person_mask, name="person_mask")
    if person_mask.shape != feature_map.shape[:-3]:
        raise ValueError(
            f"person_mask: expected shape {tuple(feature_map.shape[:-3])}, as in feature_map, got "
            f"{tuple(person_mask.shape)}; pass one value for each person"
        )
    return person_mask


def absent_of(encoder: nn.Module) -> Absent:
    """What an encoder does with absent persons. Modules without an attribute ``absent`` compute them."""
    return "skip" if getattr(encoder, "absent", "compute") == "skip" else "compute"


def present_rows(feature_map: Tensor, absent: Absent, person_mask: Tensor | None, *, coupled: bool = False) -> Rows:
    """The rows of a map ``(..., c, t, v)`` that a block after the encoder computes; all rows with ``"compute"``."""
    check_absent(absent, person_mask)
    if absent == "compute":
        return AllRows(feature_map.shape[:-3].numel())
    return PresentRows(present_in_map(feature_map, person_mask), coupled=coupled)


def check_absent(absent: Absent, person_mask: Tensor | None = None) -> None:
    """Raise for an unknown choice, or for a mask that ``"compute"`` would ignore."""
    check_choice(absent, ABSENT, name="absent")
    if absent == "compute" and person_mask is not None:
        raise ValueError(
            "person_mask: expected None with absent='compute', which computes all persons, got a mask; pass "
            "absent='skip', or omit the mask"
        )


def rows_are_coupled(module: nn.Module) -> bool:
    """Whether batch statistics or dropout in training make a row depend on which other rows are computed."""
    return any(each.training for each in module.modules() if isinstance(each, _BATCH_DEPENDENT))


def _spread(present: Tensor, like: Tensor) -> Tensor:
    return present.view(-1, *(1 for _ in range(like.ndim - 1)))


def _readable(x: Tensor) -> bool:
    """Whether the number of rows may depend on values, which is not possible in a graph or under ``vmap``."""
    if torch.compiler.is_compiling() or x.is_meta or torch._C._get_tracing_state():
        return False
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        if torch._C._functorch.is_batchedtensor(x):
            return False
        x = torch._C._functorch.get_unwrapped(x)
    return True
