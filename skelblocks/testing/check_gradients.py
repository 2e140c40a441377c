"""Testers of gradients."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError

from skelblocks.testing._calls import Block, Inputs, Keywords, call, expect, map_tensors, name_of, tensors_of


def check_gradients(
    block: Block, inputs: Inputs, *, keywords: Keywords = None, second_order: bool = False, fast: bool = False
) -> None:
    """Compare the gradients with finite differences, in float64.

    Floating-point inputs become float64 and require a gradient; a module is copied and becomes float64. The parameters
    of the module are not differentiated; :func:`check_parameters_learn` looks at them.

    Args:
        block: Function or module to test. It must be smooth where the inputs are.
        inputs: Positional arguments, small ones: the cost grows with the number of their values.
        keywords: Keyword arguments, which are not differentiated.
        second_order: Whether to check second derivatives too.
        fast: Compare along a random direction instead of value by value.

    Raises:
        AssertionError: A gradient is wrong, or no output depends on the inputs.

    Example:
        >>> check_gradients(torch.tanh, [torch.randn(4)])
    """
    double = copy.deepcopy(block).double() if isinstance(block, nn.Module) else block
    doubled = map_tensors(_as_double, dict(keywords or {}))
    leaves = [_as_double(x).requires_grad_() for x in tensors_of(list(inputs)) if x.is_floating_point()]
    expect(bool(leaves), f"{name_of(block)}: expected an input to differentiate, got no floating-point tensor")

    def function(*values: Tensor) -> tuple[Tensor, ...]:
        remaining = iter(values)
        arguments = map_tensors(lambda x: next(remaining) if x.is_floating_point() else x, list(inputs))
        outputs = tensors_of(call(double, arguments, doubled))
        return tuple(y for y in outputs if y.is_floating_point() and y.requires_grad)

    expect(bool(function(*leaves)), f"{name_of(block)}: expected an output that depends on the inputs, got none")
    try:
        torch.autograd.gradcheck(function, tuple(leaves), fast_mode=fast)
        if second_order:
            torch.autograd.gradgradcheck(function, tuple(leaves), fast_mode=fast)
    except GradcheckError as error:
        raise AssertionError(f"{name_of(block)}: {error}") from error


def check_parameters_learn(module: nn.Module, inputs: Inputs, *, keywords: Keywords = None) -> None:
    """Check that a finite gradient, not all zero, reaches every parameter that requires one.

    Args:
        module: Module to test. Its own ``.grad`` is left alone: a copy is trained.
        inputs: Positional arguments of its ``forward``.
        keywords: Keyword arguments of its ``forward``.

    Raises:
        AssertionError: A parameter gets no gradient, NaN or infinity, or zeros alone.

    Example:
        >>> check_parameters_learn(nn.Linear(3, 2), [torch.randn(4, 3)])
    """
    twin = copy.deepcopy(module)
    backward(call(twin, inputs, keywords))
    for name, parameter in twin.named_parameters():
        if parameter.requires_grad:
            gradient = parameter.grad
            what = "none" if gradient is None else "NaN or infinity" if not gradient.isfinite().all() else ""
            what = what or ("zeros alone" if gradient is not None and not gradient.any() else "")
            expect(not what, f"{name_of(module)}: expected a gradient of {name}, got {what}")


def backward(output: Any) -> None:
    """Backpropagate a random weighting of every output that depends on something."""
    outputs = [y for y in tensors_of(output) if y.requires_grad]
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(y.shape, generator=generator).to(y.device, y.dtype) for y in outputs]
    torch.autograd.backward(outputs, weights)


def _as_double(x: Tensor) -> Tensor:
    return x.detach().double() if x.is_floating_point() else x
