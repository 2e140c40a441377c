"""Checks of embeddings, banks and exclusions, shared by contrast and losses."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_boolean, check_floating, check_positive, values_visible
from skelblocks._utils.debug import debugging


def check_contrast(
    embeddings: Mapping[str, Tensor],
    banks: Mapping[str, Tensor],
    *,
    temperature: float,
    exclude: Tensor | None = None,
    several: str = "",
) -> None:
    """Raise unless embeddings, banks and exclusions fit together.

    Args:
        embeddings: Embeddings by name, each ``(n, d)``. The first one sets n and d.
        banks: Banks by name, each ``(k, d)``.
        temperature: Positive.
        exclude: ``(n, k)`` boolean, or None.
        several: The name of an embedding that may be ``(..., n, d)``.

    Raises:
        TypeError: a wrong dtype.
        ValueError: a wrong shape or range; in debug mode also NaN, infinite values, or a bank whose rows are not unit
            rows.

    Warns:
        UserWarning: a few rows of a bank on the CPU are not unit rows.
    """
    sizes: dict[str, int] = {}
    for name, x in embeddings.items():
        check_axes(x, "... n d" if name == several and x.ndim > 2 else "n d", name=name, **sizes)
        check_floating(x, name=name)
        sizes = sizes or {"n": x.shape[-2], "d": x.shape[-1]}
        if debugging(x):
            check_finite(x.flatten(0, -2), name=name)
    for name, bank in banks.items():
        check_axes(bank, "k d", name=name, d=sizes["d"])
        check_floating(bank, name=name)
        if exclude is not None:
            check_axes(exclude, "n k", name="exclude", n=sizes["n"], k=bank.shape[0])
        if debugging(bank):
            _check_unit_rows(bank, name=name)
        elif values_visible(bank):
            _warn_of_other_lengths(bank, name=name)
    if exclude is not None:
        check_boolean(exclude, name="exclude")
    check_positive(temperature, name="temperature")


def check_finite(x: Tensor, *, name: str) -> None:
    """Raise ``ValueError`` if a row of ``x`` ``(n, d)`` contains NaN or infinity. This reads the values.

    Example:
        >>> check_finite(torch.tensor([[1.0], [torch.nan]]), name="keys")
        Traceback (most recent call last):
        ...
        ValueError: keys: expected finite numbers, got NaN or infinity in rows [1]; check the clips of these
        rows for NaN, or lower the learning rate
    """
    finite = x.isfinite().all(dim=1)
    if not finite.all():
        rows = (~finite).nonzero().flatten()
        shown = f"{rows[:5].tolist()}"[:-1] + (", ...]" if len(rows) > 5 else "]")
        raise ValueError(
            f"{name}: expected finite numbers, got NaN or infinity in rows {shown}; check the clips of these rows for "
            "NaN, or lower the learning rate"
        )


def _warn_of_other_lengths(bank: Tensor, *, name: str) -> None:
    """Look at a few rows alone, which costs next to nothing."""
    some = torch.linalg.vector_norm(bank[:: max(1, bank.shape[0] // 4)].detach().float(), dim=1)
    if ((some - 1).abs() > 0.02).logical_and(some != 0).any():
        warnings.warn(
            f"{name}: expected rows of length 1, got lengths from {some.min():.4g} to {some.max():.4g}; pass "
            f"unit_rows({name})",
            UserWarning,
            stacklevel=4,
        )


def _check_unit_rows(bank: Tensor, *, name: str) -> None:
    check_finite(bank, name=name)
    length = torch.linalg.vector_norm(bank.float(), dim=1)
    off = ((length - 1).abs() > 0.02) & (length != 0)  # rows of a bfloat16 bank are off by up to 0.004
    if off.any():
        raise ValueError(
            f"{name}: expected rows of length 1, got lengths from {length.min():.4g} to {length.max():.4g}; "
            f"pass unit_rows({name})"
        )
