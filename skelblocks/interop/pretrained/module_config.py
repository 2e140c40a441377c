"""Modules as plain data: a class name and the arguments of its constructor."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from skelblocks.attention import MHSAM, MsMAttention
from skelblocks.encoders import DSTA, STGCN, BarlowProjector, BiGRU, ProjectionHead, SideBySide
from skelblocks.interop.pretrained.config_checks import PretrainedFormatError as PretrainedFormatError
from skelblocks.interop.pretrained.config_checks import check_argument, check_encoders, shorten
from skelblocks.layouts import SkeletonLayout

# A class of a file is looked up here and nowhere else: no name is ever imported.
_OF_TRAINING = frozenset({"checkpoint"})  # arguments that change neither weights nor results
CLASSES: dict[str, dict[str, type[nn.Module]]] = {
    "encoder": {"STGCN": STGCN, "DSTA": DSTA, "BiGRU": BiGRU, "SideBySide": SideBySide},
    "head": {"ProjectionHead": ProjectionHead, "BarlowProjector": BarlowProjector},
    "attention": {"MsMAttention": MsMAttention, "MHSAM": MHSAM},
}
# Arguments that descriptions of earlier versions lack, by class, with the value that all modules had then.
_LATER: dict[str, dict[str, Any]] = {
    "ProjectionHead": {"bias": True},
    **{name: {"absent": "compute"} for name in ("STGCN", "DSTA", "MsMAttention", "MHSAM")},
}


def describe_module(module: nn.Module, *, role: str) -> dict[str, Any]:
    """The class and constructor arguments of a module, as JSON has them; the layout is left out.

    Args:
        module: One of the classes of ``role``, unwrapped.
        role: ``"encoder"``, ``"head"`` or ``"attention"``; names the argument in messages.

    Returns:
        ``{"class": ..., "arguments": {...}}``, for :func:`build_module`.

    Raises:
        TypeError: Another class, a subclass among them.
        ValueError: A module that its arguments do not give again, for instance one in which a layer was replaced.

    Example:
        >>> describe_module(MHSAM(16, num_heads=2), role="attention")
        {'class': 'MHSAM', 'arguments': {'channels': 16, 'num_heads': 2, 'sharpness': 2.0, 'absent': 'compute'}}
    """
    known = CLASSES[role]
    if known.get(type(module).__name__) is not type(module):
        raise TypeError(
            f"{role}: expected {' or '.join(known)}, got {type(module).__name__}, whose constructor is not known here; "
            "unwrap it (module.module of DistributedDataParallel, module._orig_mod of torch.compile), or save "
            "the state dict of your own class with safetensors.torch.save_file"
        )
    if isinstance(module, SideBySide):
        arguments: dict[str, Any] = {"encoders": [describe_module(each, role=role) for each in module.encoders]}
    else:
        names = _argument_names(type(module))
        arguments = {name: _plain(getattr(module, name)) for name in names if name != "layout"}
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
        PretrainedFormatError: An unknown class, another set of arguments, one of another type or beyond a bound
            (1,048,576 for a size, 1024 for a number of layers, 64 for DSTA's), or what the constructor refuses.

    Example:
        >>> config = {"class": "MHSAM", "arguments": {"channels": 16, "num_heads": 2, "sharpness": 2.0}}
        >>> build_module(config, role="attention", layout=None, device="meta").qkv.weight.device
        device(type='meta')
    """
    if not isinstance(config, Mapping) or set(config) != {"class", "arguments"}:
        raise PretrainedFormatError(f"{role}: expected an object of 'class' and 'arguments', got {shorten(config)}")
    name, arguments = config["class"], config["arguments"]
    if not isinstance(name, str) or name not in CLASSES[role]:
        raise PretrainedFormatError(f"{role}: expected {' or '.join(CLASSES[role])} as its class, got {shorten(name)}")
    kind = CLASSES[role][name]
    names = _argument_names(kind)
    expected = set(names) - {"layout"}
    if isinstance(arguments, Mapping):
        arguments = {**_LATER.get(name, {}), **arguments}
    if not isinstance(arguments, Mapping) or set(arguments) != expected:
        arguments_or_names = sorted(map(str, arguments)) if isinstance(arguments, Mapping) else arguments
        raise PretrainedFormatError(
            f"{role}: expected the arguments {sorted(expected)} of {name}, got {shorten(arguments_or_names)}"
        )
    if kind is SideBySide:
        parts = check_encoders(arguments["encoders"], where=f"{role}: encoders of {name}")
        encoders = [build_module(each, role=role, layout=layout, device=device) for each in parts]
        return _construct(lambda: SideBySide(*encoders), role=role, name=name)
    for argument, value in arguments.items():
        check_argument(argument, value, where=f"{role}: {argument} of {name}")
    arguments_with_layout = dict(arguments)
    if "layout" in names:
        arguments_with_layout["layout"] = layout
    with torch.device(device):
        return _construct(lambda: kind(**arguments_with_layout), role=role, name=name)


def _construct(make: Callable[[], nn.Module], *, role: str, name: str) -> nn.Module:
    """Call a constructor. What it draws from the global random numbers is put back."""
    try:
        with torch.random.fork_rng(devices=[]):
            return make()
    except (ValueError, TypeError, RuntimeError, OverflowError, MemoryError) as error:
        raise PretrainedFormatError(f"{role}: {name} refuses its arguments: {shorten(str(error))}") from error


def _argument_names(kind: type[nn.Module]) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(kind).parameters if name not in _OF_TRAINING)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list | np.ndarray):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value
