"""Deprecated names of arguments and attributes, which work for one more version."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from typing_extensions import ParamSpec

from skelblocks._utils.own_code import give_own_code

P = ParamSpec("P")
R = TypeVar("R")


def renamed_arguments(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Accept the old names of keyword arguments, with a ``DeprecationWarning`` that names the new ones.

    Args:
        **names: The new name for each old name: ``renamed_arguments(shared="same_on_batch")``.

    Returns:
        A decorator.

    Raises:
        TypeError: the decorated function is called with both names of one argument.

    Example:
        >>> import warnings
        >>> @renamed_arguments(shared="same_on_batch")
        ... def draw(*, same_on_batch=False):
        ...     return same_on_batch
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     drawn = draw(shared=True)
        >>> drawn, str(caught[0].message)
        (True, 'draw: the argument shared is deprecated; use same_on_batch')
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        shown = function.__qualname__.removesuffix(".__init__")

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in names.keys() & kwargs.keys():
                _rename(kwargs, old, names[old], function=shown)
            return function(*args, **kwargs)

        give_own_code(call, function)
        vars(call)["renamed"] = tuple(names)  # for explain_arguments, which would reject them otherwise
        return call

    return decorate


def _rename(kwargs: dict[str, Any], old: str, new: str, *, function: str) -> None:
    if new in kwargs:
        raise TypeError(f"{function}: expected only {new}, got both {new} and its old name {old}; omit {old}")
    warn_deprecated(f"{function}: the argument {old} is deprecated; use {new}")
    kwargs[new] = kwargs.pop(old)


def renamed_attribute(old: str, new: str) -> property:
    """A property for an attribute's old name, with a ``DeprecationWarning`` that names the new one.

    Args:
        old: The old name, to which the property is assigned.
        new: The new name.

    Returns:
        The property.

    Example:
        >>> import warnings
        >>> class Mask:
        ...     ratio = 0.2
        ...     fraction = renamed_attribute("fraction", "ratio")
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     read = Mask().fraction
        >>> read, str(caught[0].message)
        (0.2, 'Mask: the attribute fraction is deprecated; use ratio')
    """

    def read(self: object) -> Any:
        warn_deprecated(f"{type(self).__name__}: the attribute {old} is deprecated; use {new}")
        return getattr(self, new)

    return property(read)


def warn_deprecated(message: str, *, skip: int = 0) -> None:
    """Issue a ``DeprecationWarning`` that points at the caller's code.

    By default, Python shows such a warning only if it points at the user's own script. The frames of this package's
    decorators are skipped.

    Args:
        message: What is deprecated, and what replaces it.
        skip: Number of further frames to skip: the deprecated function and its helpers.

    Example:
        >>> import warnings
        >>> def old():
        ...     warn_deprecated("old: deprecated; use new", skip=1)
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     old()
        >>> str(caught[0].message)
        'old: deprecated; use new'
    """
    helpers = __name__.rpartition(".")[0] + "."
    frame, level = sys._getframe(1 + skip), 2 + skip
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(helpers):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, DeprecationWarning, stacklevel=level)
