"""Readers of the formats in which clips are published."""
