"""Random transforms of clips, each as a pure function and as a module, and the augmentation recipes of the methods."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
