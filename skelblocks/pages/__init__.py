"""Interactive pages (extra ``pages``): single HTML files that load nothing from the network."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
