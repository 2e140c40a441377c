"""Losses, pure: from logits, or from embeddings with memory that does not grow with the bank."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
