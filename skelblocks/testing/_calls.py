"""Call a block and compare its outputs, for the testers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Block: TypeAlias = Callable[..., Any]
Inputs: TypeAlias = Sequence[Any]
Keywords: TypeAlias = Mapping[str, Any] | None


def map_tensors(function: Callable[[Tensor], Any], value: Any) -> Any:
    """Apply ``function`` to every tensor in nested tuples, named tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {key: map_tensors(function, one) for key, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(function, one) for one in value))
    if isinstance(value, tuple | list):
        return type(value)(map_tensors(function, one) for one in value)
    return value


def tensors_of(value: Any) -> list[Tensor]:
    """List every tensor in nested tuples, named tuples, lists and dicts."""
    found: list[Tensor] = []
    map_tensors(found.append, value)
    return found


def call(block: Block, inputs: Inputs, keywords: Keywords = None, *, seed: int = 0) -> Any:
    """Call a block with a fixed global seed, and leave the generator, parameters and buffers as they were."""
    devices = sorted({x.device.index for x in tensors_of([inputs, keywords or {}]) if x.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices), unchanged_state(block):
        torch.manual_seed(seed)
        return block(*inputs, **(keywords or {}))


@contextmanager
def unchanged_state(block: Block) -> Iterator[None]:
    """Restore a module's parameters and buffers, such as running statistics, on leaving."""
    held = [*block.parameters(), *block.buffers()] if isinstance(block, nn.Module) else []
    kept = [x.detach().clone() for x in held]
    try:
        yield
    finally:
        for x, before in zip(held, kept, strict=True):
            x.data.copy_(before)  # through .data, as a backward pass may still need the graph of the call


def check_equal(got: Any, expected: Any, *, what: str) -> None:
    """Raise ``AssertionError`` unless both hold equal tensors, NaN included, of the same shapes, dtypes and devices."""
    check_close(got, expected, what=what, rtol=0.0, atol=0.0)


def check_close(
    got: Any, expected: Any, *, what: str, rtol: float | None = None, atol: float | None = None, dtype: bool = True
) -> None:
    """Raise ``AssertionError`` unless both hold the same number of tensors, equal up to the tolerances."""
    tensors, expected_tensors = tensors_of(got), tensors_of(expected)
    expect(
        len(tensors) == len(expected_tensors), f"{what}: expected {len(expected_tensors)} tensors, got {len(tensors)}"
    )
    expect(
        bool(expected_tensors),
        f"{what}: expected a block that returns at least one tensor, got {type(expected).__name__}",
    )
    for i, (a, b) in enumerate(zip(tensors, expected_tensors, strict=True)):
        place = f"{what}: tensor {i} of the output" if len(tensors) > 1 else f"{what}: the output"
        try:
            torch.testing.assert_close(a, b, rtol=rtol, atol=atol, equal_nan=True, check_dtype=dtype)
        except AssertionError as error:
            raise AssertionError(f"{place}: {error}") from None


def expect(condition: bool, message: str) -> None:
    """Raise ``AssertionError`` with the message unless the condition holds, also under ``python -O``."""
    if not condition:
        raise AssertionError(message)


def name_of(block: Block) -> str:
    """The name that a tester's message opens with."""
    return type(block).__name__ if isinstance(block, nn.Module) else getattr(block, "__name__", type(block).__name__)
