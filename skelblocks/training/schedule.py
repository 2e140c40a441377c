"""The schedule of the learning rate."""

from __future__ import annotations

import math

from skelblocks.training.options import TrainOptions


def learning_rate(options: TrainOptions, *, progress: float) -> float:
    """The rate at a point of the run: a linear warm-up, then division by ten at milestones, or half a cosine to zero.

    Args:
        options: Rate, schedule, milestones, epochs and warm-up are used.
        progress: Epochs done, with a fraction.

    Example:
        >>> paper = TrainOptions()
        >>> [round(learning_rate(paper, progress=epoch), 3) for epoch in (0, 249, 250)]
        [0.1, 0.1, 0.01]
    """
    if progress < options.warmup_epochs:
        # A first step with a rate of exactly zero would be wasted.
        return options.learning_rate * (progress + 1e-2) / (options.warmup_epochs + 1e-2)
    if options.schedule == "cosine":
        done = (progress - options.warmup_epochs) / max(options.epochs - options.warmup_epochs, 1e-9)
        return options.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return options.learning_rate * 0.1 ** sum(progress >= milestone for milestone in options.milestones)
