"""Weights in and out: official checkpoints, pretrained folders, the hub, exported graphs."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from skelblocks.interop.checkpoint_error import CheckpointError
from skelblocks.interop.export import export_onnx, export_program, save_program
from skelblocks.interop.input_description import InputDescription
from skelblocks.interop.load_official import load_official
from skelblocks.interop.load_report import LoadReport
from skelblocks.interop.module_config import PretrainedFormatError
from skelblocks.interop.official_checkpoint import OfficialCheckpoint, OfficialStream
from skelblocks.interop.pretrained import Pretrained, from_pretrained, save_pretrained
from skelblocks.interop.to_official import to_official

if TYPE_CHECKING:
    from skelblocks.interop.hub import HubEncoder

__all__ = [
    "CheckpointError",
    "InputDescription",
    "LoadReport",
    "OfficialCheckpoint",
    "OfficialStream",
    "Pretrained",
    "PretrainedFormatError",
    "export_onnx",
    "export_program",
    "from_pretrained",
    "load_official",
    "save_pretrained",
    "save_program",
    "to_official",
]
if find_spec("huggingface_hub") is not None:  # or a star import would fail for want of the extra
    __all__ += ["HubEncoder"]


def __getattr__(name: str) -> Any:
    if name == "HubEncoder":  # its base is in the extra, which takes time to import
        from skelblocks.interop import hub

        return hub.HubEncoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
