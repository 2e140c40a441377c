"""Loss functions without state. They take logits, or embeddings when the logits would not fit in memory."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
