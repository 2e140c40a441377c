"""Set the options that depend on the number of clips, and check the queue against it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from skelblocks.training.options import MethodOptions, TrainOptions

T = TypeVar("T", bound=MethodOptions)
_LARGEST_QUEUE = 32768  # the papers' size


def settle(options: T, *, clips: int) -> T:
    """Set the options that depend on the size of the training set.

    ``contrast.queue_size="auto"`` becomes the largest power of two below the number of clips, but at least a batch.
    ``train.epochs`` grows until the run has ``train.min_steps`` steps, because on a small set a few dozen epochs can be
    too few steps to learn anything. ``train.steps`` sets the epochs instead, rounded up to whole epochs. The method's
    default milestones then move to the same fraction of the run; other milestones stay as they are.
    ``train.warmup_steps`` sets or shortens ``train.warmup_epochs``.

    Args:
        options: The run's options.
        clips: Number of training clips.

    Returns:
        A copy. Calling ``settle`` on it again, for the same number of clips, changes nothing.

    Raises:
        ValueError: The batch is larger than the queue or the set; ``train.steps`` is combined with ``train.epochs``; or
            the warm-up is as long as the run.

    Example:
        >>> from skelblocks.training import ContrastOptions, TrainOptions
        >>> chosen = MethodOptions(
        ...     train=TrainOptions(epochs=40, batch_size=32, min_steps=400), contrast=ContrastOptions(queue_size="auto")
        ... )
        >>> settled = settle(chosen, clips=100)
        >>> settled.train.epochs, settled.contrast.queue_size
        (134, 64)
        >>> settle(MethodOptions(train=TrainOptions(steps=400, batch_size=32)), clips=100).train.epochs
        134
    """
    train, contrast = options.train, options.contrast
    if train.batch_size > clips:
        raise ValueError(
            f"train.batch_size: expected at most the {clips} training clips, got {train.batch_size}; choose a smaller "
            "one"
        )
    below = min(_LARGEST_QUEUE, 2 ** max(0, math.ceil(math.log2(clips)) - 1))
    size = max(train.batch_size, below) if isinstance(contrast.queue_size, str) else contrast.queue_size
    if train.batch_size > size:
        raise ValueError(
            f"train.batch_size: expected at most the {size} rows of the queue, got {train.batch_size}; enlarge "
            "contrast.queue_size"
        )
    train = _with_warmup(train, clips=clips)
    if train.steps is None:
        epochs = max(train.epochs, math.ceil(train.min_steps / (clips // train.batch_size)))
        train = dataclasses.replace(train, epochs=epochs)
    else:
        train = _in_steps(train, train.steps, usual=_usual(options), clips=clips)
    return dataclasses.replace(options, train=train, contrast=dataclasses.replace(contrast, queue_size=size))


def _with_warmup(train: TrainOptions, *, clips: int) -> TrainOptions:
    """Count ``warmup_steps`` in epochs."""
    if train.warmup_steps is None:
        return train
    epochs = train.warmup_steps / (clips // train.batch_size)
    return dataclasses.replace(train, warmup_epochs=min(train.warmup_epochs or epochs, epochs))


def _usual(options: MethodOptions) -> TrainOptions:
    """The method's defaults of the group ``train``."""
    factory = next(each.default_factory for each in dataclasses.fields(options) if each.name == "train")
    usual = TrainOptions() if factory is dataclasses.MISSING else factory()
    assert isinstance(usual, TrainOptions)
    return usual


def _in_steps(train: TrainOptions, steps: int, *, usual: TrainOptions, clips: int) -> TrainOptions:
    """Set the epochs and the default milestones by a number of steps.

    Args:
        train: The run's options.
        steps: The least number of steps.
        usual: The method's default options.
        clips: Number of training clips.
    """
    epochs = math.ceil(steps / (clips // train.batch_size))
    if train.epochs not in (usual.epochs, epochs):
        raise ValueError(
            f"train.epochs: expected no value with train.steps={steps}, which means {epochs} epochs of {clips} "
            f"clips, got {train.epochs}; set train.steps to null, or leave train.epochs out"
        )
    if train.warmup_epochs >= epochs:
        raise ValueError(
            f"train.warmup_epochs: expected fewer than the {epochs} epochs of train.steps={steps} with {clips} "
            f"clips, got {train.warmup_epochs:g}; shorten the warm-up, for instance by "
            f"train.warmup_steps={steps // 10}, or raise train.steps"
        )
    milestones = train.milestones
    if milestones == usual.milestones:
        milestones = [max(1, round(each * epochs / usual.epochs)) for each in milestones]
    return dataclasses.replace(train, epochs=epochs, milestones=milestones)


def queue_warning(options: MethodOptions, *, clips: int) -> str | None:
    """A warning about a queue that is larger than the training set, or None."""
    size = options.contrast.queue_size
    if size == "auto" or size <= clips or options.contrast.exclude_own_keys:
        return None
    return (
        f"Warning: the queue holds {size} keys, but there are only {clips} training clips, so older keys of the same "
        "clips will be among the negatives. Choose contrast.queue_size=auto, or contrast.exclude_own_keys=true."
    )


def warmup_warning(options: MethodOptions) -> str | None:
    """A warning about a warm-up that is as long as the run, or None.

    Example:
        >>> warmup_warning(MethodOptions(train=TrainOptions(epochs=3, warmup_epochs=5)))
        'Warning: the warm-up of 5 epochs is as long as the run of 3, so the learning rate stays below
        train.learning_rate. Choose a smaller train.warmup_epochs, or train longer.'
    """
    train = options.train
    if train.warmup_epochs < train.epochs:
        return None
    return (
        f"Warning: the warm-up of {train.warmup_epochs:g} epochs is as long as the run of {train.epochs}, so the "
        "learning rate stays below train.learning_rate. Choose a smaller train.warmup_epochs, or train longer."
    )


def shares_of_the_run(options: MethodOptions) -> list[str]:
    """The options whose effect depends on the length of the run: those set to ``"half"`` or ``"cosine"``.

    Example:
        >>> from skelblocks.training import TrainOptions
        >>> shares_of_the_run(MethodOptions(train=TrainOptions(schedule="cosine")))
        ['train.schedule']
    """
    return list(_shares(options, ""))


def _shares(options: Any, group: str) -> Iterator[str]:
    for name, hint in get_type_hints(type(options)).items():
        value = getattr(options, name, None)
        if dataclasses.is_dataclass(value):
            yield from _shares(value, f"{group}{name}.")
        elif value in ("half", "cosine") and value in _choices(hint):
            yield group + name


def _choices(hint: Any) -> list[object]:
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [choice for inner in get_args(hint) for choice in _choices(inner)]
