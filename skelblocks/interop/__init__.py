"""Load and save weights: official checkpoints, pretrained folders, the hub, exported graphs."""

from importlib.util import find_spec

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
if find_spec("huggingface_hub") is None:  # or a star import would fail for want of the extra
    __all__.remove("HubEncoder")
