from skelblocks.interop.export import export_onnx, export_program, save_program
from skelblocks.interop.graph_preparation import GraphPreparation
from skelblocks.interop.official.checkpoint_error import CheckpointError
from skelblocks.interop.official.load_official import load_official
from skelblocks.interop.official.load_report import LoadReport
from skelblocks.interop.official.official_checkpoint import OfficialCheckpoint, OfficialStream
from skelblocks.interop.official.official_pretrained import official_pretrained
from skelblocks.interop.official.to_official import to_official
from skelblocks.interop.pretrained.check_fits import check_fits
from skelblocks.interop.pretrained.config_checks import PretrainedFormatError
from skelblocks.interop.pretrained.from_pretrained import from_pretrained
from skelblocks.interop.pretrained.hub import HubEncoder
from skelblocks.interop.pretrained.input_description import InputDescription
from skelblocks.interop.pretrained.open_pretrained import open_pretrained
from skelblocks.interop.pretrained.pretrained import Pretrained
from skelblocks.interop.pretrained.save_pretrained import save_pretrained

__all__ = [
    "CheckpointError",
    "GraphPreparation",
    "HubEncoder",
    "InputDescription",
    "LoadReport",
    "OfficialCheckpoint",
    "OfficialStream",
    "Pretrained",
    "PretrainedFormatError",
    "check_fits",
    "export_onnx",
    "export_program",
    "from_pretrained",
    "load_official",
    "official_pretrained",
    "open_pretrained",
    "save_pretrained",
    "save_program",
    "to_official",
]
