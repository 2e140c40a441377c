"""Checks of logits, which the losses share. Column 0 of a logits matrix is the positive key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_floating, check_sequence
from skelblocks._utils.debug import debugging


def check_logits(logits: Tensor, *, name: str = "logits", like: Tensor | None = None) -> None:
    """Raise unless ``logits`` can be logits ``(n, 1 + k)`` of at least one clip against at least one negative.

    Args:
        logits: What the caller was given.
        name: How an error calls the argument.
        like: Logits of the same shape, already checked.

    Raises:
        TypeError: not a floating-point tensor.
        ValueError: a wrong shape; in debug mode also NaN, infinity, probabilities or unit embeddings.

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


def check_logits_list(
    matrices: Sequence[Tensor], *, name: str, least: int, expected: str, like: Tensor | None = None
) -> None:
    """Raise unless ``matrices`` is a list of logits of one shape.

    Args:
        matrices: What the caller was given.
        name: How an error calls the argument.
        least: How many matrices there must be.
        expected: These in words, and what to do about fewer.
        like: Logits of the same shape, already checked; default, the first of the list.

    Raises:
        TypeError: one matrix in place of a list, or not floating-point tensors.
        ValueError: fewer matrices, or a wrong shape.
    """
    check_sequence(matrices, name=name)
    if len(matrices) < least:
        raise ValueError(f"{name}: expected {expected}, got {len(matrices) or 'none'}")
    for i, logits in enumerate(matrices):
        check_logits(logits, name=f"{name}[{i}]", like=like)
        like = logits if like is None else like


def check_roles(trained: Mapping[str, Tensor], constant: Mapping[str, Tensor]) -> None:
    """Raise ``ValueError`` if gradient is asked for by what a loss holds constant, and by nothing that it trains.

    That is what exchanged arguments look like: a teacher in the students' place, a key in the query's.

    Args:
        trained: What the loss trains, by name.
        constant: What it holds constant, by name.

    Example:
        >>> teacher, student = torch.zeros(2, 3), torch.zeros(2, 3, requires_grad=True)
        >>> check_roles({"student_logits": teacher}, {"teacher_logits": student})
        Traceback (most recent call last):
        ...
        ValueError: teacher_logits: expected a constant, got a tensor that requires grad, while student_logits, which
        the loss trains, requires none; exchange the arguments, or detach teacher_logits
    """
    if not torch.is_grad_enabled() or any(x.requires_grad for x in trained.values()):
        return
    for name, x in constant.items():
        if x.requires_grad:
            learner = next(iter(trained))
            raise ValueError(
                f"{name}: expected a constant, got a tensor that requires grad, while {learner}, which the loss "
                f"trains, requires none; exchange the arguments, or detach {name}"
            )


def _check_values(logits: Tensor, *, name: str) -> None:
    if logits.isnan().any() or (logits == torch.inf).any():
        raise ValueError(f"{name}: expected numbers or -inf, got NaN or +inf; look for NaN in the clips or weights")
    if ((logits >= 0) & (logits <= 1)).all() and (logits.float().sum(dim=1) - 1).abs().max() < 1e-2:
        raise ValueError(
            f"{name}: expected logits, got rows that sum to 1, as probabilities do; pass the values before softmax"
        )
    if (logits.float().square().sum(dim=1) - 1).abs().max() < 1e-2:
        raise ValueError(
            f"{name}: expected logits, got rows of length 1, as embeddings have; pass "
            "contrastive_logits(query, key, bank, temperature=...)"
        )
