"""The protocols that train the whole model: on all labels, or on a fraction of each class's labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelblocks.encoders import ReadoutEncoder
from skelblocks.evaluation import labeled_draw
from skelblocks.protocols.evaluated_run import EvaluatedRun, ProtocolResult
from skelblocks.protocols.finetune import finetune
from skelblocks.protocols.finetune_options import FinetuneOptions
from skelblocks.protocols.frozen_protocols import linear_protocol
from skelblocks.protocols.options import ProtocolOptions
from skelblocks.training.dataset_split import groups


def finetune_protocol(run: EvaluatedRun, options: ProtocolOptions) -> ProtocolResult:
    """Train the whole model on all labeled training clips.

    Args:
        run: The encoder with its clips.
        options: The group ``finetune``, and how to select the epoch.

    Returns:
        The scores, the history, and the trained encoder with its classifier.
    """
    return _finetuned(run, options, options.finetune, "finetune", rows=run.fit)


def semi_supervised_protocol(
    run: EvaluatedRun, options: ProtocolOptions, *, fraction: float, draw: int
) -> ProtocolResult:
    """Train on a fraction of each class's labels: the whole model, or a linear classifier.

    Args:
        run: The encoder with its clips.
        options: The group ``semi``.
        fraction: The fraction of the labels.
        draw: Number of the random draw of labeled clips, from 0; each draw has its own seed.

    Returns:
        The scores; ``details["labeled_clips"]`` counts the clips that were labeled.
    """
    generator = torch.Generator().manual_seed(1000 * options.evaluate.seed + draw)
    rows = run.fit[labeled_draw(run.labels[0][run.fit], fraction, generator=generator)]
    name = f"semi {100 * fraction:g} %"
    if options.semi.protocol == "linear":
        result = linear_protocol(run, options, rows=rows)._replace(protocol=name)
    else:
        result = _finetuned(run, options, options.semi, name, rows=rows)
    result.details["labeled_clips"] = len(rows)
    return result._replace(classifier=None)  # keeping one for each draw would fill the memory


def _finetuned(
    run: EvaluatedRun, options: ProtocolOptions, how: FinetuneOptions, name: str, *, rows: Tensor
) -> ProtocolResult:
    select = options.evaluate.select
    found = finetune(
        run.trained.encoder,
        run.sets,
        how,
        stream=run.trained.stream,
        rows=rows,
        validation=run.held if select == "validation" else None,
        select=select,
        seed=options.evaluate.seed,
        accelerator=options.evaluate.accelerator,
        readout=run.readout,
        groups=groups(run.sets.train, run.data.split),
    )
    selected = found.selected
    if how.classifier == "ridge":
        selected += ", then a ridge classifier, constant by cross-validation on the training clips"
    result = run.result(name, found.logits, selected=selected, epoch=found.epoch, history=found.history)
    model, head = found.model.children()
    assert isinstance(model, ReadoutEncoder)
    assert isinstance(head, nn.Linear)
    return result._replace(classifier=(model.encoder, head))
