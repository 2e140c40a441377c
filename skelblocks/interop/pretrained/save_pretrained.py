"""Save a pretrained folder: weights as safetensors, and a JSON file that describes their modules."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.locks import locked
from skelblocks._utils.whole_file import remove_partial_files
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.encoders.readout import Readout
from skelblocks.interop.pretrained import pretrained_files as files
from skelblocks.interop.pretrained.input_description import takes_input
from skelblocks.interop.pretrained.module_config import describe_module
from skelblocks.interop.pretrained.pretrained import Pretrained
from skelblocks.streams import Stream

_WAIT = 60.0  # seconds for another process that saves to the same folder


@takes_input
@explain_arguments
def save_pretrained(
    folder: str | os.PathLike[str],
    *,
    encoder: nn.Module,
    head: nn.Module | None = None,
    attention: nn.Module | None = None,
    preprocessing: Preprocessing | None = None,
    stream: Stream = "joint",
    readout: Readout = "mean",
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Save an encoder so that :func:`from_pretrained` can load it on any machine, without pickle or code.

    The folder holds ``config.json`` (classes, constructor arguments, layout, preprocessing, stream, readout, metadata)
    and ``model.safetensors``, with keys ``encoder.*``, ``head.*`` and ``attention.*``. It appears complete or not at
    all, and one that is replaced is the old one or the new one at any moment, even if the process is killed. Processes
    that save to the same folder do so one after the other. Needs the extra ``hub``.

    Args:
        folder: Where; made, with its parents.
        encoder: An ``STGCN``, ``DSTA`` or ``BiGRU``, on any device, or several as a ``SideBySide``.
        head: A ``ProjectionHead`` or ``BarlowProjector``. A classifier is a ``ProjectionHead`` without hidden layers,
            with the names of its classes as ``metadata["class_names"]``.
        attention: An ``MsMAttention`` of the same layout, or an ``MHSAM``.
        preprocessing: Preprocessing of the training clips. Without it, users must prepare clips themselves.
        stream: The stream that it takes: one of ``skelblocks.streams.STREAMS``, such as ``"joint"``.
        readout: How the feature map becomes one vector, see :func:`~skelblocks.encoders.readout`.
        metadata: Anything that JSON can hold: method, data set, epochs. The whole description must be less than 1 MiB.
        overwrite: Whether to replace an existing pretrained folder.

    Raises:
        TypeError: A module of another class, or metadata that JSON does not know.
        ValueError: A module that was changed, weights that are NaN or infinite, layouts that differ.
        FileExistsError: The folder holds something, and ``overwrite`` is not set or it is no pretrained folder.

    Example:
        >>> import tempfile
        >>> from skelblocks.encoders import STGCN
        >>> from skelblocks.interop import from_pretrained
        >>> encoder, settings = STGCN("ntu-rgb+d", base_channels=4, out_channels=16), Preprocessing(frames=64)
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     save_pretrained(f"{parent}/mine", encoder=encoder, preprocessing=settings, metadata={"epochs": 300})
        ...     found = from_pretrained(f"{parent}/mine")
        >>> found.layout.name, found.preprocessing.frames, found.metadata
        ('ntu-rgb+d', 64, {'epochs': 300})
    """
    pretrained = Pretrained(
        encoder=encoder,
        head=head,
        attention=attention,
        preprocessing=preprocessing,
        stream=stream,
        readout=readout,
        metadata=dict(metadata or {}),
    )
    config, weights = describe_pretrained(pretrained)
    folder = Path(folder).resolve()  # a link stays one
    _check_place(folder, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    busy = f"folder: another process is saving to {escape(folder)!r}; try again, or choose another folder"
    with locked(folder.parent / f".{folder.name}.lock", busy=busy, wait=_WAIT):
        _check_place(folder, overwrite)
        if (folder / files.CONFIG).is_file():
            remove_partial_files(folder)
            files.replace_files(folder, config, weights)
        else:
            _write_beside(folder, config, weights)
        for leftover in _leftovers(folder):
            shutil.rmtree(leftover, ignore_errors=True)


def describe_pretrained(pretrained: Pretrained) -> tuple[bytes, dict[str, Tensor]]:
    """The contents of the two files, checked."""
    modules = {role: getattr(pretrained, role) for role in files.ROLES}
    described = {
        role: None if module is None else describe_module(module, role=role) for role, module in modules.items()
    }
    layout = pretrained.layout
    other = getattr(pretrained.attention, "layout", layout)
    if other != layout:
        raise ValueError(f"attention: expected the layout of the encoder, {layout.name!r}, got another, {other.name!r}")
    preprocessing = pretrained.preprocessing
    config = files.encode_config(
        {
            "layout": layout.to_dict(),
            "preprocessing": None if preprocessing is None else preprocessing.to_dict(),
            "stream": pretrained.stream,
            "readout": pretrained.readout,
            "metadata": pretrained.metadata,
            **described,
        }
    )
    weights = {
        f"{role}.{name}": value
        for role, module in modules.items()
        for name, value in ({} if module is None else module.state_dict()).items()
    }
    files.check_weights(weights)
    return config, weights


def _write_beside(folder: Path, config: bytes, weights: Mapping[str, Tensor]) -> None:
    """Write a new or empty folder under a temporary name, and rename it once it is complete."""
    beside = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
    beside.mkdir()
    try:
        files.write_files(beside, config, weights)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _leftovers(folder: Path) -> Iterator[Path]:
    """Folders that killed processes left next to this one, including folders of version 0.2."""
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{8}}(\.old)?")
    return (path for path in folder.parent.glob(".*") if pattern.fullmatch(path.name) and path.is_dir())


def _check_place(folder: Path, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    ours = {files.CONFIG, files.WEIGHTS}
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    others = sorted(name for name in names - ours if not files.is_leftover(name))
    if others or not ours <= names:
        more = f" ({', '.join(map(escape, others[:3]))})" if others else ""
        raise FileExistsError(
            f"folder: {escape(folder)!r} holds something other than a pretrained encoder{more}; choose another, or "
            "move that away"
        )
    if not overwrite:
        raise FileExistsError(f"folder: {escape(folder)!r} already holds a pretrained encoder; pass overwrite=True")
