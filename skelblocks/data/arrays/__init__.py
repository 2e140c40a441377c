"""Data sets of clips in arrays, in memory or in files."""
