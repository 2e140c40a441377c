"""Check options before the work begins. Messages use the option's name on the command line."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from skelblocks._utils.checks import check_integer


def check_count(value: int, *, name: str, least: int = 1) -> None:
    """Raise ``ValueError`` unless ``value`` is an integer of at least ``least``.

    Example:
        >>> check_count(0, name="train.epochs")
        Traceback (most recent call last):
        ...
        ValueError: train.epochs: expected an integer >= 1, got 0
    """
    try:
        check_integer(value, name=name, least=least)
    except TypeError as error:
        raise ValueError(str(error)) from None


def check_number(
    value: float,
    *,
    name: str,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    """Raise ``ValueError`` unless ``value`` is a finite number in a range.

    Args:
        value: Value of the option.
        name: Name of the option.
        least: Smallest allowed value.
        most: Largest allowed value.
        above: The value must be greater.
        below: The value must be smaller.

    Example:
        >>> check_number(1.0, name="encoder.dropout", least=0, below=1)
        Traceback (most recent call last):
        ...
        ValueError: encoder.dropout: expected a finite number >= 0 and < 1, got 1.0
    """
    values: object = value
    number = isinstance(values, int | float) and not isinstance(values, bool) and math.isfinite(values)
    if not number or not (least <= value <= most and above < value < below):
        bounds = [
            f"{sign} {bound}"
            for sign, bound in ((">=", least), (">", above), ("<=", most), ("<", below))
            if math.isfinite(bound)
        ]
        raise ValueError(f"{name}: expected a finite number {' and '.join(bounds)}, got {value!r}")


def check_finite(options: Any, *, group: str = "") -> None:
    """Raise ``ValueError`` if any number in a dataclass of options is infinite or NaN.

    Args:
        options: The dataclass; its lists, tuples and mappings are searched too.
        group: Prefix of the field names in messages.

    Example:
        >>> from skelblocks.training import TrainOptions
        >>> TrainOptions(timeout=float("nan"))
        Traceback (most recent call last):
        ...
        ValueError: train.timeout: expected a finite number, got nan
    """
    for name, value in _numbers(options, group):
        if not math.isfinite(value):
            raise ValueError(f"{name}: expected a finite number, got {value}")


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    if dataclasses.is_dataclass(value):
        inner = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        for key, each in inner.items():
            yield from _numbers(each, f"{name}.{key}" if name else key)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _numbers(each, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _numbers(each, name)
    elif isinstance(value, float):
        yield name, value
