"""Check the values in a module's description, which may be untrusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LARGEST = 1 << 20  # of a size
_DEEPEST = 1024  # of a number of layers or hops, through which a constructor loops
_MOST_LAYERS = 64  # of DSTA; each is many modules, made before the weights are looked at
_MOST_ENCODERS = 8  # side by side
_COUNTS = frozenset({"num_layers", "hidden_layers", "max_hop", "num_subsets"})
_REALS = frozenset({"dropout", "scale", "sharpness"})
_FLAGS = frozenset({"edge_importance", "causal", "batch_norm", "bias"})
_WORDS = frozenset({"strategy", "motion", "normalization", "boundary", "similarity", "absent"})
_OPTIONAL = frozenset({"segment", "scale"})


class PretrainedFormatError(ValueError):
    """A pretrained folder is damaged, of another version, or inconsistent; the message says where and why."""


def check_argument(argument: str, value: object, *, where: str) -> None:
    """Raise unless a value has the argument's type and is within its bounds, before any constructor sees it."""
    if value is None and argument in _OPTIONAL:
        return
    if argument in _FLAGS:
        expected, fits = "true or false", isinstance(value, bool)
    elif argument in _WORDS:
        expected, fits = "a string", isinstance(value, str)
    elif argument in _REALS:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        expected, fits = f"a number in 0..{_LARGEST}", number and 0 <= value <= _LARGEST  # type: ignore[operator]
    elif argument == "scales":
        expected, fits = "up to 3 strings", _is_list(value, 3) and all(isinstance(each, str) for each in _items(value))
    elif argument == "layers":
        expected = f"up to {_MOST_LAYERS} rows of 4 integers in 1..{_LARGEST}"
        rows = _items(value)
        fits = _is_list(value, _MOST_LAYERS) and all(
            isinstance(row, list) and len(row) == 4 and all(_is_integer(each, _LARGEST) for each in row) for row in rows
        )
    else:
        most = _DEEPEST if argument in _COUNTS else _LARGEST
        expected, fits = f"an integer in 0..{most}", _is_integer(value, most)
    if not fits:
        raise PretrainedFormatError(f"{where}: expected {expected}, got {shorten(value)}")


def check_encoders(value: object, *, where: str) -> list[Any]:
    """The descriptions of encoders that stand side by side, each of which is one encoder."""
    parts = _items(value)
    nested = any(isinstance(each, Mapping) and each.get("class") == "SideBySide" for each in parts)
    if not 1 <= len(parts) <= _MOST_ENCODERS or nested:
        raise PretrainedFormatError(f"{where}: expected 1 to {_MOST_ENCODERS} single encoders, got {shorten(value)}")
    return parts


def _is_integer(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_list(value: object, most: int) -> bool:
    return isinstance(value, list) and len(value) <= most


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def shorten(value: object) -> str:
    """At most 200 characters of a value, for a message."""
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
