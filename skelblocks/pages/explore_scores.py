"""The accuracies in the head of an explored set: the encoder, an untrained one, and raw coordinates.

Axes: n clips, d features, k neighbors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.checks import check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.evaluation import nearest_neighbors
from skelblocks.protocols.baselines import measure_baselines
from skelblocks.protocols.evaluated_run import EvaluatedRun
from skelblocks.protocols.options import ProtocolOptions
from skelblocks.protocols.report import measure_untrained
from skelblocks.protocols.results import Row
from skelblocks.protocols.run_protocols import measure


class Scores(NamedTuple):
    """The accuracies in the head of the page.

    Attributes:
        about: How the accuracies were measured, a sentence.
        columns: Columns of the table; the first one names the rows.
        rows: Their cells as text.
        predicted: The predicted class of each clip, ``(n,)``, -1 for none. None: there is no confusion matrix.
        predictor: Name of the classifier, for the title of the matrix.
    """

    about: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    predicted: NDArray[np.int32] | None
    predictor: str


@explain_arguments
def neighbor_scores(features: Mapping[str, Tensor], labels: Tensor, *, k: int = 5) -> Scores:
    """Classify each clip by the other clips, without a split: a vote of its nearest neighbors.

    Of classes with the same number of votes, the one with the nearest clip wins. Clips without a label are left out.

    Args:
        features: Of all clips, ``(n, d)``, by the name of their row; the first row predicts.
        labels: ``(n,)``, -1 where a clip has none.
        k: How many neighbors vote; at most the number of other clips.

    Returns:
        The accuracies in percent with one and with k neighbors.

    Raises:
        TypeError: ``k`` is not an integer.
        ValueError: ``k`` is below 1, or there are fewer than two clips with labels.

    Example:
        >>> close = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
        >>> neighbor_scores({"encoder": close}, torch.tensor([0, 0, 1, 1]), k=1).rows
        [('encoder', '100.0')]
    """
    check_integer(k, name="k")
    known = torch.nonzero(labels >= 0)[:, 0]
    if len(known) < 2:
        raise ValueError(f"labels: expected at least two clips with a label, got {len(known)}")
    k = min(k, len(known) - 1)
    numbers = sorted({1, k})
    truth, rows, first = labels[known], [], None
    for name, each in features.items():
        votes = truth[nearest_neighbors(each[known], each[known], k=k, exclude_self=True)[1]]
        found = {number: _vote(votes[:, :number]) for number in numbers}
        rows.append((name, *(f"{100 * float((found[number] == truth).double().mean()):.1f}" for number in numbers)))
        first = found[k] if first is None else first
    predicted = np.full(len(labels), -1, dtype=np.int32)
    if first is not None:
        predicted[known.numpy()] = first.numpy()
    columns = ("features", *(f"{number} neighbor{'s' if number > 1 else ''}, %" for number in numbers))
    about = (
        "Accuracy without a split: each clip is classified by the other clips of this page that are most like it. They "
        "may show the same person, so this is no result on new persons."
    )
    return Scores(about, columns, rows, predicted, f"{k} nearest neighbor{'s' if k > 1 else ''}")


@explain_arguments
def run_scores(run: EvaluatedRun, options: ProtocolOptions, *, baselines: bool = True) -> Scores:
    """Evaluate a run on its test clips by kNN and the linear protocol, as ``skelblocks evaluate`` does.

    Args:
        run: The run.
        options: The options of the evaluation.
        baselines: Whether to evaluate untrained encoders and raw coordinates too.

    Returns:
        The accuracies in percent. The linear classifier predicts.
    """
    row = measure(run, ["knn", "linear"], options)
    lines: dict[str, Row] = {"this encoder": row}
    if baselines:
        lines |= measure_untrained(run, options, seed=run.trained.seed)
        found = measure_baselines(run, options, baselines="coordinates", seeds=[0])
        lines |= {name: rows[0] for name, rows in found.items()}
    rows = [(name, *(f"{each[protocol][0].accuracy:.1f}" for protocol in row)) for name, each in lines.items()]
    knn, linear = row["knn"][0], row["linear"][0]
    about = (
        f"Accuracy on {len(run.test)} test clips, by {len(run.train)} training clips with labels "
        f"(split: {run.data.split}). kNN: {knn.selected}. Linear: {linear.selected}."
    )
    predicted = linear.scores.scores.argmax(dim=1).numpy().astype(np.int32)
    return Scores(about, ("features", "kNN, %", "linear, %"), rows, predicted, "linear classifier")


def options_of(changes: Mapping[str, Any]) -> ProtocolOptions:
    """Options of the protocols with some of the measuring ones changed.

    Args:
        changes: Values by name.

    Example:
        >>> options_of({"accelerator": "cpu"}).evaluate.accelerator
        'cpu'
    """
    options = ProtocolOptions()
    return dataclasses.replace(options, evaluate=dataclasses.replace(options.evaluate, **changes))


def _vote(labels: Tensor) -> Tensor:
    """The most frequent class in each row; of several, the one that comes first."""
    counts = (labels[:, :, None] == labels[:, None, :]).sum(dim=2)
    return labels.gather(1, counts.argmax(dim=1, keepdim=True))[:, 0]
