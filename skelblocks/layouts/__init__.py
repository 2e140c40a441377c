"""Skeleton layouts with their partitions, by name or from files, and adjacency and pooling matrices."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
