"""Weights in and out: official checkpoints, pretrained folders, the hub, exported graphs."""

from skelblocks.interop.checkpoint_error import CheckpointError
from skelblocks.interop.export import export_onnx, export_program, save_program
from skelblocks.interop.input_description import InputDescription
from skelblocks.interop.load_official import load_official
from skelblocks.interop.load_report import LoadReport
from skelblocks.interop.module_config import PretrainedFormatError
from skelblocks.interop.official_checkpoint import OfficialCheckpoint, OfficialStream
from skelblocks.interop.pretrained import Pretrained, from_pretrained, save_pretrained
from skelblocks.interop.to_official import to_official

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
