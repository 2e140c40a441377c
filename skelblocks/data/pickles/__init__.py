"""A pickle reader that builds only arrays and plain containers."""
