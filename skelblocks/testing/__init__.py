"""Write small files in the formats of raw data sets, and test blocks, including your own."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
