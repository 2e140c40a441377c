"""A report of a classifier's results, class by class.

Axes: n samples, c classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.optional import require
from skelblocks.evaluation.accuracy import accuracy


@dataclass(frozen=True)
class ClassMetrics:
    """Metrics of one class in a :class:`ClassificationReport`; None if a metric is undefined.

    Attributes:
        name: Name of the class.
        count: Number of its samples. With 0 the class never occurs: recall and F1 are None, and mean class accuracy
            leaves it out.
        predicted: Number of samples of any class that were classified as this class.
        recall: Share of its samples that were recognized.
        precision: Share of the samples classified as it that belong to it; None if there were none.
        f1: Harmonic mean of precision and recall; 0 for a class that occurs and is never recognized.
        confused_with: The class with which its samples were most often confused (of several, the first); None if all
            were recognized.
        confused_count: Number of these samples.
    """

    name: str
    count: int
    predicted: int
    recall: float | None
    precision: float | None
    f1: float | None
    confused_with: str | None
    confused_count: int


@dataclass(frozen=True, eq=False)
class ClassificationReport:
    """Result of :func:`classification_report`.

    Attributes:
        samples: Number of samples n.
        accuracy: For each k, the share of samples whose class is among the k highest scores.
        mean_class_accuracy: Mean recall of the classes that occur.
        confusion: ``(c, c)`` int64 on CPU; row: true class, column: predicted class.
        classes: Metrics of each class.
    """

    samples: int
    accuracy: Mapping[int, float]
    mean_class_accuracy: float
    confusion: Tensor
    classes: tuple[ClassMetrics, ...]

    @property
    def absent_classes(self) -> tuple[str, ...]:
        """Names of the classes without samples, which the report cannot judge."""
        return tuple(row.name for row in self.classes if not row.count)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, lists and None, never NaN, for a JSON file."""
        return {
            "samples": self.samples,
            "accuracy": {f"top{k}": share for k, share in self.accuracy.items()},
            "mean_class_accuracy": self.mean_class_accuracy,
            "absent_classes": list(self.absent_classes),
            "classes": [asdict(row) for row in self.classes],
            "confusion": self.confusion.tolist(),
        }

    def to_markdown(self) -> str:
        """Return the metrics in percent and a table of the classes, for a README or an issue.

        Names are escaped: none can end a cell, start a tag or break a line.
        """
        shares = [f"top-{k} {_percent(share)}" for k, share in self.accuracy.items()]
        occurring = len(self.classes) - len(self.absent_classes)
        shares.append(f"mean class accuracy {_percent(self.mean_class_accuracy)} (over {occurring} classes)")
        lines = [
            f"{self.samples} samples, in %: {', '.join(shares)}",
            "",
            "| class | samples | recall | precision | F1 | most often taken for |",
            "|---|--:|--:|--:|--:|---|",
        ]
        for row in self.classes:
            confusion = "" if row.confused_with is None else f"{_cell(row.confused_with)} ({row.confused_count})"
            count = str(row.count) if row.count else "0 (absent)"
            metrics = " | ".join(map(_percent, (row.recall, row.precision, row.f1)))
            lines.append(f"| {_cell(row.name)} | {count} | {metrics} | {confusion} |")
        return "\n".join(lines) + "\n"


@explain_arguments
@torch.no_grad()
def classification_report(
    scores: Tensor,
    labels: Tensor,
    *,
    class_names: Sequence[str] | None = None,
    topk: Sequence[int] | None = None,
    votes: bool | None = None,
) -> ClassificationReport:
    """Compute accuracy, confusion matrix and the metrics of each class; needs scikit-learn (``skelblocks[eval]``).

    A sample is classified as the class of its highest score. Of equal scores, the class with the lower number counts,
    as in :func:`accuracy`. The papers of this field report top-1 accuracy, and a few of them top-5. Mean class accuracy
    gives every class the same weight, so it differs from top-1 if classes differ in size, as in PKU-MMD.

    Args:
        scores: ``(n, c)``: logits, probabilities or votes.
        labels: True classes ``(n,)``, integers in 0..c-1.
        class_names: One name for each class. Default: their numbers.
        topk: The values of k of the accuracies, see :func:`accuracy`.
        votes: Whether classes with score 0 are left out of the ranking, see :func:`accuracy`.

    Returns:
        The :class:`ClassificationReport`. Shares are in [0, 1].

    Raises:
        TypeError: The scores are not floating-point, the labels not integers, or the names not strings.
        ValueError: The axes differ, there are no samples, a label is outside the classes, a score is not finite, a k is
            not in 1..c, or there are not c different names.
        ImportError: Scikit-learn is not installed.

    Example:
        >>> scores = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.3, 0.6, 0.1]])
        >>> report = classification_report(scores, torch.tensor([0, 0, 1]), class_names=["sit", "stand", "wave"])
        >>> report.mean_class_accuracy, report.classes[0].confused_with, report.absent_classes
        (0.75, 'stand', ('wave',))
    """
    shares = accuracy(scores, labels, topk=topk, votes=votes)
    n, c = scores.shape
    names = _checked_names(class_names, c)
    metrics = require("sklearn.metrics", extra="eval")
    predicted = scores.sort(dim=1, descending=True, stable=True).indices[:, 0].cpu().numpy()
    true, classes = labels.cpu().numpy(), list(range(c))
    matrix = metrics.confusion_matrix(true, predicted, labels=classes)
    by_class = metrics.precision_recall_fscore_support(
        true, predicted, labels=classes, average=None, zero_division=float("nan")
    )
    confusion = torch.as_tensor(matrix, dtype=torch.int64)
    rows = _class_metrics(confusion, *by_class[:3], names=names)
    recalls = [row.recall for row in rows if row.recall is not None]
    return ClassificationReport(n, shares, sum(recalls) / len(recalls), confusion, rows)


def _class_metrics(
    confusion: Tensor, precision: Sequence[float], recall: Sequence[float], f1: Sequence[float], *, names: Sequence[str]
) -> tuple[ClassMetrics, ...]:
    errors = confusion - torch.diag(confusion.diagonal())
    worst = errors.sort(dim=1, descending=True, stable=True)
    counts, predicted = confusion.sum(dim=1).tolist(), confusion.sum(dim=0).tolist()
    rows = []
    for i, name in enumerate(names):
        other, times = int(worst.indices[i, 0]), int(worst.values[i, 0])
        rows.append(
            ClassMetrics(
                name=name,
                count=counts[i],
                predicted=predicted[i],
                recall=_defined(recall[i]),
                precision=_defined(precision[i]),
                f1=_defined(f1[i]) if counts[i] else None,  # of a class without samples it would be 0, as for a bad one
                confused_with=names[other] if times else None,
                confused_count=times,
            )
        )
    return tuple(rows)


def _checked_names(names: Sequence[str] | None, c: int) -> list[str]:
    if names is None:
        return [str(i) for i in range(c)]
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"class_names: expected {c} strings, got {names!r}; convert each name with str")
    if len(names) != c:
        raise ValueError(
            f"class_names: expected {c} names, one for each column of scores, got {len(names)}; name every class"
        )
    if len(set(names)) != c:
        twice = sorted({name for name in names if list(names).count(name) > 1})
        raise ValueError(f"class_names: expected different names, got {', '.join(map(repr, twice))} more than once")
    return list(names)


def _defined(value: float) -> float | None:
    return None if value != value else float(value)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _cell(text: str) -> str:
    return escape(text, to="markdown")
