"""Modules as plain data: a class name and the arguments of its constructor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from skelblocks.attention import MHSAM, MsMAttention
from skelblocks.encoders import DSTA, STGCN, BarlowProjector, BiGRU, ProjectionHead
from skelblocks.layouts import SkeletonLayout

# A class of a file is looked up here and nowhere else: no name is ever imported.
CLASSES: dict[str, dict[str, type[nn.Module]]] = {
    "encoder": {"STGCN": STGCN, "DSTA": DSTA, "BiGRU": BiGRU},
    "head": {"ProjectionHead": ProjectionHead, "BarlowProjector": BarlowProjector},
    "attention": {"MsMAttention": MsMAttention, "MHSAM": MHSAM},
}
_LARGEST = 1 << 20  # of a size
_DEEPEST = 1024  # of a number of layers or hops, through which a constructor loops
_MOST_LAYERS = 64  # of DSTA, each many modules, made before the weights are looked at
_COUNTS = frozenset({"num_layers", "hidden_layers", "max_hop", "num_subsets"})
_REALS = frozenset({"dropout", "scale", "sharpness"})
_FLAGS = frozenset({"edge_importance", "causal", "batch_norm", "bias"})
_WORDS = frozenset({"strategy", "motion", "normalization", "boundary", "similarity"})
_OPTIONAL = frozenset({"segment", "scale"})
# Arguments that descriptions of earlier versions lack, by class, with the value that all modules had then.
_LATER: dict[str, dict[str, Any]] = {"ProjectionHead": {"bias": True}}


class PretrainedFormatError(ValueError):
    """A pretrained folder is damaged, of another version, or not what it says; the message tells where and why."""


def describe_module(module: nn.Module, *, role: str) -> dict[str, Any]:
    """The class and constructor arguments of a module, as JSON has them; the layout is left out.

    Args:
        module: One of the classes of ``role``, unwrapped.
        role: ``"encoder"``, ``"head"`` or ``"attention"``; names the argument in messages.

    Returns:
        ``{"class": ..., "arguments": {...}}``, for :func:`build_module`.

    Raises:
        TypeError: another class, a subclass among them.
        ValueError: a module that its arguments do not give again, for instance one in which a layer was replaced.

    Example:
        >>> describe_module(MHSAM(16, num_heads=2), role="attention")
        {'class': 'MHSAM', 'arguments': {'channels': 16, 'num_heads': 2, 'sharpness': 2.0}}
    """
    known = CLASSES[role]
    if known.get(type(module).__name__) is not type(module):
        raise TypeError(
            f"{role}: expected {' or '.join(known)}, got {type(module).__name__}, whose constructor is not known here; "
            "unwrap it (module.module of DistributedDataParallel, module._orig_mod of torch.compile), or save "
            "the state dict of your own class with safetensors.torch.save_file"
        )
    arguments = {name: _plain(getattr(module, name)) for name in _argument_names(type(module)) if name != "layout"}
    config = {"class": type(module).__name__, "arguments": arguments}
    try:
        twin = build_module(config, role=role, layout=getattr(module, "layout", None), device="meta")
    except PretrainedFormatError as error:
        raise ValueError(
            f"{role}: expected a module that its attributes describe, got one that differs: {error}"
        ) from None
    expected = {name: value.shape for name, value in twin.state_dict().items()}
    found = {name: value.shape for name, value in module.state_dict().items()}
    if expected != found:
        differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise ValueError(
            f"{role}: expected the weights that the arguments of {type(module).__name__} give, got others at "
            f"{', '.join(differing[:3])}; a layer was replaced: save the state dict with safetensors.torch.save_file"
        )
    if repr(twin) != repr(module):
        raise ValueError(
            f"{role}: expected the layers that the arguments of {type(module).__name__} give, got another layer, or "
            "another setting of one; save the state dict with safetensors.torch.save_file"
        )
    return config


def build_module(
    config: object, *, role: str, layout: SkeletonLayout | None, device: torch.device | str = "cpu"
) -> nn.Module:
    """The module that :func:`describe_module` describes, with weights of no meaning. The global RNG is untouched.

    Args:
        config: The description; anything else is refused.
        role: ``"encoder"``, ``"head"`` or ``"attention"``.
        layout: For classes that take one.
        device: ``"meta"`` to learn names and shapes without memory.

    Returns:
        The module.

    Raises:
        PretrainedFormatError: an unknown class, another set of arguments, one of another type or beyond a bound
            (1,048,576 for a size, 1024 for a number of layers, 64 for DSTA's), or what the constructor refuses.

    Example:
        >>> config = {"class": "MHSAM", "arguments": {"channels": 16, "num_heads": 2, "sharpness": 2.0}}
        >>> build_module(config, role="attention", layout=None, device="meta").qkv.weight.device
        device(type='meta')
    """
    if not isinstance(config, Mapping) or set(config) != {"class", "arguments"}:
        raise PretrainedFormatError(f"{role}: expected an object of 'class' and 'arguments', got {_short(config)}")
    name, arguments = config["class"], config["arguments"]
    if not isinstance(name, str) or name not in CLASSES[role]:
        raise PretrainedFormatError(f"{role}: expected {' or '.join(CLASSES[role])} as its class, got {_short(name)}")
    kind = CLASSES[role][name]
    names = _argument_names(kind)
    expected = set(names) - {"layout"}
    if isinstance(arguments, Mapping):
        arguments = {**_LATER.get(name, {}), **arguments}
    if not isinstance(arguments, Mapping) or set(arguments) != expected:
        given = sorted(map(str, arguments)) if isinstance(arguments, Mapping) else arguments
        raise PretrainedFormatError(f"{role}: expected the arguments {sorted(expected)} of {name}, got {_short(given)}")
    for argument, value in arguments.items():
        _check(argument, value, where=f"{role}: {argument} of {name}")
    given = dict(arguments)
    if "layout" in names:
        given["layout"] = layout
    try:
        # Constructors draw weights; what they take from the random numbers of the process is put back.
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return kind(**given)
    except (ValueError, TypeError, RuntimeError, OverflowError, MemoryError) as error:
        raise PretrainedFormatError(f"{role}: {name} refuses its arguments: {_short(str(error))}") from error


def _argument_names(kind: type[nn.Module]) -> tuple[str, ...]:
    return tuple(inspect.signature(kind).parameters)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list | np.ndarray):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _check(argument: str, value: object, *, where: str) -> None:
    """That a value is of the argument's type and within its bounds, before any constructor sees it."""
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
        raise PretrainedFormatError(f"{where}: expected {expected}, got {_short(value)}")


def _is_integer(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_list(value: object, most: int) -> bool:
    return isinstance(value, list) and len(value) <= most


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _short(value: object) -> str:
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
