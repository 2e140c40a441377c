"""Argument checks whose messages name the argument, what was expected and what was passed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from numbers import Integral, Real

import torch
from torch import Tensor

from skelblocks._utils.axis_remedies import axis_remedy, type_remedy
from skelblocks._utils.did_you_mean import did_you_mean


def check_axes(x: Tensor, axes: str, *, name: str, **sizes: int) -> None:
    """Raise unless ``x`` is a tensor with the named axes.

    Args:
        x: The value to check.
        axes: One lower-case name per axis, ``"n c t v m"``. A leading ``...`` stands for any number of axes.
        name: The argument's name, at the start of the message.
        **sizes: Required sizes of named axes.

    Raises:
        TypeError: ``x`` is not a tensor.
        ValueError: the number of axes or the size of an axis is wrong.

    Example:
        >>> import torch
        >>> check_axes(torch.zeros(2, 3, 50, 20, 1), "n c t v m", name="x", v=25)
        Traceback (most recent call last):
        ...
        ValueError: x: expected (n, c, t, v=25, m), got shape (2, 3, 50, 20, 1); axis 'v' is 20, not 25; build the
        module with the layout of these 20 joints, or bring the clips to its layout by layouts.remap
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: expected a tensor, got {type(x).__name__}{type_remedy(x, name=name)}")
    expected = axes.split()
    shown = "(" + ", ".join(f"{a}={sizes[a]}" if a in sizes else a for a in expected) + ")"
    tail = expected[1:] if expected[0] == "..." else expected
    if x.ndim < len(tail) or (tail is expected and x.ndim != len(tail)):
        least = "at least " if tail is not expected else ""
        remedy = axis_remedy(tuple(x.shape), tail, sizes, name=name)
        raise ValueError(f"{name}: expected {least}{len(tail)} axes {shown}, got shape {tuple(x.shape)}{remedy}")
    for axis, got in zip(tail, x.shape[x.ndim - len(tail) :], strict=True):
        if axis in sizes and got != sizes[axis]:
            raise ValueError(
                f"{name}: expected {shown}, got shape {tuple(x.shape)}; axis {axis!r} is {got}, not {sizes[axis]}"
                f"{axis_remedy(tuple(x.shape), tail, sizes, name=name)}"
            )


def check_filled(x: Tensor, axes: str, *, name: str, filled: str) -> None:
    """Raise ``ValueError`` if one of the axes ``filled`` of ``x`` has size 0. ``axes`` names all axes.

    Example:
        >>> import torch
        >>> check_filled(torch.zeros(2, 3, 0, 25), "... c t v", name="x", filled="t v")
        Traceback (most recent call last):
        ...
        ValueError: x: expected (..., c, t, v) with t of at least 1, got shape (2, 3, 0, 25)
    """
    expected = axes.split()
    for axis in filled.split():
        if x.shape[expected.index(axis) - len(expected)] == 0:
            raise ValueError(
                f"{name}: expected ({', '.join(expected)}) with {axis} of at least 1, got shape {tuple(x.shape)}"
            )


def values_visible(x: Tensor) -> bool:
    """Whether the values of ``x`` can be read without waiting for a device, and without breaking a graph or ``vmap``.

    Example:
        >>> values_visible(torch.zeros(2)), values_visible(torch.zeros(2, device="meta"))
        (True, False)
    """
    if torch.compiler.is_compiling() or x.device.type != "cpu":
        return False
    # A gradient's wrapper may hold a batched tensor.
    return not torch._C._functorch.is_functorch_wrapped_tensor(x)


def check_sequence(xs: object, *, name: str) -> None:
    """Raise ``TypeError`` unless ``xs`` is a sequence of tensors. One matrix would be read as a sequence of its rows.

    A tensor with three or more axes is accepted as a stack of tensors.

    Example:
        >>> import torch
        >>> check_sequence(torch.zeros(4, 33), name="student_logits")
        Traceback (most recent call last):
        ...
        TypeError: student_logits: expected a list of tensors, got one tensor of shape (4, 33); pass [student_logits]
    """
    if isinstance(xs, Tensor):
        if xs.ndim < 3:
            raise TypeError(
                f"{name}: expected a list of tensors, got one tensor of shape {tuple(xs.shape)}; pass [{name}]"
            )
    elif not isinstance(xs, Sequence):
        raise TypeError(f"{name}: expected a list of tensors, got {type(xs).__name__}")


def check_floating(x: Tensor, *, name: str) -> None:
    """Raise ``TypeError`` unless ``x`` holds floating-point numbers.

    Example:
        >>> import torch
        >>> check_floating(torch.arange(3), name="x")
        Traceback (most recent call last):
        ...
        TypeError: x: expected a floating-point tensor, got torch.int64; convert it with x.float()
    """
    if not x.is_floating_point():
        raise TypeError(f"{name}: expected a floating-point tensor, got {x.dtype}; convert it with {name}.float()")


def check_weights_dtype(x: Tensor, weight: Tensor, *, name: str) -> None:
    """Raise ``TypeError`` unless ``x`` is floating-point with the dtype of a module's weights, or autocast converts it.

    Example:
        >>> check_weights_dtype(torch.zeros(2, dtype=torch.float64), torch.zeros(2), name="x")
        Traceback (most recent call last):
        ...
        TypeError: x: expected torch.float32 like the module's weights, got torch.float64; convert it with x.float()
    """
    check_floating(x, name=name)
    if x.dtype == weight.dtype or not weight.is_floating_point():
        return
    # Autocast converts every dtype except float64.
    if torch.float64 not in (x.dtype, weight.dtype) and _autocasts(x.device.type):
        return
    remedy = {torch.float32: f"{name}.float()", torch.float64: f"{name}.double()"}.get(
        weight.dtype, f"{name}.to({weight.dtype})"
    )
    raise TypeError(
        f"{name}: expected {weight.dtype} like the module's weights, got {x.dtype}; convert it with {remedy}"
    )


