"""Errors for wrong arguments of a call, which name the accepted arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from types import FunctionType
from typing import Any, TypeVar

from skelblocks._utils.checks import check_generator
from skelblocks._utils.own_code import give_own_code

T = TypeVar("T", bound=Callable[..., Any])
_METHODS = ("__init__", "forward", "sample", "transform", "update", "enqueue")


def explain_arguments(target: T) -> T:
    """Give a function, or a module's constructor and main methods, an error that names the accepted arguments.

    If a keyword-only argument is passed by position, Python's own message has only two counts and no name.

    Args:
        target: A function or a class.

    Returns:
        A function with the same signature, or the class itself.

    Example:
        >>> @explain_arguments
        ... def enqueue(keys, *, size):
        ...     return size
        >>> enqueue(3, 64)
        Traceback (most recent call last):
        ...
        TypeError: enqueue: expected 1 positional argument (keys), got 2; pass the others by name: size=...
        >>> enqueue(3, sizes=64)
        Traceback (most recent call last):
        ...
        TypeError: enqueue: expected arguments among keys, size, got sizes; did you mean size?
        >>> enqueue(3)
        Traceback (most recent call last):
        ...
        TypeError: enqueue: expected a value for size, got none; pass size=...
    """
    if not isinstance(target, type):
        return _explained(target, shown=target.__qualname__, bound=0)  # type: ignore[return-value]
    for method in _METHODS:
        if isinstance(vars(target).get(method), FunctionType):
            shown = target.__qualname__ + ("" if method in ("__init__", "forward") else f".{method}")
            setattr(target, method, _explained(vars(target)[method], shown=shown, bound=1))
    return target


def _explained(function: Callable[..., Any], *, shown: str, bound: int) -> Callable[..., Any]:
    parameters = list(inspect.signature(function).parameters.values())[bound:]
    if any(p.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD) for p in parameters):
        return function
    positional = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    named = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    renamed = tuple(getattr(function, "renamed", ()))
    known = (*positional, *named, *renamed)
    most = len(positional) + bound
    required = [p.name for p in parameters if p.default is inspect.Parameter.empty]
    by_place = [name for name in positional if name in required]
    by_name = [name for name in named if name in required]
    draws = "generator" in named

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > most:
            raise TypeError(_too_many(shown, positional, named, got=len(args) - bound))
        for name in kwargs:
            if name not in known:
                raise TypeError(_unknown(shown, (*positional, *named), got=name))
        for name in (*by_place[max(0, len(args) - bound) :], *by_name):
            if name not in kwargs and not any(old in kwargs for old in renamed):
                raise TypeError(f"{shown}: expected a value for {name}, got none; pass {name}=...")
        if draws:
            check_generator(kwargs.get("generator"))
        return function(*args, **kwargs)

    give_own_code(call, function)
    return call


def _too_many(shown: str, positional: list[str], named: list[str], *, got: int) -> str:
    plural = "" if len(positional) == 1 else "s"
    expected = f"{len(positional)} positional argument{plural}"
    names = f" ({', '.join(positional)})" if positional else ""
    remedy = (
        f"pass the others by name: {', '.join(f'{name}=...' for name in named)}" if named else "leave the others out"
    )
    return f"{shown}: expected {expected}{names}, got {got}; {remedy}"


def _unknown(shown: str, known: Iterable[str], *, got: str) -> str:
    known = list(known)
    if not known:
        return f"{shown}: expected no arguments, got {got}; leave it out"
    close = get_close_matches(got, known, n=1)
    remedy = f"did you mean {close[0]}?" if close else "leave it out"
    return f"{shown}: expected arguments among {', '.join(known)}, got {got}; {remedy}"
