"""Testers of precision: other dtypes, and autocast."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skelblocks.testing._calls import (
    Block,
    Inputs,
    Keywords,
    call,
    check_close,
    expect,
    map_tensors,
    name_of,
    tensors_of,
)
from skelblocks.testing.check_gradients import backward


def check_dtypes(
    block: Block,
    inputs: Inputs,
    *,
    keywords: Keywords = None,
    dtypes: Sequence[torch.dtype] = (torch.float64, torch.bfloat16, torch.float16),
    out_dtype: torch.dtype | None = None,
    rtol: float = 0.1,
    atol: float = 0.1,
) -> None:
    """Check that a block runs in other dtypes, returns them, and returns about the same values.

    Args:
        block: Function or module to test. A module is copied and converted.
        inputs: Positional arguments; floating-point tensors are converted to each dtype.
        keywords: Keyword arguments, converted likewise.
        dtypes: Dtypes to try.
        out_dtype: Dtype that floating-point outputs must have; default: the dtype of the inputs.
        rtol: Relative tolerance; the default allows for bfloat16's 8 bits.
        atol: Absolute tolerance.

    Raises:
        AssertionError: An output has another dtype, or another value.

    Example:
        >>> check_dtypes(nn.Linear(3, 2), [torch.randn(4, 3)])
    """
    expected = call(block, inputs, keywords)
    for dtype in dtypes:
        twin = copy.deepcopy(block).to(dtype) if isinstance(block, nn.Module) else block
        got = call(twin, _converted(list(inputs), dtype), _converted(dict(keywords or {}), dtype))
        for y in tensors_of(got):
            wanted = out_dtype or dtype
            expect(
                not y.is_floating_point() or y.dtype == wanted,
                f"{name_of(block)} of {dtype}: expected an output of {wanted}, got {y.dtype}",
            )
        check_close(got, expected, what=f"{name_of(block)} of {dtype}", rtol=rtol, atol=atol, dtype=False)


def check_autocast(
    block: Block,
    inputs: Inputs,
    *,
    keywords: Keywords = None,
    dtype: torch.dtype = torch.bfloat16,
    out_dtype: torch.dtype | None = None,
    exact: bool = False,
) -> None:
    """Check that a block runs under autocast, forward and backward, with finite outputs and gradients.

    Args:
        block: Function or module to test. A module is copied.
        inputs: Positional arguments. Autocast is entered for the device of the first tensor.
        keywords: Keyword arguments.
        dtype: Autocast's dtype.
        out_dtype: Dtype that floating-point outputs must have; default: any.
        exact: Whether the outputs must be the same bits as without autocast, as of ops that autocast must not touch.

    Raises:
        AssertionError: An output or a gradient is NaN or infinite, a gradient of a parameter has another dtype than
            the parameter, or an output differs from what ``out_dtype`` or ``exact`` asks for.

    Example:
        >>> check_autocast(nn.Linear(3, 2), [torch.randn(4, 3)], out_dtype=torch.bfloat16)
    """
    twin = copy.deepcopy(block) if isinstance(block, nn.Module) else block
    what = f"{name_of(block)} under autocast to {dtype}"
    with torch.autocast(tensors_of([inputs, keywords or {}])[0].device.type, dtype=dtype):
        got = call(twin, inputs, keywords)
    for y in tensors_of(got):
        if y.is_floating_point():
            expect(bool(y.isfinite().all()), f"{what}: expected finite outputs, got NaN or infinity")
            expect(out_dtype in (None, y.dtype), f"{what}: expected an output of {out_dtype}, got {y.dtype}")
    if exact:
        check_close(got, call(block, inputs, keywords), what=what, rtol=0.0, atol=0.0)
    if any(y.requires_grad for y in tensors_of(got)):
        backward(got)
    if isinstance(twin, nn.Module):
        for name, parameter in twin.named_parameters():
            finite = parameter.grad is None or bool(parameter.grad.isfinite().all())
            expect(finite, f"{what}: expected a finite gradient of {name}, got NaN or infinity")


def _converted(value: Any, dtype: torch.dtype) -> Any:
    return map_tensors(lambda x: x.detach().to(dtype) if x.is_floating_point() else x, value)
