"""Random transforms of clips, each a pure function with its module, and the methods' recipes."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
