"""Save an encoder with the classifier of a protocol as a pretrained folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skelblocks.protocols.evaluated_run import EvaluatedRun, ProtocolResult
from skelblocks.training.save_encoders import save_encoder


def save_classifier(run: EvaluatedRun, result: ProtocolResult, folder: str | Path) -> None:
    """Save the encoder and the classifier of a result. An earlier evaluation's folder is replaced.

    The folder's head is the classifier. Its metadata record the class names, the protocol and the run.

    Args:
        run: The encoder with its clips.
        result: Result of a protocol that keeps its classifier.
        folder: The folder to write.

    Raises:
        ValueError: The protocol keeps no classifier.
        FileExistsError: The folder holds something other than a pretrained encoder.
    """
    if result.classifier is None:
        raise ValueError(
            f"result: expected a result with a classifier, got {result.protocol!r}, which keeps none; use "
            "linear_protocol or finetune_protocol"
        )
    encoder, classifier = result.classifier
    save_encoder(
        encoder,
        Path(folder),
        sets=run.sets,
        stream=run.trained.stream,
        metadata=_metadata(run, result),
        readout=run.readout,
        classifier=classifier,
    )


def _metadata(run: EvaluatedRun, result: ProtocolResult) -> dict[str, Any]:
    names = run.class_names or map(str, range(run.num_classes))
    found = {"class_names": list(names), "protocol": result.protocol, "selected": result.selected}
    trained = run.trained
    if trained.method is None:
        return found
    origin = {"method": trained.method, "stream": trained.stream, "seed": trained.seed}
    return {**found, "run": {**origin, "options": dict(trained.options)}}
