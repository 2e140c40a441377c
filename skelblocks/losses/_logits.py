"""Checks of logits that all losses share. Column 0 of a logits matrix is the positive key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_floating, check_sequence, values_visible
from skelblocks._utils.debug import debugging

_FEW = 4  # rows, of which no four are unit embeddings or probabilities by chance


def check_logits(logits: Tensor, *, name: str = "logits", like: Tensor | None = None) -> None:
    """Raise unless ``logits`` is a matrix ``(n, 1 + k)`` of logits with at least one negative.

    Args:
        logits: The value to check.
        name: The argument's name in the error message.
        like: Logits that were already checked; ``logits`` must have the same shape.

    Raises:
        TypeError: not a floating-point tensor.
        ValueError: a wrong shape; on the CPU, the first rows are probabilities or unit embeddings; in debug mode, any
            row is, or there are NaN or infinity.

    Example:
        >>> check_logits(torch.zeros(4, 1))
        Traceback (most recent call last):
        ...
        ValueError: logits: expected (n, 1 + k) with at least one negative, got shape (4, 1); pass a bank with rows
    """
    sizes = {} if like is None else {"n": like.shape[0], "k": like.shape[1]}
    check_axes(logits, "n k", name=name, **sizes)
    check_floating(logits, name=name)
    if logits.shape[1] < 2:
        raise ValueError(
            f"{name}: expected (n, 1 + k) with at least one negative, got shape {tuple(logits.shape)}; "
            "pass a bank with rows"
        )
    if debugging(logits):
        _check_values(logits.detach(), name=name)
    elif logits.shape[0] >= _FEW and values_visible(logits):
        _check_kind(logits[:_FEW].detach(), name=name)


def check_logits_list(
    matrices: Sequence[Tensor], *, name: str, least: int, expected: str, like: Tensor | None = None
) -> None:
    """Raise unless ``matrices`` is a list of logits that all have the same shape.

    Args:
        matrices: The value to check.
        name: The argument's name in the error message.
        least: The smallest allowed number of matrices.
        expected: The allowed number in words, with a remedy for a shorter list.
        like: Logits that were already checked, which set the shape. By default the first matrix sets it.

    Raises:
        TypeError: one matrix in place of a list, or tensors that are not floating-point.
        ValueError: too few matrices, or a wrong shape.
    """
    check_sequence(matrices, name=name)
    if len(matrices) < least:
        raise ValueError(f"{name}: expected {expected}, got {len(matrices) or 'none'}")
    for i, logits in enumerate(matrices):
        check_logits(logits, name=f"{name}[{i}]", like=like)
        like = logits if like is None else like


def check_roles(trained: Mapping[str, Tensor], constant: Mapping[str, Tensor]) -> None:
    """Raise ``ValueError`` if only the constant inputs of a loss require grad, and none of its trained inputs does.

    This usually means that arguments were swapped, such as teacher and students, or key and query.

    Args:
        trained: The tensors that the loss trains, by argument name.
        constant: The tensors that it treats as constants, by argument name.

    Example:
        >>> teacher, student = torch.zeros(2, 3), torch.zeros(2, 3, requires_grad=True)
        >>> check_roles({"student_logits": teacher}, {"teacher_logits": student})
        Traceback (most recent call last):
        ...
        ValueError: teacher_logits: expected a constant, got a tensor that requires grad, while student_logits, which
        the loss trains, does not require grad; swap the arguments, or detach teacher_logits
    """
    if not torch.is_grad_enabled() or any(x.requires_grad for x in trained.values()):
        return
    for name, x in constant.items():
        if x.requires_grad:
            learner = next(iter(trained))
            raise ValueError(
                f"{name}: expected a constant, got a tensor that requires grad, while {learner}, which the loss "
                f"trains, does not require grad; swap the arguments, or detach {name}"
            )


def _check_values(logits: Tensor, *, name: str) -> None:
    if logits.isnan().any() or (logits == torch.inf).any():
        raise ValueError(f"{name}: expected numbers or -inf, got NaN or +inf; check the clips and weights for NaN")
    _check_kind(logits, name=name)


def _check_kind(logits: Tensor, *, name: str) -> None:
    if ((logits >= 0) & (logits <= 1)).all() and (logits.float().sum(dim=1) - 1).abs().max() < 1e-2:
        raise ValueError(
            f"{name}: expected logits, got rows that sum to 1, like probabilities; pass the values before the softmax"
        )
    if (logits.float().square().sum(dim=1) - 1).abs().max() < 1e-2:
        raise ValueError(
            f"{name}: expected logits, got rows of length 1, like embeddings; pass "
            "contrastive_logits(query, key, bank, temperature=...)"
        )
