"""Testers of devices: ``meta``, which has shapes without values, and CUDA."""

from __future__ import annotations

import copy
import unittest
from collections.abc import Callable
from typing import Any, TypeVar

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

Test = TypeVar("Test", bound=Callable[..., Any])


def check_meta(block: Block, inputs: Inputs, *, keywords: Keywords = None) -> None:
    """Check that a block runs on the ``meta`` device, and returns tensors of the same shapes and dtypes there.

    Args:
        block: Function or module to test. A module is copied and moved.
        inputs: Positional arguments; they are moved.
        keywords: Keyword arguments; they are moved.

    Raises:
        AssertionError: An output has another shape, dtype or device.

    Example:
        >>> check_meta(nn.Linear(3, 2), [torch.randn(4, 3)])
    """
    expected, got = call(block, inputs, keywords), _call_on("meta", block, inputs, keywords)
    seen = [(tuple(y.shape), y.dtype, y.device.type) for y in tensors_of(got)]
    wanted = [(tuple(y.shape), y.dtype, "meta") for y in tensors_of(expected)]
    expect(seen == wanted, f"{name_of(block)} on meta: expected outputs {wanted}, got {seen}")


def check_cuda(
    block: Block,
    inputs: Inputs,
    *,
    keywords: Keywords = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check that a block runs on CUDA, and returns there what it returns on the CPU.

    Args:
        block: Function or module to test, without random draws. A module is copied and moved.
        inputs: Positional arguments; they are moved. float64 compares most sharply.
        keywords: Keyword arguments; they are moved.
        rtol: Relative tolerance; default: as in :func:`torch.testing.assert_close`.
        atol: Absolute tolerance; default: likewise.

    Raises:
        AssertionError: An output has another value or dtype, or is not on the device.
        unittest.SkipTest: There is no CUDA device.

    Example:
        >>> check_cuda(nn.Linear(3, 2), [torch.randn(4, 3)])  # doctest: +SKIP
    """
    if not torch.cuda.is_available():
        raise unittest.SkipTest("no CUDA device")
    expected, got = call(block, inputs, keywords), _call_on("cuda", block, inputs, keywords)
    expect(all(y.is_cuda for y in tensors_of(got)), f"{name_of(block)} on CUDA: expected every output there")
    what = f"{name_of(block)} on CUDA"
    check_close(map_tensors(lambda y: y.cpu(), got), expected, what=what, rtol=rtol, atol=atol)


def with_cuda(test: Test) -> Test:
    """Mark a test as one that needs a CUDA device: it is skipped where there is none.

    With pytest it also gets the mark ``cuda``, so that ``pytest -m cuda`` selects such tests.

    Args:
        test: A test function, method or class.

    Returns:
        The marked test.

    Example:
        >>> @with_cuda
        ... def test_moves():
        ...     assert torch.zeros(1).cuda().is_cuda
    """
    available, reason = torch.cuda.is_available(), "no CUDA device"
    try:
        import pytest
    except ImportError:
        return unittest.skipUnless(available, reason)(test)
    marked: Test = pytest.mark.cuda(pytest.mark.skipif(not available, reason=reason)(test))
    return marked


def _call_on(device: str, block: Block, inputs: Inputs, keywords: Keywords) -> Any:
    moved = copy.deepcopy(block).to(device) if isinstance(block, nn.Module) else block
    return call(moved, *(map_tensors(lambda x: x.to(device), v) for v in (list(inputs), dict(keywords or {}))))
