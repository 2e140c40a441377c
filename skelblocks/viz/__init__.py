"""Pictures as matplotlib figures (extra ``viz``): skeletons, films, augmentations, attention, embeddings, results."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
