"""Frozen features and what they are worth: extraction, nearest neighbours, linear probes."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
