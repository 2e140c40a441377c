"""Sets of clips that fit into memory, and arrays in files."""
