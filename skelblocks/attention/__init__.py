"""Attention blocks that weight or drop parts of a feature map."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
