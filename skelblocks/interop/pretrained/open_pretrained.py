"""Open a pretrained encoder: a pretrained folder, a run, or a released file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.interop.official.load_official import load_official
from skelblocks.interop.official.official_pretrained import official_pretrained
from skelblocks.interop.pretrained import pretrained_files as files
from skelblocks.interop.pretrained.from_pretrained import from_pretrained
from skelblocks.interop.pretrained.pretrained import Pretrained

_OF_A_RUN = "encoder"  # the pretrained folder that a run writes


@explain_arguments
def open_pretrained(path: str | os.PathLike[str], *, device: torch.device | str | None = None) -> Pretrained:
    """Open a pretrained folder, the folder of a run with one encoder, or a file that a method's authors have released.

    Args:
        path: The folder or the file. A file is read by :func:`~skelblocks.interop.load_official`.
        device: Where the modules go. Default: the CPU.

    Returns:
        The modules, in evaluation mode, and what is known about them.

    Raises:
        FileNotFoundError: There is no pretrained encoder; the message names encoders inside the folder.
        PretrainedFormatError: The folder is damaged.
        CheckpointError: The file is no official checkpoint.

    Example:
        >>> import tempfile
        >>> from skelblocks.encoders import STGCN
        >>> from skelblocks.interop import save_pretrained
        >>> with tempfile.TemporaryDirectory() as run:
        ...     save_pretrained(f"{run}/encoder", encoder=STGCN("coco-17", base_channels=4, out_channels=8))
        ...     open_pretrained(run).layout.name
        'coco-17'
    """
    place = Path(path)
    if place.is_file():
        found = official_pretrained(load_official(place), file=place.name)
        modules = {role: getattr(found, role) for role in files.ROLES}
        if device is not None:
            modules = {role: module if module is None else module.to(device) for role, module in modules.items()}
        return replace(found, **modules)
    inside = place / _OF_A_RUN
    if not (place / files.CONFIG).is_file() and (inside / files.CONFIG).is_file():
        place = inside
    return from_pretrained(place, device=device)
