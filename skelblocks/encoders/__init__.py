"""Encoders that map clips to feature maps, pooling, projection heads, and weight initialization."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
