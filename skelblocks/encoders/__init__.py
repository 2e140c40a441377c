"""Encoders from clips to feature maps, pooling, projection heads, initialization."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
