"""Makers of small files in the formats of raw datasets, and testers that blocks of your own can share."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
