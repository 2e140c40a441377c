"""Load a pretrained folder, which may be untrusted."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.interop.pretrained import pretrained_files as files
from skelblocks.interop.pretrained.config_checks import PretrainedFormatError
from skelblocks.interop.pretrained.module_config import build_module
from skelblocks.interop.pretrained.pretrained import Pretrained


@explain_arguments
def from_pretrained(folder: str | os.PathLike[str], *, device: torch.device | str | None = None) -> Pretrained:
    """Load what :func:`save_pretrained` wrote, in evaluation mode and in the dtype in which it was saved.

    A folder from elsewhere is safe to open: nothing in it is executed, and names, shapes and dtypes in the header of
    the weights are compared with what the configuration gives, without memory, before a tensor is read. Needs the extra
    ``hub``.

    Args:
        folder: The folder of ``config.json`` and ``model.safetensors``.
        device: Where the modules go. Default: the CPU.

    Returns:
        The modules and what is known about them.

    Raises:
        FileNotFoundError: One of the two files does not exist; the message names pretrained folders inside.
        PretrainedFormatError: A file is damaged, of another version, names a class, argument or weight that does not
            belong there or lacks one, or has NaN or infinite weights; or the folder was replaced meanwhile.
    """
    folder = Path(folder)
    _check_there(folder)
    try:
        before = files.stamp(folder)
        pretrained = _read(folder, torch.device("cpu" if device is None else device))
        if files.stamp(folder) != before:
            raise PretrainedFormatError("it was replaced while it was read; open it again")
        return pretrained
    except PretrainedFormatError as error:
        remedy = "" if "; " in str(error) else "; save the encoder again, or copy its folder again"
        raise PretrainedFormatError(f"{escape(folder)}: {error}{remedy}") from error.__cause__


def _check_there(folder: Path) -> None:
    for name in (files.CONFIG, files.WEIGHTS):
        if (folder / name).is_file():
            continue
        inside = [path for path in sorted(folder.glob("*")) if (path / files.CONFIG).is_file()][:3]
        if inside:
            hint = f"; there is one in {', '.join(repr(escape(path)) for path in inside)}"
        elif folder.is_file():
            hint = "; it is a file: name a folder that save_pretrained wrote, or read released weights by load_official"
        elif folder.exists():
            hint = "; name a folder that save_pretrained or a run has written, such as runs/demo/encoder"
        else:
            hint = "; there is no such folder, and HubEncoder.from_pretrained takes names on the hub"
        raise FileNotFoundError(
            f"folder: there is no pretrained encoder in {escape(folder)!r}, which has no {name}{hint}"
        )


def _read(folder: Path, device: torch.device) -> Pretrained:
    config = files.read_config(files.find_config(folder))
    try:
        layout = files.read_layout(config["layout"])
        preprocessing, stream = files.read_preprocessing(config)
        readout = files.read_readout(config)
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
    return Pretrained(
        **modules, preprocessing=preprocessing, stream=stream, readout=readout, metadata=config["metadata"]
    )
