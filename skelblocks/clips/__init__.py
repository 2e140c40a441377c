"""Clips: samples, masks of persons and frames, raw clips, preprocessing settings, and data sets of clips."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
