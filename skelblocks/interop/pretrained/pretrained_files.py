"""Write the two files of a pretrained folder, and check them before anything in them is used."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skelblocks._utils.optional import require
from skelblocks._utils.whole_file import whole_file
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.encoders.readout import READOUTS, Readout
from skelblocks.interop.pretrained.config_checks import PretrainedFormatError
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import STREAMS, Stream

FORMAT, VERSION = "skelblocks pretrained", 3
CONFIG, WEIGHTS = "config.json", "model.safetensors"
# The configuration of weights that are already there, while a folder is replaced.
NEXT_CONFIG = "config.json.next"
ROLES = ("encoder", "head", "attention")
_KEYS = {
    1: frozenset({"format", "version", "layout", "input", "metadata", *ROLES}),
    2: frozenset({"format", "version", "layout", "preprocessing", "stream", "metadata", *ROLES}),
    3: frozenset({"format", "version", "layout", "preprocessing", "stream", "readout", "metadata", *ROLES}),
}
_INPUT = frozenset({"stream", "frames", "center", "per", "body", "align", "persons"})  # of version 1
_DIGEST = "skelblocks.config.sha256"
_LARGEST_CONFIG = 1 << 20
_MOST_JOINTS, _MOST_FRAMES, _MOST_PERSONS = 1024, 1 << 16, 64
_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def encode_config(values: Mapping[str, Any]) -> bytes:
    """The content of ``config.json``; ``TypeError`` or ``ValueError`` where JSON cannot hold it."""
    config = {"format": FORMAT, "version": VERSION, **values}
    try:
        content = (json.dumps(config, indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"metadata: expected what JSON can hold: {error}") from error
    if len(content) > _LARGEST_CONFIG:
        raise ValueError(f"metadata: expected at most {_LARGEST_CONFIG} bytes with the rest, got {len(content)}")
    return content


def check_weights(weights: Mapping[str, Tensor]) -> None:
    """Raise ``ValueError`` for weights that :func:`read_weights` would refuse."""
    for name, value in weights.items():
        if value.dtype not in _DTYPES.values() or not bool(torch.isfinite(value).all()):
            raise ValueError(
                f"weights: expected finite numbers of a known dtype at {name}, got NaN, inf or {value.dtype}"
            )


def write_files(folder: Path, config: bytes, weights: Mapping[str, Tensor]) -> None:
    """Write both into an empty folder, the configuration last."""
    for name, data in ((WEIGHTS, _encode_weights(config, weights)), (CONFIG, config)):
        with whole_file(folder / name) as place:
            place.write_bytes(data)


def replace_files(folder: Path, config: bytes, weights: Mapping[str, Tensor]) -> None:
    """Replace both atomically: at any moment the folder is either the old one or the new one.

    The weights name their configuration by its digest. The new configuration is written next to the old one before the
    weights, and readers choose the matching one, see :func:`find_config`.
    """
    content = _encode_weights(config, weights)
    for name, data in ((NEXT_CONFIG, config), (WEIGHTS, content)):
        with whole_file(folder / name) as place:
            place.write_bytes(data)
    (folder / NEXT_CONFIG).replace(folder / CONFIG)


def find_config(folder: Path) -> Path:
    """The configuration that matches the weights: the next one if a process was killed while replacing the folder."""
    following = folder / NEXT_CONFIG
    if not following.is_file() or following.stat().st_size > _LARGEST_CONFIG:
        return folder / CONFIG
    with contextlib.suppress(OSError):
        digest = hashlib.sha256(following.read_bytes()).hexdigest()
        if _digest_in_weights(folder / WEIGHTS) == digest:
            return following
    return folder / CONFIG


def is_leftover(name: str) -> bool:
    """Whether a file is what a process that was killed left in a folder.

    Example:
        >>> is_leftover("config.json.next"), is_leftover(".0123abcd.model.safetensors"), is_leftover("thesis.tex")
        (True, True, False)
    """
    return (
        name == NEXT_CONFIG or re.fullmatch(rf"\.[0-9a-f]{{8}}\.({CONFIG}|{NEXT_CONFIG}|{WEIGHTS})", name) is not None
    )


def _encode_weights(config: bytes, weights: Mapping[str, Tensor]) -> bytes:
    # A copy each: safetensors refuses weights that share memory.
    held = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in weights.items()}
    metadata = {"format": "pt", _DIGEST: hashlib.sha256(config).hexdigest()}
    content: bytes = require("safetensors.torch", extra="hub").save(held, metadata=metadata)
    return content


def _digest_in_weights(path: Path) -> str | None:
    safetensors = require("safetensors", extra="hub")
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            digest: str | None = (file.metadata() or {}).get(_DIGEST)
            return digest
    except safetensors.SafetensorError:
        return None


def stamp(folder: Path) -> tuple[int, ...]:
    """Values that change when the folder is replaced."""
    found = [(folder / name).stat() for name in (WEIGHTS, CONFIG)]
    return tuple(number for each in found for number in (each.st_dev, each.st_ino, each.st_mtime_ns, each.st_size))


def read_config(path: Path) -> dict[str, Any]:
    """The configuration, with exactly its keys; what is under them is not looked at."""
    with path.open("rb") as file:
        content = file.read(_LARGEST_CONFIG + 1)
    if len(content) > _LARGEST_CONFIG:
        raise PretrainedFormatError(f"{CONFIG}: expected at most {_LARGEST_CONFIG} bytes")
    try:
        config = json.loads(
            content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_finite, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise PretrainedFormatError(f"{CONFIG}: broken json: {str(error)[:200]}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise PretrainedFormatError(f"{CONFIG}: expected an object with 'format': {FORMAT!r}")
    version = config.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version not in _KEYS:
        raise PretrainedFormatError(f"{CONFIG}: expected version 1 to {VERSION}, got {str(version)[:50]}")
    if set(config) != _KEYS[version]:
        raise PretrainedFormatError(
            f"{CONFIG}: expected the keys {sorted(_KEYS[version])}, got {str(sorted(config))[:300]}"
        )
    if not isinstance(config["metadata"], dict):
        raise PretrainedFormatError(f"{CONFIG}: expected an object as metadata")
    return config


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("an object has a key twice")
    return values


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"expected finite numbers, got {text[:50]}")
    return value


def read_preprocessing(config: Mapping[str, Any]) -> tuple[Preprocessing | None, Stream]:
    """Preprocessing and stream of a configuration; ``ValueError`` or ``TypeError`` where they are none."""
    if config["version"] == 1:
        values = config["input"]
        if values is None:
            return None, "joint"
        if not isinstance(values, dict) or set(values) != _INPUT:
            raise ValueError(f"input: expected exactly the keys {', '.join(sorted(_INPUT))} in an object, or null")
        stream = values["stream"]
        values = {name: value for name, value in values.items() if name != "stream"}
    else:
        values, stream = config["preprocessing"], config["stream"]
    if stream not in STREAMS:
        raise ValueError(f"stream: expected one of {', '.join(map(repr, STREAMS))}, got {str(stream)[:100]!r}")
    if values is None:
        return None, stream
    if not isinstance(values, dict):
        raise ValueError("preprocessing: expected an object, or null")
    for name, most in (("frames", _MOST_FRAMES), ("persons", _MOST_PERSONS)):
        if isinstance(values.get(name), int) and values[name] > most:
            raise ValueError(f"preprocessing: expected at most {most} {name}")
    whole = {name: read_layout(values[name]) for name in ("to", "source") if isinstance(values.get(name), dict)}
    return Preprocessing.from_dict({**values, **whole}), stream


def read_readout(config: Mapping[str, Any]) -> Readout:
    """The readout of a configuration; the mean in configurations of earlier versions."""
    readout_name = config.get("readout", "mean")
    for kind in READOUTS:
        if kind == readout_name:
            return kind
    raise ValueError(f"readout: expected one of {', '.join(map(repr, READOUTS))}, got {str(readout_name)[:100]!r}")


def read_layout(values: object) -> SkeletonLayout:
    """The layout of a configuration; ``ValueError`` or ``TypeError`` where that is none."""
    if not isinstance(values, dict) or not isinstance(values.get("joints"), list):
        raise ValueError("layout: expected an object with a list of joints")
    if len(values["joints"]) > _MOST_JOINTS or not all(isinstance(joint, str) for joint in values["joints"]):
        raise ValueError(f"layout: expected at most {_MOST_JOINTS} joints, each a string")
    return SkeletonLayout.from_dict(values)


def read_weights(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, once the header has exactly the names and shapes of those expected, which may be on ``meta``."""
    safetensors = require("safetensors", extra="hub")
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            names = set(file.keys())
            if names != set(expected):
                missing, unknown = sorted(set(expected) - names), sorted(names - set(expected))
                raise PretrainedFormatError(f"{WEIGHTS}: missing {missing[:3]}, unknown {str(unknown[:3])[:200]}")
            for name, value in expected.items():
                held = file.get_slice(name)
                shape, dtype = tuple(held.get_shape()), _DTYPES.get(held.get_dtype())
                fits = dtype is not None and dtype.is_floating_point == value.is_floating_point()
                if shape != tuple(value.shape) or not fits:
                    raise PretrainedFormatError(
                        f"{WEIGHTS}: expected {value.dtype} {tuple(value.shape)} at {name}, "
                        f"got {held.get_dtype()} {str(shape)[:100]}"
                    )
            weights = {name: file.get_tensor(name).clone() for name in expected}
    except safetensors.SafetensorError as error:
        raise PretrainedFormatError(f"{WEIGHTS}: not a whole safetensors file: {str(error)[:200]}") from error
    for name, value in weights.items():
        if not bool(torch.isfinite(value).all()):
            raise PretrainedFormatError(f"{WEIGHTS}: NaN or infinite numbers at {name}")
    return weights
