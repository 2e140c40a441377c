"""Building blocks of contrastive, self-supervised skeleton-based action recognition."""

__version__ = "0.1.0"
