"""What a clip is: a sample, its persons, a clip as its owner has it."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
