"""The shared training loop of all methods: options, order of clips, schedule, checkpoints, run folders."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
