"""Evaluate a run or an encoder with the protocols of the papers."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
