"""Give wrappers their own code objects."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any


def give_own_code(wrapper: Callable[..., Any], wrapped: Callable[..., Any]) -> None:
    """Give a wrapper its own code object, named after the wrapped function.

    All wrappers from one decorator share a code object, and ``torch.compile`` counts recompilations per code object. A
    few wrapped functions together would reach its limit.

    Args:
        wrapper: A function that a decorator returned.
        wrapped: The function that it wraps.

    Example:
        >>> def decorate(function):
        ...     def call():
        ...         return function()
        ...     give_own_code(call, function)
        ...     return call
        >>> decorate(int).__code__ is decorate(float).__code__
        False
    """
    assert isinstance(wrapper, FunctionType)
    name = f"{wrapper.__code__.co_name} of {wrapped.__module__}.{wrapped.__qualname__}"
    wrapper.__code__ = wrapper.__code__.replace(co_name=name)
