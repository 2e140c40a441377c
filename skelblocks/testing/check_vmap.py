"""Tester of ``torch.func.vmap``."""

from __future__ import annotations

import torch

from skelblocks.testing._calls import Block, Inputs, Keywords, call, check_close, map_tensors, name_of, tensors_of


def check_vmap(
    block: Block,
    inputs: Inputs,
    *,
    keywords: Keywords = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check that a block under ``vmap`` returns what it returns call by call.

    Args:
        block: Function or module to test, without random draws.
        inputs: Positional arguments of one call. The test stacks them with half of their values.
        keywords: Keyword arguments, the same in every call.
        rtol: Relative tolerance; default: as in :func:`torch.testing.assert_close`.
        atol: Absolute tolerance; default: likewise.

    Raises:
        AssertionError: The outputs differ.

    Example:
        >>> check_vmap(torch.relu, [torch.randn(4)])
    """
    halved = map_tensors(lambda x: x / 2 if x.is_floating_point() else x, list(inputs))
    pairs = zip(tensors_of(list(inputs)), tensors_of(halved), strict=True)
    stacks = [torch.stack(pair) for pair in pairs]

    def one_call(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        remaining = iter(tensors)
        arguments = map_tensors(lambda _: next(remaining), list(inputs))
        return tuple(tensors_of(block(*arguments, **(keywords or {}))))

    got = call(torch.func.vmap(one_call), stacks)
    each = [call(one_call, [stack[i] for stack in stacks]) for i in range(2)]
    expected = [torch.stack(outputs) for outputs in zip(*each, strict=True)]
    check_close(got, expected, what=f"{name_of(block)} under vmap", rtol=rtol, atol=atol)
