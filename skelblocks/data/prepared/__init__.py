"""Prepared sets: preprocessed clips in memory-mapped files."""
