"""The clips found in a raw data set, and the part of a protocol that each belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_choice
from skelblocks.data.prepared.prepare import Part
from skelblocks.data.prepared.prepare_shard import Source
from skelblocks.data.splits import Protocol, check_disjoint, protocol_split
from skelblocks.layouts import SkeletonLayout

_PROTOCOLS = {"ntu60": ("xsub", "xview"), "ntu120": ("xsub", "xset"), "nw-ucla": ("xview",)}


class FoundClips(NamedTuple):
    """What :func:`find_clips` finds: arguments of :func:`~skelblocks.data.prepare`.

    Attributes:
        clips: Sources, in order of their names.
        layout: The set's.
        part: Which clips train, from their names and origins, see :func:`~skelblocks.data.prepare`; None without a
            protocol.
        persons: The most that the set has in a clip.
        shard: Sources that make up a shard of a moderate size.
        channels: Number of channels of a clip.
    """

    clips: list[Source]
    layout: str | SkeletonLayout
    part: Part | None
    persons: int = 2
    shard: int = 1024
    channels: int = 3


def part_by_origin(kind: str, protocol: str | None) -> Part | None:
    """By :func:`~skelblocks.data.protocol_split`; None without a protocol."""
    if protocol is None:
        return None
    check_choice(protocol, _PROTOCOLS[kind], name="protocol")
    name = cast(Protocol, f"{kind}-{protocol}")
    return lambda names, origin: protocol_split(name, origin, allow_missing=True)


def part_by_lists(training: Iterable[str], testing: Iterable[str]) -> Part:
    """By names, each of which is in one list at most."""
    training, testing = list(training), list(testing)
    check_disjoint(training, testing, name="protocol")
    numbers = {**dict.fromkeys(testing, 0), **dict.fromkeys(training, 1)}

    def part(names: Sequence[str], origin: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        return np.array([numbers.get(name, -1) for name in names], dtype=np.int8)

    return part
