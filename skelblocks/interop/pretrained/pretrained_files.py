"""The two files of a pretrained folder: how they are written, and what is checked before anything in them is used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skelblocks._utils.optional import require
from skelblocks._utils.whole_file import whole_file
from skelblocks.interop.pretrained.input_description import InputDescription
from skelblocks.interop.pretrained.module_config import PretrainedFormatError
from skelblocks.layouts import SkeletonLayout

FORMAT, VERSION = "skelblocks pretrained", 1
CONFIG, WEIGHTS = "config.json", "model.safetensors"
ROLES = ("encoder", "head", "attention")
_KEYS = frozenset({"format", "version", "layout", "input", "metadata", *ROLES})
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
    """Write both into a folder that is there, the configuration last."""
    # A copy each: safetensors refuses weights that share memory.
    held = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in weights.items()}
    content = require("safetensors.torch", extra="hub").save(held, metadata={"format": "pt"})
    for name, data in ((WEIGHTS, content), (CONFIG, config)):
        with whole_file(folder / name) as place:
            place.write_bytes(data)


def stamp(folder: Path) -> tuple[int, ...]:
    """What changes when the folder is replaced."""
    found = (folder / CONFIG).stat()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


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
    if config.get("version") != VERSION:
        raise PretrainedFormatError(f"{CONFIG}: expected version {VERSION}, got {str(config.get('version'))[:50]}")
    if set(config) != _KEYS:
        raise PretrainedFormatError(f"{CONFIG}: expected the keys {sorted(_KEYS)}, got {str(sorted(config))[:300]}")
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


def read_input(values: object) -> InputDescription | None:
    """The input of a configuration; ``ValueError`` or ``TypeError`` where that is none."""
    if values is None:
        return None
    if not isinstance(values, dict):
        raise ValueError("input: expected exactly the keys of an InputDescription in an object, or null")
    described = InputDescription.from_dict(values)
    for name, most in (("frames", _MOST_FRAMES), ("persons", _MOST_PERSONS)):
        if (getattr(described, name) or 0) > most:
            raise ValueError(f"input: expected at most {most} {name}")
    return described


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
