"""Pretrained folders: weights as safetensors beside a JSON file that says what they are the weights of.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from skelblocks.data import ArrayDataset
from skelblocks.data.arrays.array_checks import check_clips
from skelblocks.interop.pretrained import pretrained_files as files
from skelblocks.interop.pretrained.input_description import InputDescription
from skelblocks.interop.pretrained.module_config import PretrainedFormatError, build_module, describe_module
from skelblocks.layouts import SkeletonLayout


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """What :func:`from_pretrained` gives.

    Attributes:
        encoder: In evaluation mode, as are the others.
        head: The projection head, or a classifier as one without hidden layers, or None.
        attention: The attention block, or None.
        input: What the encoder was trained on, or None where the folder does not tell.
        metadata: What was saved with it.
    """

    encoder: nn.Module
    head: nn.Module | None = None
    attention: nn.Module | None = None
    input: InputDescription | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def layout(self) -> SkeletonLayout:
        """The skeleton, whether or not it is registered here."""
        layout = self.encoder.layout
        assert isinstance(layout, SkeletonLayout)
        return layout

    def prepare(self, clips: Tensor | NDArray[Any], *, lengths: ArrayLike | None = None) -> Tensor:
        """Clips as they were recorded, made into what the encoder was trained on.

        That is centring, resampling and alignment, then absent persons and the stream, as ``input`` says. What comes
        out of an ``ArrayDataset`` or a prepared set is centred and resampled already: for it, ``input.finish``.

        Args:
            clips: ``(n, c, t, v, m)``, floating-point, of finite numbers; the joints are ``layout.joints``, in that
                order. Zero where time is padded at the end and where a person is absent; m is ``input.persons`` or
                less.
            lengths: Frames of each clip, ``(n,)``. Default: up to the last frame that is not all zero.

        Returns:
            ``(n, c, input.frames, v, input.persons)`` in the encoder's dtype, on the CPU.

        Raises:
            TypeError: clips or lengths of another kind of number.
            ValueError: an ``input`` that is not known; other axes, coordinates or joints, too many persons, a length
                that the clips do not have, or a coordinate that is not finite.

        Example:
            >>> from skelblocks.encoders import STGCN
            >>> encoder = STGCN("nw-ucla", base_channels=4, out_channels=16)
            >>> found = Pretrained(encoder=encoder, input=InputDescription(stream="bone", frames=64))
            >>> found.prepare(torch.randn(2, 3, 90, 20, 1), lengths=[90, 71]).shape
            torch.Size([2, 3, 64, 20, 2])
        """
        if self.input is None:
            raise ValueError(
                "input: expected an InputDescription, got None: nothing says how the clips were prepared; save the "
                "encoder with input=InputDescription(...)"
            )
        array = clips.detach().cpu().numpy() if isinstance(clips, Tensor) else clips
        check_clips(array)
        c, v = self.encoder.in_channels, self.layout.num_joints
        if (array.shape[1], array.shape[3]) != (c, v):
            raise ValueError(
                f"clips: expected (n, c={c}, t, v={v}, m) with the joints of {self.layout.name!r}, got shape "
                f"{array.shape}; take the joints of layout.joints in that order, clips[..., places, :], or bring the "
                "axes into order with skelblocks.data.from_axes"
            )
        dataset = ArrayDataset(array, layout=self.layout, lengths=lengths, **self.input.dataset_options())
        dtype = next(self.encoder.parameters()).dtype
        return self.input.finish(dataset.as_tensor().to(dtype), layout=self.layout)


def save_pretrained(
    folder: str | os.PathLike[str],
    *,
    encoder: nn.Module,
    head: nn.Module | None = None,
    attention: nn.Module | None = None,
    input: InputDescription | None = None,  # noqa: A002
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Save an encoder so that :func:`from_pretrained` gives it again, anywhere: no pickle, no code, the whole layout.

    The folder holds ``config.json`` (classes, constructor arguments, layout, input, metadata) and
    ``model.safetensors``, with keys ``encoder.*``, ``head.*`` and ``attention.*``. It appears complete or not at all.
    Needs the extra ``hub``.

    Args:
        folder: Where; made, with its parents.
        encoder: An ``STGCN``, ``DSTA`` or ``BiGRU``, on any device.
        head: A ``ProjectionHead`` or ``BarlowProjector``.
        attention: An ``MsMAttention`` of the same layout, or an ``MHSAM``.
        input: What was done to the clips it was trained on; leave it out and users must know.
        metadata: Whatever JSON can hold: method, data set, epochs. With the rest, less than 1 MiB.
        overwrite: Whether a pretrained folder there is replaced.

    Raises:
        TypeError: a module of another class, or metadata that JSON does not know.
        ValueError: a module that was changed, weights that are NaN or infinite, layouts that differ.
        FileExistsError: the folder holds something, and ``overwrite`` is not set or it is no pretrained folder.

    Example:
        >>> import tempfile
        >>> from skelblocks.encoders import STGCN
        >>> encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=16)
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     save_pretrained(f"{parent}/mine", encoder=encoder, input=InputDescription(), metadata={"epochs": 300})
        ...     found = from_pretrained(f"{parent}/mine")
        >>> found.layout.name, found.input.frames, found.metadata
        ('ntu-rgb+d', 50, {'epochs': 300})
    """
    given = Pretrained(encoder=encoder, head=head, attention=attention, input=input, metadata=dict(metadata or {}))
    config, weights = describe_pretrained(given)
    folder = Path(folder).resolve()  # a link stays one
    _check_place(folder, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
    old = beside.with_name(f"{beside.name}.old")
    beside.mkdir()
    try:
        files.write_files(beside, config, weights)
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        for rest in (beside, old):  # of two that replace it at once, one comes too late
            shutil.rmtree(rest, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def from_pretrained(folder: str | os.PathLike[str], *, device: torch.device | str | None = None) -> Pretrained:
    """Load what :func:`save_pretrained` wrote, in evaluation mode and in the dtype in which it was saved.

    A folder from elsewhere is safe to open: nothing in it is executed, and names, shapes and dtypes in the header of
    the weights are compared with what the configuration gives, without memory, before a tensor is read. Needs the extra
    ``hub``.

    Args:
        folder: That of its ``config.json``.
        device: Where the modules go. Default: the CPU.

    Returns:
        The modules and what is known about them.

    Raises:
        FileNotFoundError: one of the two files is not there.
        PretrainedFormatError: a file is damaged, of another version, names a class, argument or weight that does not
            belong there or lacks one, or has NaN or infinite weights; or the folder was replaced meanwhile.
    """
    folder = Path(folder)
    for name in (files.CONFIG, files.WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"folder: there is no pretrained encoder in {str(folder)!r}, which has no {name}")
    try:
        before = files.stamp(folder)
        pretrained = _read(folder, torch.device("cpu" if device is None else device))
        if files.stamp(folder) != before:
            raise PretrainedFormatError("it was replaced while it was read; open it again")
        return pretrained
    except PretrainedFormatError as error:
        raise PretrainedFormatError(f"{folder}: {error}") from error.__cause__


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
    given = pretrained.input
    if given is not None and not isinstance(given, InputDescription):
        raise TypeError(f"input: expected an InputDescription, got {type(given).__name__}")
    config = files.encode_config(
        {
            "layout": layout.to_dict(),
            "input": None if given is None else given.to_dict(),
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


def _check_place(folder: Path, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    ours = {files.CONFIG, files.WEIGHTS}
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names != ours:
        more = f" ({', '.join(sorted(names - ours)[:3])})" if names - ours else ""
        raise FileExistsError(
            f"folder: {str(folder)!r} holds something else than a pretrained encoder{more}; choose another, or move "
            "that away"
        )
    if not overwrite:
        raise FileExistsError(f"folder: there is a pretrained encoder in {str(folder)!r}; pass overwrite=True")


def _read(folder: Path, device: torch.device) -> Pretrained:
    config = files.read_config(folder / files.CONFIG)
    try:
        layout = files.read_layout(config["layout"])
        described = files.read_input(config["input"])
    except (ValueError, TypeError, AttributeError) as error:
        raise PretrainedFormatError(f"{files.CONFIG}: {str(error)[:300]}") from error
    parts = {role: config[role] for role in files.ROLES if role == "encoder" or config[role] is not None}
    expected = {
        f"{role}.{name}": value
        for role, part in parts.items()
        for name, value in build_module(part, role=role, layout=layout, device="meta").state_dict().items()
    }
    weights = files.read_weights(folder / files.WEIGHTS, expected)
    modules = {}
    for role, part in parts.items():
        module = build_module(part, role=role, layout=layout)
        own = {name.removeprefix(f"{role}."): value for name, value in weights.items() if name.startswith(f"{role}.")}
        # Assigned and not copied, so that weights keep the dtype in which they were saved.
        module.load_state_dict(own, strict=True, assign=True)
        modules[role] = module.eval().to(device)
    return Pretrained(**modules, input=described, metadata=config["metadata"])
