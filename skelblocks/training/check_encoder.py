"""Check that a run's encoder can take the weights of another encoder."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from skelblocks.interop.pretrained.check_fits import check_same_skeleton

# The run's option for each argument of an encoder's constructor.
_OPTIONS = {
    "base_channels": "encoder.base_channels",
    "out_channels": "encoder.out_channels",
    "strategy": "encoder.graph",
    "frames": "data.frames",
    "persons": "data.persons",
}
_FREE = ("layout", "dropout")  # arguments that may differ; skeletons are compared separately


def check_encoder(own: nn.Module, other: nn.Module, *, path: Path) -> None:
    """Reject weights of an encoder of another kind, skeleton or size.

    Args:
        own: The run's encoder.
        other: The encoder with the weights.
        path: Path of the weights, for the message.

    Raises:
        ValueError: The encoders differ; the message says how, and which option makes them equal.

    Example:
        >>> from skelblocks.encoders import STGCN
        >>> own, other = (STGCN("sbu", base_channels=2, out_channels=size) for size in (4, 8))
        >>> check_encoder(own, other, path=Path("runs/wide"))
        Traceback (most recent call last):
        ...
        ValueError: train.start: runs/wide does not fit this run's encoder: out_channels is 8 there and 4 here; pass
        --encoder.out_channels 8
    """
    if type(own) is not type(other):
        raise ValueError(
            f"train.start: {path} has the encoder {type(other).__name__}, but this run has {type(own).__name__}; pass "
            f"--encoder.kind {type(other).__name__.lower()}"
        )
    try:
        check_same_skeleton(own.layout, other.layout)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(
            f"train.start: {path} does not fit: {error}. Convert the clips to the encoder's skeleton with --data.to "
            f"{other.layout.name}, or start from another encoder"  # type: ignore[union-attr]
        ) from error
    names = [name for name in inspect.signature(type(own)).parameters if name not in _FREE]
    differing = [name for name in names if _plain(own, name) != _plain(other, name)]
    if differing:
        differences = ", ".join(
            f"{name} is {_plain(other, name)} there and {_plain(own, name)} here" for name in differing
        )
        options = [f"--{_OPTIONS[name]} {_plain(other, name)}" for name in differing if name in _OPTIONS]
        remedy = f"pass {' '.join(options)}" if options else "start from another encoder"
        raise ValueError(f"train.start: {path} does not fit this run's encoder: {differences}; {remedy}")
    own_state, other_state = own.state_dict(), other.state_dict()
    odd = sorted(
        name
        for name in own_state.keys() | other_state.keys()
        if shape_of(own_state, name) != shape_of(other_state, name)
    )
    if odd:
        raise ValueError(
            f"train.start: {path} does not fit this run's encoder: {odd[0]} has shape {shape_of(other_state, odd[0])} "
            f"there and {shape_of(own_state, odd[0])} here; start from another encoder"
        )


def _plain(module: nn.Module, name: str) -> Any:
    value = getattr(module, name, None)
    return value.tolist() if isinstance(value, Tensor) else value


def shape_of(state: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    """The shape of a tensor in a state dict, or None if there is no tensor of this name."""
    return tuple(state[name].shape) if name in state else None
