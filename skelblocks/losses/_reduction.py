"""Reduce the clips' losses to one number."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from skelblocks._utils.checks import check_choice

Reduction = Literal["mean", "sum", "none"]


def check_reduction(reduction: Reduction) -> None:
    """Raise ``ValueError`` unless :func:`reduce_clips` supports the reduction.

    Example:
        >>> check_reduction("max")
        Traceback (most recent call last):
        ...
        ValueError: reduction: expected one of 'mean', 'sum', 'none', got 'max'
    """
    check_choice(reduction, get_args(Reduction), name="reduction")


def reduce_clips(losses: Tensor, reduction: Reduction) -> Tensor:
    """Return the mean or the sum of the clips' losses, or the losses unchanged.

    Args:
        losses: ``(n,)``, one per clip.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or ``(n,)`` for ``"none"``.

    Raises:
        ValueError: the mean of an empty batch.

    Example:
        >>> import torch
        >>> reduce_clips(torch.tensor([1.0, 3.0]), "mean"), reduce_clips(torch.tensor([1.0, 3.0]), "none")
        (tensor(2.), tensor([1., 3.]))
    """
    check_clips(losses.shape[0], reduction)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def check_clips(n: int, reduction: Reduction) -> None:
    """Raise ``ValueError`` for the mean of an empty batch, which would be NaN.

    Example:
        >>> check_clips(0, "mean")
        Traceback (most recent call last):
        ...
        ValueError: reduction: expected at least one clip for 'mean', got an empty batch; skip the batch, or use 'sum'
    """
    if reduction == "mean" and n == 0:
        raise ValueError(
            "reduction: expected at least one clip for 'mean', got an empty batch; skip the batch, or use 'sum'"
        )
