"""Load and write checkpoints in the form of the released code."""
