"""Tester of devices without float64, such as Apple's ``mps``, which needs no such device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from skelblocks.testing._calls import Block, Inputs, Keywords, call, name_of, tensors_of
from skelblocks.testing.check_gradients import backward


class NoFloat64(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within this context, an operation that makes a float64 or complex128 tensor raises ``AssertionError``.

    Conversions to numpy and Python numbers are not seen, as they do not run on the device.

    Args:
        device: Type of the devices without float64, such as ``"cuda"``; default: every device.

    Example:
        >>> with NoFloat64():
        ...     torch.zeros(2).double()
        Traceback (most recent call last):
        ...
        AssertionError: expected no float64 on the device, got it from aten._to_copy.default
    """

    def __init__(self, device: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for x in tensors_of(result):
            if x.dtype in (torch.float64, torch.complex128) and self.device in (None, x.device.type):
                raise AssertionError(f"expected no {str(x.dtype)[6:]} on the device, got it from {func}")
        return result


def check_no_float64(block: Block, inputs: Inputs, *, keywords: Keywords = None) -> None:
    """Check that a block makes no float64 tensor for inputs of lower precision, forward or backward.

    Args:
        block: Function or module to test. A module is copied.
        inputs: Positional arguments, none of them float64.
        keywords: Keyword arguments, none of them float64.

    Raises:
        AssertionError: An operation made a float64 tensor; the message names it.

    Example:
        >>> check_no_float64(nn.Linear(3, 2), [torch.randn(4, 3)])
    """
    held = [*block.parameters(), *block.buffers()] if isinstance(block, nn.Module) else list[Tensor]()
    if any(x.dtype in (torch.float64, torch.complex128) for x in (*tensors_of([inputs, keywords or {}]), *held)):
        raise AssertionError(f"{name_of(block)}: expected inputs, parameters and buffers below float64, got float64")
    twin = copy.deepcopy(block) if isinstance(block, nn.Module) else block
    try:
        with NoFloat64():
            output = call(twin, inputs, keywords)
            if any(y.requires_grad for y in tensors_of(output)):
                backward(output)
    except AssertionError as error:
        raise AssertionError(f"{name_of(block)}: {error}") from error
