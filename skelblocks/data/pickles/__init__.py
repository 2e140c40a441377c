"""A pickle reader that builds arrays and plain containers and nothing else."""
