"""Pages to look at in a browser (extra ``pages``): single HTML files that load nothing from elsewhere."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
