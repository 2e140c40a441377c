"""Argument checks and optional imports; nothing of the field."""
