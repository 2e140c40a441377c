"""Start a method from weights: its encoders always; its head, attention and queue if they fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from skelblocks.attention import MHSAM, MsMAttention
from skelblocks.contrast import MomentumQueue
from skelblocks.encoders import ProjectionHead, SideBySide
from skelblocks.streams import Stream
from skelblocks.training.check_encoder import check_encoder, shape_of
from skelblocks.training.start_weights import StartWeights, open_start


@dataclass(frozen=True, kw_only=True)
class Started:
    """The parts of a method that were initialized from weights.

    Attributes:
        record: Record for the run's metadata: path, kind, method and sha256 of the weights, and the initialized parts.
        names: Names of the initialized parameters.
        encoders: Names of the initialized encoders and of their copies.
        message: One line that says which parts were initialized, and which have new weights.
    """

    record: dict[str, Any]
    names: frozenset[str]
    encoders: frozenset[str]
    message: str


def start_from(
    method: nn.Module, start: str | Path | StartWeights, *, encoders: Mapping[Stream, nn.Module] | None = None
) -> Started:
    """Initialize a method from weights, in place.

    The encoder of every stream must fit. A projection head, an attention and a queue are loaded if the method has
    exactly one module of the same class and shapes. From a run, every part with the same name and shapes is loaded. A
    queue is loaded only together with the head that made its keys, and the clips of these keys count as unknown. Copies
    of a part, such as the key encoder, are copies again afterwards.

    Args:
        method: Usually a :class:`~skelblocks.training.Method`.
        start: The weights, or their path; see :func:`~skelblocks.training.open_start`.
        encoders: The method's encoders by stream. Default: ``method.encoders()``.

    Returns:
        The initialized parts.

    Raises:
        FileNotFoundError: The weights do not exist.
        ValueError: The weights cannot be read, or an encoder does not fit; the message names the difference.

    Example:
        >>> from skelblocks.encoders import STGCN
        >>> from skelblocks.interop import save_pretrained
        >>> import tempfile
        >>> source, target = (STGCN("sbu", base_channels=2, out_channels=4) for _ in range(2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_pretrained(f"{folder}/encoder", encoder=source)
        ...     started = start_from(target, f"{folder}/encoder", encoders={"joint": target})
        >>> started.record["parts"]
        ['encoder']
    """
    found: Mapping[Stream, nn.Module] = method.encoders() if encoders is None else encoders  # type: ignore[operator]
    streams = tuple(found)
    weights = start if isinstance(start, StartWeights) else open_start(start, streams=streams)
    loads: list[tuple[nn.Module, Mapping[str, Tensor]]] = []
    for stream in streams:
        own, other = _members(found[stream]), _members(weights.encoders[stream])
        other = other * len(own) if len(other) == 1 else other
        if len(own) != len(other):
            raise ValueError(
                f"train.start: expected {len(own)} encoders side by side, as in this run, but {weights.path} has "
                f"{len(other)}; start from other weights"
            )
        for target, source in zip(own, other, strict=True):
            check_encoder(target, source, path=weights.path)
            loads.append((target, source.state_dict()))
    targets = [target for target, _ in loads]
    parts = _parts(method, targets)
    taken = _fitting(parts, weights)
    loads += [(part, state) for part, state in taken.values()]
    copies = [(_copies(method, part), part) for part, _ in loads]
    for part, state in loads:
        part.load_state_dict(dict(state))
    for doubles, part in copies:
        for double in doubles:
            double.load_state_dict(part.state_dict())
    names = _names(method, [part for part, _ in loads])
    kinds = ["encoder", *(_kind(part) for part, _ in taken.values())]
    fresh = [_kind(part) for name, part in parts.items() if name not in taken]
    return Started(
        record={
            "path": str(weights.path),
            "kind": weights.kind,
            "method": weights.name,
            "sha256": weights.sha256,
            "parts": list(dict.fromkeys(kinds)),
        },
        names=names,
        encoders=_modules(
            method, [*targets, *(each for doubles, part in copies if part in targets for each in doubles)]
        ),
        message=f"Started from {weights}: {_listed(kinds)}. "
        + (f"New weights: {_listed(fresh)}." if fresh else "No part has new weights."),
    )


def _members(encoder: nn.Module) -> list[nn.Module]:
    return list(encoder.encoders) if isinstance(encoder, SideBySide) else [encoder]


def _parts(method: nn.Module, encoders: Sequence[nn.Module]) -> dict[str, nn.Module]:
    """The largest modules with weights that contain no encoder or copy of one, by name; of equal ones, the first."""
    known = [*encoders, *(double for encoder in encoders for double in _copies(method, encoder))]
    found: dict[str, nn.Module] = {}
    for name, part in _outside(method, known):
        if not any(_equal(part, earlier) for earlier in found.values()):
            found[name] = part
    return found


def _outside(module: nn.Module, known: Sequence[nn.Module], name: str = "") -> Iterator[tuple[str, nn.Module]]:
    inside = set(map(id, module.modules()))
    if any(module is each for each in known) or not module.state_dict():
        return
    if name and not isinstance(module, nn.ModuleList) and not any(id(each) in inside for each in known):
        yield name, module
        return
    for child, inner in module.named_children():
        yield from _outside(inner, known, f"{name}.{child}" if name else child)


def _fitting(
    parts: Mapping[str, nn.Module], weights: StartWeights
) -> dict[str, tuple[nn.Module, Mapping[str, Tensor]]]:
    """The parts that the weights fit, by name, with their tensors."""
    found: dict[str, tuple[nn.Module, Mapping[str, Tensor]]] = {}
    for name, part in parts.items():
        if weights.kind == "run":
            own = part.state_dict()
            state: Mapping[str, Tensor]
            state = {key: weights.state[f"{name}.{key}"] for key in own if f"{name}.{key}" in weights.state}
            if state.keys() != own.keys():
                continue
        else:
            fitting = [other for other in weights.parts.values() if _same_shapes(other, part)]
            if len(fitting) != 1 or sum(_same_shapes(fitting[0], other) for other in parts.values()) != 1:
                continue
            state = dict(fitting[0].state_dict())
        if all(shape_of(state, key) == tuple(value.shape) for key, value in part.state_dict().items()):
            found[name] = part, state
    heads = any(isinstance(part, ProjectionHead) for part, _ in found.values())
    for name, (part, state) in list(found.items()):
        if isinstance(part, MomentumQueue):
            if heads:
                found[name] = part, {**state, "ids": torch.full_like(part.ids, -1)}
            else:
                del found[name]
    return found


def _same_shapes(one: nn.Module, other: nn.Module) -> bool:
    own_state, other_state = one.state_dict(), other.state_dict()
    return type(one) is type(other) and all(
        shape_of(own_state, key) == shape_of(other_state, key) for key in own_state.keys() | other_state
    )


def _copies(method: nn.Module, part: nn.Module) -> list[nn.Module]:
    return [each for each in method.modules() if each is not part and _equal(each, part)]


def _equal(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules have the same class, and parameters with the same names and values."""
    if type(one) is not type(other):
        return False
    own_state, other_state = dict(one.named_parameters()), dict(other.named_parameters())
    return (
        bool(own_state)
        and own_state.keys() == other_state.keys()
        and all(value.equal(other_state[name]) for name, value in own_state.items())
    )


def _modules(method: nn.Module, parts: Sequence[nn.Module]) -> frozenset[str]:
    inside = set(map(id, parts))
    return frozenset(name for name, module in method.named_modules() if id(module) in inside)


def _names(method: nn.Module, parts: Sequence[nn.Module]) -> frozenset[str]:
    inside = {id(parameter) for part in parts for parameter in part.parameters()}
    return frozenset(name for name, parameter in method.named_parameters() if id(parameter) in inside)


def _kind(part: nn.Module) -> str:
    """The name of a part in messages."""
    if isinstance(part, MsMAttention | MHSAM):
        return "attention"
    if isinstance(part, ProjectionHead | MomentumQueue):
        return "head" if isinstance(part, ProjectionHead) else "queue"
    return type(part).__name__


def _listed(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
