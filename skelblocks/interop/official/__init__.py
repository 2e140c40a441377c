"""Checkpoints of the released codes, in and out."""
