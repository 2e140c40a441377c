"""Fine-tuning: a pretrained encoder and a linear classifier, trained as a whole on labeled clips."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from skelblocks._utils.checks import check_choice
from skelblocks._utils.optional import require
from skelblocks.encoders import ReadoutEncoder
from skelblocks.encoders.readout import Readout
from skelblocks.evaluation import accuracy
from skelblocks.protocols.finetune_options import FinetuneOptions
from skelblocks.protocols.finetune_steps import FinetuneSteps
from skelblocks.protocols.labeled_clips import LabeledClips, choose_clips, labeled_clips
from skelblocks.protocols.refit import refit
from skelblocks.streams import Stream
from skelblocks.training.datasets import Sets

Select = Literal["last", "validation", "test"]
SELECTED: dict[str, str] = {
    "last": "last epoch",
    "validation": "best on the validation set",
    "test": "best on the test set",
}


class FinetuneResult(NamedTuple):
    """The result of fine-tuning.

    Attributes:
        accuracy: Top-1 accuracy on the test clips, in percent.
        logits: Scores of the test clips ``(n, classes)``, on the CPU.
        names: Names of the test clips.
        epoch: The epoch after which the model was tested, counted from 1.
        selected: How this epoch was chosen, in words.
        history: One row of metrics per epoch.
        model: The model on the CPU: encoder, readout and linear layer. It maps clips of the stream ``(n, c, t, v, m)``
            to logits.
    """

    accuracy: float
    logits: Tensor
    names: tuple[str, ...]
    epoch: int
    selected: str
    history: list[dict[str, float]]
    model: nn.Module


def finetune(
    encoder: nn.Module,
    sets: Sets,
    options: FinetuneOptions,
    *,
    stream: Stream = "joint",
    rows: Sequence[int] | Tensor | None = None,
    validation: Sequence[int] | Tensor | None = None,
    select: Select = "last",
    seed: int = 0,
    accelerator: str = "auto",
    readout: Readout = "mean",
    groups: ArrayLike | None = None,
) -> FinetuneResult:
    """Train a copy of an encoder and a linear layer on its pooled map, by cross-entropy.

    With ``options.classifier="ridge"`` the linear layer serves the training alone. In the end, a ridge classifier is
    fitted to the trained encoder's features of the same clips, see :func:`~skelblocks.evaluation.ridge_probe`. It may
    have a richer readout than the training (``options.readout``).

    The linear layer's weights are drawn from N(0, 0.02). Every draw is a function of seed, epoch and step; the global
    random state does not change.

    Args:
        encoder: Maps clips ``(n, c, t, v, m)`` to feature maps ``(n, m, d, t, v)``; it does not change.
        sets: Labeled clips.
        options: How to train the model.
        stream: The stream that the encoder takes.
        rows: Indices of the training clips to train on: in the semi-supervised protocol, the labeled ones. Default: all
            that are not in ``validation``.
        validation: Indices of the training clips that select the epoch; none may be in ``rows``.
        select: Which epoch to report: the ``"last"``, the best on ``"validation"``, or the best on ``"test"``, as
            the released code does.
        seed: Random seed of the classifier's weights, the order of the clips, augmentation and dropout.
        accelerator: Where to train, as in pretraining, for instance ``"cpu"``.
        readout: How the feature map becomes one vector, see :func:`~skelblocks.encoders.readout`. The training has the
            same one, unless ``options.readout`` names another, which takes ``options.classifier="ridge"``.
        groups: The subject of each training clip, by which the ridge classifier's constant is chosen.

    Returns:
        The accuracy, the scores and the model.

    Raises:
        ValueError: Clips have no labels; ``options.readout`` is another than ``readout`` and the classifier is the
            trained linear layer; ``rows`` or ``validation`` are missing, overlap or leave nothing; ``select``
            is unknown; or several processes run.
        NonFiniteLossError: The loss is not finite.

    Example:
        >>> from skelblocks.encoders import STGCN
        >>> from skelblocks.training import DataOptions, load_sets
        >>> small = {"classes": 3, "subjects": 2, "views": 1, "frames": 8}
        >>> sets = load_sets(DataOptions(layout="sbu", frames=8, synthetic=small))
        >>> encoder = STGCN("sbu", base_channels=2, out_channels=4)
        >>> finetune(encoder, sets, FinetuneOptions(epochs=1, batch_size=4), accelerator="cpu").selected
        'last epoch'
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ValueError("finetune: expected one process, got several; start it without torchrun")
    check_choice(select, get_args(Select), name="select")
    _check_readout(options, readout)
    train, held = choose_clips(sets.train, rows=rows, validation=validation, select=select)
    test = labeled_clips(sets.test)
    steps = FinetuneSteps(
        encoder,
        sets,
        options,
        clips=len(train.labels),
        stream=stream,
        seed=seed,
        accelerator=accelerator,
        readout=options.readout or readout,
    )
    watched = {"last": None, "validation": held, "test": test}[select]
    history, epoch = _train(steps, train, watched, select=select)
    if options.classifier == "linear":
        logits, model = steps.scores(test), steps.plain.cpu()
    else:
        own = None if groups is None else np.asarray(groups)[train.rows.numpy()]
        body, head = steps.plain.children()
        assert isinstance(body, ReadoutEncoder)
        assert isinstance(head, nn.Linear)
        model, logits = refit(
            body.encoder,
            train,
            test,
            readout=readout,
            layout=sets.layout,
            stream=stream,
            groups=own,
            num_classes=head.out_features,
        )
    return FinetuneResult(
        accuracy=_percent(logits, test.labels),
        logits=logits,
        names=test.names,
        epoch=epoch,
        selected=SELECTED[select],
        history=history,
        model=model.cpu(),
    )


def _check_readout(options: FinetuneOptions, readout: Readout) -> None:
    """The trained linear layer can only classify features of the readout with which it was trained."""
    if options.classifier == "linear" and options.readout not in (None, readout):
        raise ValueError(
            f"finetune.readout: expected {readout!r}, the evaluation's readout, with finetune.classifier='linear', got "
            f"{options.readout!r}; leave it out, or choose --finetune.classifier ridge"
        )


def _train(
    steps: FinetuneSteps, train: LabeledClips, watched: LabeledClips | None, *, select: Select
) -> tuple[list[dict[str, float]], int]:
    """Train for all epochs, and restore the best epoch's weights if some clips select it.

    Returns:
        The history, and the epoch of the model's weights.
    """
    epochs = steps.options.epochs
    history: list[dict[str, float]] = []
    best_epoch, best_accuracy, best_state = epochs, -math.inf, None
    batches = len(steps.batches(0))
    shown = require("tqdm", extra="train").tqdm(
        total=epochs * batches, unit="step", mininterval=0.5 if os.isatty(2) else 15
    )
    with torch.random.fork_rng(steps.cuda_devices()), torch.enable_grad(), shown as bar:
        for epoch in range(epochs):
            row = steps.epoch(train, epoch, advance=bar.update)
            if watched is not None:
                row[select] = _percent(steps.scores(watched), watched.labels)
                if row[select] > best_accuracy:
                    best_epoch, best_accuracy = epoch + 1, row[select]
                    best_state = copy.deepcopy(steps.plain.state_dict())
            history.append(row)
            bar.set_description(f"epoch {epoch + 1}/{epochs}, loss {row['loss']:.3f}", refresh=False)
    if best_state is not None:
        steps.plain.load_state_dict(best_state)
    return history, best_epoch


def _percent(logits: Tensor, labels: Tensor) -> float:
    return 100 * accuracy(logits, labels, topk=(1,))[1]
