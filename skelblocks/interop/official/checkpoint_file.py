"""Read checkpoint files as weights only: no code in a file runs."""

from __future__ import annotations

import os
import stat
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from skelblocks.interop.official.checkpoint_error import CheckpointError
from skelblocks.interop.official.recognize_foreign import file_seems_to_be

_MEND = (
    "where you trust its origin, load it with the code that wrote it and save the weights alone: "
    "torch.save(model.state_dict(), path)"
)
_ADVICE = ("Weights only load failed", "(1) ", "(2) ", "Please file an issue", "Check the documentation")  # of torch
_WEIGHTS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a file that ``torch.save`` wrote, by ``torch.load(weights_only=True)``, on the CPU.

    Zip archives are looked at first: entries that are compressed or together larger than the file, and names that
    point out of the archive, are refused before anything is unpacked.

    Args:
        path: The file, in torch's zip format or the older one.

    Returns:
        Name to tensor, as :func:`check_state_dict` lets it pass.

    Raises:
        CheckpointError: The file does not exist, is damaged, holds more than a state dict of weights, or asks to run
            code.

    Example:
        >>> read_state_dict("no-such-file.pt")
        Traceback (most recent call last):
        ...
        skelblocks.interop...CheckpointError: no-such-file.pt: expected a checkpoint file, there is none; check the
        name
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a device or pipe"
            raise CheckpointError(f"{path}: expected a checkpoint file, got {kind}; name the .pt file itself")
        if path.stat().st_size == 0:
            raise CheckpointError(f"{path}: expected a checkpoint file, got an empty one; copy or download it again")
        kind = _kind(path)
        if kind:
            raise CheckpointError(
                f"{path}: expected a checkpoint that torch.save wrote, got {kind}; if the command also takes clips, "
                "name the encoder first"
            )
        _check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, on how old a file is; what is wrong with it is raised
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise CheckpointError(f"{path}: expected a checkpoint file, there is none; check the name") from None
    except Exception as error:
        # Broken bytes surface as many kinds of errors, in torch, pickle and zipfile.
        raise CheckpointError(
            f"{path}: cannot be read as weights alone ({type(error).__name__}: {_reason(error)}); it is damaged, or "
            f"holds more than tensors, which is not run. Copy or download it again; {_MEND}"
        ) from error
    return check_state_dict(loaded, name=str(path))


def check_state_dict(state: object, *, name: str) -> dict[str, Tensor]:
    """Check that a state dict is a flat mapping of finite weights and integer counters, and return its tensors.

    Weights are float16, bfloat16, float32 or float64, all the same; counters, which are named ``num_batches_tracked``
    or ``queue_ptr...``, are int64. A tensor must be dense and have its numbers in memory: one that claims more than
    its storage holds is refused.

    Args:
        state: What was loaded.
        name: Its name in messages, a path or an argument.

    Returns:
        A plain dict of detached tensors, which share memory with the tensors in ``state``.

    Raises:
        CheckpointError: One of these does not hold.

    Example:
        >>> check_state_dict({"fc.weight": torch.ones(2, 2, dtype=torch.int64)}, name="state")
        Traceback (most recent call last):
        ...
        skelblocks.interop...CheckpointError: state: 'fc.weight' is torch.int64, expected ... weights
    """
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{name}: expected a state dict of tensors, got {type(state).__name__}; {_MEND}")
    if not state:
        raise CheckpointError(f"{name}: expected a state dict of tensors, got an empty one")
    tensors: dict[str, Tensor] = {}
    weights: dict[torch.dtype, str] = {}
    for key, value in state.items():
        if not isinstance(key, str):
            raise CheckpointError(f"{name}: expected names of tensors, got the key {key!r:.80}")
        if not isinstance(value, Tensor):
            raise CheckpointError(f"{name}: {key!r:.80} is {type(value).__name__}, expected a tensor; {_inside(state)}")
        value = Tensor.detach(value)  # a pickle may have put another "detach" on the tensor itself
        _check_memory(value, f"{name}: {key!r:.80}")
        if "num_batches_tracked" in key or "queue_ptr" in key:
            if value.dtype != torch.int64:
                raise CheckpointError(f"{name}: {key!r:.80} is {value.dtype}, expected torch.int64, a counter")
        elif value.dtype not in _WEIGHTS:
            raise CheckpointError(
                f"{name}: {key!r:.80} is {value.dtype}, expected one of float16, bfloat16, float32, float64 for weights"
            )
        elif not bool(value.isfinite().all()):
            raise CheckpointError(f"{name}: {key!r:.80} holds NaN or infinity; use an earlier checkpoint")
        else:
            weights.setdefault(value.dtype, key)
        tensors[key] = value
    if len(weights) > 1:
        (one, first), (other, second) = list(weights.items())[:2]
        raise CheckpointError(
            f"{name}: expected weights of one dtype, got {one} ({first!r:.80}) and {other} ({second!r:.80}); convert "
            "them, {key: value.float() if value.is_floating_point() else value for key, value in state.items()}"
        )
    return tensors


def _reason(error: Exception) -> str:
    """What was wrong, without torch's advice to load the file unsafely."""
    lines = [line for line in map(str.strip, str(error).splitlines()) if line and not line.startswith(_ADVICE)]
    reason = lines[0].removeprefix("WeightsUnpickler error: ") if lines else "no message"
    return ascii(reason.partition(". Please")[0][:160])[1:-1]


def _inside(state: Mapping[Any, Any]) -> str:
    """A hint about where the weights are in a dict that holds more than tensors, such as a training's checkpoint."""
    for key, value in state.items():
        if isinstance(key, str) and isinstance(value, Mapping) and any(isinstance(v, Tensor) for v in value.values()):
            return f"the weights seem to be under {key!r:.80}; pass torch.load(path, weights_only=True)[{key!r:.80}]"
    return "leave out what is not weights"


def _kind(path: Path) -> str:
    try:
        return file_seems_to_be(path)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return ""  # too broken to tell


def _check_memory(value: Tensor, where: str) -> None:
    if value.is_sparse or value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_nested:
        raise CheckpointError(f"{where} is not a dense tensor with its numbers in memory; save it with .to_dense()")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise CheckpointError(
            f"{where} claims shape {tuple(value.shape)} over a storage of {value.untyped_storage().nbytes()} bytes; "
            "save it with .contiguous()"
        )


def _check_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    for entry in entries:
        inner = PurePosixPath(entry.filename.replace("\\", "/"))
        if inner.is_absolute() or ".." in inner.parts:
            raise CheckpointError(f"{path}: the archive's entry {entry.filename!r:.80} points out of it; refused")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(
                f"{path}: the archive's entry {entry.filename!r:.80} is compressed; torch stores them"
            )
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise CheckpointError(f"{path}: the archive claims more than the file's {path.stat().st_size} bytes; refused")
