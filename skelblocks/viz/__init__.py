"""Pictures (extra ``viz``): skeletons, films, augmentations, attention, embeddings, results, as matplotlib figures."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
