"""What a clip is: a sample, its persons, a raw clip, how it is preprocessed, and a set of clips."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
