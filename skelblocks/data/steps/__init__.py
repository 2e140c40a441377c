"""Preprocessing of clips, one step a file."""
