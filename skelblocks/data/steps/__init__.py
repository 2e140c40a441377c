"""The steps of the preprocessing, one per file."""
