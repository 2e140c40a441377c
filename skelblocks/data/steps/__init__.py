"""Preprocessing of clips, one step per file."""
