"""Encoders saved with everything that new clips need: layout, preprocessing, weights."""