def _autocasts(device_type: str) -> bool:
    # Devices without autocast, such as "meta", have no setting to read.
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)


def check_boolean(x: Tensor, *, name: str) -> None:
    """Raise ``TypeError`` unless ``x`` holds booleans.

    Example:
        >>> check_boolean(torch.zeros(2), name="mask")
        Traceback (most recent call last):
        ...
        TypeError: mask: expected a torch.bool tensor, got torch.float32; convert it with mask.bool()
    """
    if x.dtype != torch.bool:
        raise TypeError(f"{name}: expected a torch.bool tensor, got {x.dtype}; convert it with {name}.bool()")


def check_probability(value: float, *, name: str) -> None:
    """Raise ``ValueError`` unless ``0 <= value <= 1``, and ``TypeError`` if it is not a number.

    Example:
        >>> check_probability(1.5, name="p")
        Traceback (most recent call last):
        ...
        ValueError: p: expected a probability in [0, 1], got 1.5
    """
    _refuse_other_types(value, f"{name}: expected a probability in [0, 1]")
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: expected a probability in [0, 1], got {value}")


def check_choice(value: object, choices: Iterable[object], *, name: str) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``.

    Example:
        >>> check_choice("means", ("mean", "none"), name="reduction")
        Traceback (most recent call last):
        ...
        ValueError: reduction: expected one of 'mean', 'none', got 'means' (did you mean 'mean'?)
    """
    options = list(choices)
    if value not in options:
        words = [option for option in options if isinstance(option, str)]
        close = did_you_mean(value, words) if isinstance(value, str) else ""
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, options))}, got {value!r}{close}")


def check_integer(value: int, *, name: str, least: int = 1) -> None:
    """Raise ``TypeError`` unless ``value`` is an integer, and ``ValueError`` if it is below ``least``.

    Example:
        >>> check_integer(2.5, name="top_k")
        Traceback (most recent call last):
        ...
        TypeError: top_k: expected an integer >= 1, got 2.5
    """
    # Use a tuple: torch 2.6 cannot compile isinstance with a union.
    if isinstance(value, bool) or not isinstance(value, (int, Integral)):
        raise TypeError(f"{name}: expected an integer >= {least}, got {value!r}")
    if value < least:
        raise ValueError(f"{name}: expected an integer >= {least}, got {value}")


def check_integers(values: Sequence[int], *, name: str, least: int = 1) -> None:
    """Raise unless ``values`` is a non-empty sequence of integers that are at least ``least``.

    Example:
        >>> check_integers(5, name="topk")
        Traceback (most recent call last):
        ...
        TypeError: topk: expected a sequence of integers >= 1, got 5; pass (5,)
    """
    argument: object = values
    if isinstance(argument, str | bytes) or not isinstance(argument, Iterable):
        remedy = f"; pass ({argument},)" if isinstance(argument, Integral) else ""
        raise TypeError(f"{name}: expected a sequence of integers >= {least}, got {argument!r}{remedy}")
    if not len(values):
        raise ValueError(f"{name}: expected at least one integer >= {least}, got none")
    for value in values:
        check_integer(value, name=name, least=least)


def check_generator(generator: object) -> None:
    """Raise ``TypeError`` unless ``generator`` is None or a ``torch.Generator``.

    Example:
        >>> check_generator(0)
        Traceback (most recent call last):
        ...
        TypeError: generator: expected a torch.Generator, got 0; pass torch.Generator().manual_seed(0)
    """
    if generator is None or isinstance(generator, torch.Generator):
        return
    shown = generator if isinstance(generator, int) else type(generator).__name__
    seed = generator if isinstance(generator, int) else "seed"
    raise TypeError(f"generator: expected a torch.Generator, got {shown}; pass torch.Generator().manual_seed({seed})")


def check_number(value: float, *, name: str, least: float = 0.0) -> None:
    """Raise unless ``value`` is a finite number that is at least ``least``.

    Example:
        >>> check_number(float("nan"), name="weight_decay")
        Traceback (most recent call last):
        ...
        ValueError: weight_decay: expected a finite number >= 0, got nan
    """
    argument: object = value
    if isinstance(argument, bool) or not isinstance(argument, Real):
        raise TypeError(f"{name}: expected a finite number >= {least:g}, got {argument!r}")
    if not least <= value < inf:
        raise ValueError(f"{name}: expected a finite number >= {least:g}, got {value}")


def check_positive(value: float, *, name: str) -> None:
    """Raise ``ValueError`` unless ``value`` is finite and above 0, and ``TypeError`` if it is not a number.

    Example:
        >>> check_positive(0.0, name="temperature")
        Traceback (most recent call last):
        ...
        ValueError: temperature: expected a number > 0, got 0.0
    """
    _refuse_other_types(value, f"{name}: expected a number > 0")
    if not value > 0:
        raise ValueError(f"{name}: expected a number > 0, got {value}")
    if value == inf:
        raise ValueError(f"{name}: expected a finite number > 0, got {value}")


def _refuse_other_types(value: object, expected: str) -> None:
    """Raise ``TypeError`` unless ``value`` can be compared with a number, which includes a tensor with one number."""
    if value is None or isinstance(value, (str, bytes, list, tuple, dict)):
        raise TypeError(f"{expected}, got {value!r}")
