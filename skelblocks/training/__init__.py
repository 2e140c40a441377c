"""The training loop that all methods share: options, order of clips, schedule, checkpoints, run folders."""
