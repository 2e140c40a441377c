"""The objects that :func:`~skelblocks.data.load_restricted` makes, each checked against what the file holds for it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

ATOMS = (str, bytes, int, float, bool, complex, type(None))
MEND = "load it where you trust it and save plain arrays with numpy.savez"
_CORE = ("numpy.core.", "numpy._core.")
NAMES = {
    **{(m + "multiarray", n): n for m in _CORE for n in ("_reconstruct", "scalar", "ndarray", "dtype")},
    **{(m + "numeric", "_frombuffer"): "_frombuffer" for m in _CORE},
    **{("numpy", n): n for n in ("ndarray", "dtype")},
    **{(m, n): n for m in ("builtins", "__builtin__") for n in ("set", "frozenset", "bytearray", "bytes", "complex")},
    ("_codecs", "encode"): "encode",
}


class RefusedError(Exception):
    """Why a pickle is not read."""


class Name:
    """Stands for a name that a pickle may use; there is nothing to call in it."""

    def __init__(self, name: str) -> None:
        self.name = name


class Machine(Protocol):
    """What makes objects: it counts what they cost, and knows those that still wait for their content."""

    fresh: dict[int, Any]

    def charge(self, n: int) -> None:
        """Count n bytes of memory."""


def fill_array(machine: Machine, array: Any, version: Any, shape: Any, dtype: Any, fortran: Any, raw: Any) -> None:
    """Give an array that ``_reconstruct`` made its content."""
    raw = raw.encode("latin1") if type(raw) is str else raw  # Python 2's bytes
    count = _count(shape, dtype)
    if dtype.hasobject:
        fits = type(raw) is list and len(raw) == count
        # Chains of arrays of objects are freed by recursion in C.
        if fits and any(isinstance(i, np.ndarray) and (id(i) in machine.fresh or i.dtype.hasobject) for i in raw):
            raise RefusedError(f"an array of objects in an array of objects; {MEND}")
    else:
        fits = type(raw) is bytes and len(raw) == count * dtype.itemsize
    if version != 1 or not fits:
        raise RefusedError(f"an array of shape {str(shape)[:80]} whose content is of another size")
    machine.charge(112 + count * dtype.itemsize)
    array.__setstate__((1, shape, dtype, bool(fortran), raw))


def fill_dtype(dtype: Any, version: Any, order: Any, *rest: Any) -> None:
    """Give a dtype its byte order, the only part of its state that plain numbers have."""
    if (
        type(version) is not int
        or rest[:3] != (None, None, None)
        or len(rest) != 6
        or order not in ("<", ">", "=", "|")
    ):
        raise RefusedError(f"an array of structured numbers or of dates; {MEND}")
    if order in ("<", ">") and dtype.newbyteorder(order) != dtype:
        dtype.__setstate__(dtype.newbyteorder(order).__reduce__()[2])


def check_key(key: Any) -> Any:
    """Reject keys and set members whose hash takes long or recurses in C."""
    for part in key if type(key) is tuple and len(key) <= 16 else (key,):
        if type(part) not in ATOMS or (type(part) in (int, bytes) and part.__sizeof__() > 256):
            raise RefusedError(f"a key that is no number, string or short tuple of them, but {type(part).__name__}")
    return key


def integer(text: bytes) -> int:
    """A decimal number of the text protocol."""
    if len(text) > 1000:
        raise RefusedError("an integer of more than 1000 digits")
    return int(text)


def _count(shape: Any, dtype: Any) -> int:
    if not isinstance(dtype, np.dtype) or type(shape) is not tuple or len(shape) > 32:
        raise RefusedError("an array without a type or a shape")
    if any(type(i) is not int or not 0 <= i < 1 << 62 for i in shape):
        raise RefusedError("an array of an impossible shape")
    if dtype.itemsize == 0 and math.prod(shape):
        raise RefusedError("an array whose items take no memory")
    return math.prod(shape)


def _array(machine: Machine, kind: Any, shape: Any, code: Any) -> Any:
    if not isinstance(kind, Name) or kind.name != "ndarray" or shape != (0,):
        raise RefusedError(f"an array of another class, or of a size that the file does not hold; {MEND}")
    return _keep(machine, np.empty(0, np.int8))


def _view(machine: Machine, raw: Any, dtype: Any, shape: Any, order: Any, axis_order: Any = None) -> Any:
    shape = (shape,) if type(shape) is int else shape
    if type(raw) not in (bytes, bytearray) or len(raw) != _count(shape, dtype) * dtype.itemsize or dtype.hasobject:
        raise RefusedError(f"an array of shape {str(shape)[:80]} whose content is of another size")
    if order not in ("C", "F", "K") or (order == "K" and (type(axis_order) is not tuple or len(axis_order) > 32)):
        raise RefusedError("an array of an unknown order of axes")
    array = np.frombuffer(raw, dtype).reshape(shape, order="F" if order == "F" else "C")
    return array.transpose(axis_order) if order == "K" else array


def _scalar(machine: Machine, dtype: Any, raw: Any) -> Any:
    raw = raw.encode("latin1") if type(raw) is str else raw
    if type(raw) is not bytes or len(raw) != _count((1,), dtype) * dtype.itemsize or dtype.hasobject:
        raise RefusedError("a number whose content is of another size")
    machine.charge(len(raw))
    return np.frombuffer(raw, dtype)[0]


def _dtype(machine: Machine, spec: Any, align: Any = False, copy: Any = True) -> Any:
    if type(spec) is not str or not re.fullmatch("[biufcSU][0-9]{1,9}|O[48]?", spec):
        raise RefusedError(f"an array of {str(spec)[:40]!r}, not of plain numbers, strings or objects; {MEND}")
    machine.charge(128)
    return _keep(machine, np.dtype("O" if spec[0] == "O" else spec, False, True))


def _keep(machine: Machine, created: Any) -> Any:
    machine.fresh[id(created)] = created
    return created


def _set(machine: Machine, items: Any = ()) -> set[Any]:
    if type(items) not in (list, tuple):
        raise RefusedError("a set of something that is not a list")
    machine.charge(8 * len(items) + 216)
    return set(map(check_key, items))


def _bytes(machine: Machine, text: Any = b"", encoding: Any = "latin1") -> bytes:
    if type(text) not in (str, bytes) or encoding not in ("latin1", "latin-1"):
        raise RefusedError(f"bytes that are not given as latin-1 text; {MEND}")
    machine.charge(len(text))
    return text.encode("latin1") if isinstance(text, str) else bytes(text)


def _complex(machine: Machine, real: Any, imag: Any) -> complex:
    if type(real) is not float or type(imag) is not float:
        raise RefusedError("a complex number that is not made of two")
    return complex(real, imag)


MAKERS: dict[str, Callable[..., Any]] = {
    "_reconstruct": _array,
    "_frombuffer": _view,
    "scalar": _scalar,
    "dtype": _dtype,
    "set": _set,
    "frozenset": lambda machine, items=(): frozenset(_set(machine, items)),
    "bytes": _bytes,
    "encode": _bytes,
    "bytearray": lambda machine, *arguments: bytearray(_bytes(machine, *arguments)),
    "complex": _complex,
}
