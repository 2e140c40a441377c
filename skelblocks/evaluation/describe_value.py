"""Describe values by strings that are the same in every process, for fingerprints."""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_PLAIN = (bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size, range, slice, type(None))


def describe_value(value: object) -> str:
    """A value by its content: equal values have equal words, whatever the process.

    Functions are described by name, code, defaults and what they close over; hooks by their functions, in order; other
    objects by their class and what pickle would keep of them.

    Example:
        >>> describe_value(np.float32(0.5)) == describe_value(np.float64(0.5))
        False
        >>> describe_value({2, 1}) == describe_value({1, 2})
        True
    """
    return _describe(value, ())


def _describe(value: object, above: tuple[int, ...]) -> str:
    if id(value) in above:  # an object that holds itself
        return f"<{above[::-1].index(id(value))} above>"
    kind = type(value)
    if kind in _PLAIN:
        return f"{kind.__name__} {value!r}"
    inside = (*above, id(value))
    if isinstance(value, Tensor):
        return _describe_tensor(value)
    if isinstance(value, np.ndarray | np.generic):
        return _describe_array(value, inside)
    if isinstance(value, type):
        return f"class {value.__module__}.{value.__qualname__}"
    if isinstance(value, set | frozenset):
        return f"{_name(kind)} {sorted(_describe(part, inside) for part in value)}"
    if isinstance(value, dict | types.MappingProxyType):
        hooks = all(isinstance(key, int) and callable(part) for key, part in value.items())  # by torch's own counter
        pairs = [("" if hooks else _describe(key, inside), _describe(part, inside)) for key, part in value.items()]
        return f"{_name(kind)} {pairs} {_describe_rest(value, inside) if kind is not dict else ''}"
    if isinstance(value, list | tuple):
        return f"{_name(kind)} {[_describe(part, inside) for part in value]}"
    if isinstance(value, nn.Module):
        # One that is not registered, whose weights would not count otherwise.
        held = [*value.named_parameters(), *value.named_buffers()]
        return f"module {_name(kind)} {value!r} {[(name, _describe_tensor(part)) for name, part in held]}"
    if callable(value):
        return _describe_callable(value, inside)
    return _describe_object(value, inside)


def _describe_tensor(x: Tensor) -> str:
    if x.device.type == "meta":
        return f"{x.dtype} {tuple(x.shape)} without values"
    dense = x.detach().to_dense() if x.layout is not torch.strided else x.detach()
    if dense.is_quantized:
        dense = dense.dequantize()
    content = dense.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy()
    return f"{x.dtype} {tuple(x.shape)} {hashlib.sha256(content.data).hexdigest()}"


def _describe_array(x: Any, inside: tuple[int, ...]) -> str:
    kind = _name(type(x))
    if x.dtype.hasobject:
        return (
            f"{kind} {x.shape} {[_describe(part, inside) for part in np.asarray(x, dtype=object).reshape(-1).tolist()]}"
        )
    mask = "" if not isinstance(x, np.ma.MaskedArray) else hashlib.sha256(np.ma.getmaskarray(x).tobytes()).hexdigest()
    of = x.dtype.descr if x.dtype.names else x.dtype
    return f"{kind} {of} {x.shape} {hashlib.sha256(x.tobytes()).hexdigest()} {mask}"


def _describe_callable(value: Callable[..., Any], inside: tuple[int, ...]) -> str:
    if isinstance(value, functools.partial):
        return f"partial {[_describe(part, inside) for part in (value.func, value.args, value.keywords)]}"
    if isinstance(value, types.MethodType):
        return f"method {_describe(value.__func__, inside)} {_describe(value.__self__, inside)}"
    code = getattr(value, "__code__", None)
    if not isinstance(code, types.CodeType):
        if not hasattr(value, "__qualname__"):
            return _describe_object(value, inside)
        wrapped, owner = getattr(value, "__wrapped__", None), getattr(value, "__self__", None)
        parts = [_describe(part, inside) for part in (wrapped, None if isinstance(owner, types.ModuleType) else owner)]
        return f"function {value.__module__}.{value.__qualname__} {parts}"
    cells = [_cell(cell, inside) for cell in getattr(value, "__closure__", None) or ()]
    defaults = [_describe(getattr(value, name, None), inside) for name in ("__defaults__", "__kwdefaults__")]
    return f"function {value.__module__}.{value.__qualname__} {_describe_code(code, inside)} {defaults} {cells}"


def _cell(cell: types.CellType, inside: tuple[int, ...]) -> str:
    try:
        return _describe(cell.cell_contents, inside)
    except ValueError:  # empty
        return "empty"


def _describe_code(code: types.CodeType, inside: tuple[int, ...]) -> str:
    constants = [
        _describe_code(part, inside) if isinstance(part, types.CodeType) else _describe(part, inside)
        for part in code.co_consts
    ]
    return f"{hashlib.sha256(code.co_code).hexdigest()} {code.co_names} {constants}"


def _describe_object(value: object, inside: tuple[int, ...]) -> str:
    """By what pickle would keep of it; by its class alone where that is nothing."""
    return f"object {_name(type(value))} {_describe_rest(value, inside)}"


def _describe_rest(value: object, inside: tuple[int, ...]) -> str:
    kept: Any
    try:
        kept = value.__reduce_ex__(2)
    except Exception:  # whatever a class raises that does not pickle
        kept = vars(value) if hasattr(value, "__dict__") else ""
    if isinstance(kept, tuple):
        # The iterators of list and dict items come last, and their items are told as they are.
        kept = (*kept[:3], *(list(part) for part in kept[3:5] if part is not None))
    return _describe(kept, inside)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
