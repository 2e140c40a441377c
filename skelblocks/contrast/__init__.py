"""Parts of contrastive learning: momentum encoder, memory queue, contrastive logits, momentum schedule."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
