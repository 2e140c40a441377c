"""Ridge regression on frozen features: one probe that is fair to features of any kind and size.

Axes: n samples, d features, c classes, r directions of the training features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_floating, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.missing import refuse_missing
from skelblocks.evaluation.accuracy import accuracy, check_class_numbers, check_labels
from skelblocks.evaluation.softmax_temperature import softmax_temperature

CONSTANTS = tuple(float(value) for value in np.logspace(-3, 5, 15))


class RidgeProbeResult(NamedTuple):
    """Result of :func:`ridge_probe`.

    Attributes:
        accuracy: Share of the test features that are classified correctly, in [0, 1].
        logits: Test scores ``(n, c)``, float32: near 1 for the class, near -1 for the others.
        head: The classifier, for features as they were passed in.
        constant: The regularization that cross-validation chose.
        temperature: ``softmax(logits / temperature)`` are probabilities, fitted to the held-out training clips, see
            :func:`~skelblocks.evaluation.softmax_temperature`.
        validation: The cross-validated score of each constant: the accuracy over held-out groups, or without groups,
            the negative mean squared error.
    """

    accuracy: float
    logits: Tensor
    head: nn.Linear
    constant: float
    temperature: float
    validation: dict[float, float]


@explain_arguments
def ridge_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    groups: ArrayLike | None = None,
    folds: int = 5,
    constants: Sequence[float] = CONSTANTS,
    num_classes: int | None = None,
) -> RidgeProbeResult:
    """Fit a ridge classifier to standardized features; cross-validation on the training clips chooses its constant.

    It has no learning rate and no epochs, and the constant adapts to the number and the scale of the features. So use
    it to compare encoders, raw coordinates and random convolutions with each other: with a fixed constant, their order
    can change. Every class is a regression onto 1 and -1, as in ``sklearn.linear_model.RidgeClassifierCV``, with which
    it agrees.

    Args:
        train_features: ``(n, d)``.
        train_labels: ``(n,)``, integers from 0.
        test_features: ``(n, d)``, for another n.
        test_labels: ``(n,)``.
        groups: The subject of each training clip, ``(n,)``. Whole groups are then held out together, and the constant
            with the best accuracy on them is chosen (of equally good ones, the largest). By default single clips are
            held out, by the formula for leave-one-out, and the constant with the smallest squared error is chosen.
        folds: Number of parts into which the groups are divided, at most the number of groups.
        constants: The values to choose from; 15 from 0.001 to 100,000 by default.
        num_classes: By default one more than the highest label.

    Returns:
        The :class:`RidgeProbeResult`, on the CPU. The computation is in float64 on the CPU, whatever the device of the
        features.

    Raises:
        TypeError: If features are not floating-point, or labels not integers.
        ValueError: For wrong axes, features that are not finite, labels outside the classes, constants that are not
            above 0, or fewer than two groups.

    Example:
        >>> features, labels = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 2
        >>> features[:, 0] += labels * 9.0
        >>> result = ridge_probe(features, labels, features, labels, groups=torch.arange(64) // 8)
        >>> result.accuracy, result.head
        (1.0, Linear(in_features=8, out_features=2, bias=True))
    """
    _check(train_features, train_labels, test_features, test_labels, num_classes)
    check_integer(folds, name="folds", least=2)
    chosen = sorted(float(constant) for constant in constants)
    if not chosen or not chosen[0] > 0 or not np.isfinite(chosen).all():
        raise ValueError(f"constants: expected numbers above 0, got {list(constants)}")
    x = train_features.detach().cpu().double()
    labels = train_labels.cpu().long()
    classes = int(max(train_labels.max(), test_labels.max())) + 1 if num_classes is None else num_classes
    targets = torch.full((len(x), classes), -1.0, dtype=torch.float64)
    targets[torch.arange(len(x)), labels] = 1.0
    fit = _Fit(x, targets)
    if groups is None:
        held_out = _leave_one_out(fit, chosen)
        validation = {each: -float((targets - held_out[each]).square().mean()) for each in chosen}
    else:
        held_out = _leave_groups_out(x, targets, _fold_of(groups, n=len(x), folds=folds), chosen)
        validation = {each: float((held_out[each].argmax(dim=1) == labels).double().mean()) for each in chosen}
    constant = max(chosen, key=lambda each: (validation[each], each))
    head = fit.head(constant)
    logits = head(test_features.detach().cpu().double()).detach().float()
    share = accuracy(logits, test_labels.cpu(), topk=(1,))[1]
    temperature = softmax_temperature(held_out[constant], labels)
    return RidgeProbeResult(share, logits, head.float(), constant, temperature, validation)


class _Fit:
    """Ridge regression for any constant, from one decomposition of the standardized training features."""

    def __init__(self, x: Tensor, targets: Tensor) -> None:
        self.mean = x.mean(dim=0)
        deviation = x.std(dim=0, correction=0)
        rounding = torch.finfo(torch.float32).eps * x.abs().amax(dim=0)
        self.deviation = deviation.where(deviation > rounding, torch.inf)  # a constant feature says nothing
        self.offset = targets.mean(dim=0)
        self.targets = targets
        z = self.standardized(x)
        dual = len(z) <= z.shape[1]
        values, vectors = torch.linalg.eigh(z @ z.T if dual else z.T @ z)
        self.values = values.clamp(min=0)
        # A prediction is `standardized @ basis / (values + constant) @ responses`.
        self.basis = z.T @ vectors if dual else vectors  # (d, r)
        self.onto = vectors.T if dual else vectors.T @ z.T  # (r, n)
        self.responses = self.onto @ (targets - self.offset)  # (r, c)
        self.scores = z @ self.basis  # (n, r)

    def standardized(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation

    def predict(self, x: Tensor, constants: Sequence[float]) -> list[Tensor]:
        scores = self.standardized(x) @ self.basis
        return [scores / (self.values + constant) @ self.responses + self.offset for constant in constants]

    def head(self, constant: float) -> nn.Linear:
        weight = (self.basis / (self.values + constant) @ self.responses) / self.deviation[:, None]
        head = nn.Linear(weight.shape[0], weight.shape[1], device="meta", dtype=torch.float64).to_empty(device="cpu")
        with torch.no_grad():
            head.weight.copy_(weight.T)
            head.bias.copy_(self.offset - self.mean @ weight)
        return head


def _leave_one_out(fit: _Fit, constants: Sequence[float]) -> dict[float, Tensor]:
    """The prediction ``(n, c)`` of each clip by the other clips, in closed form."""
    n = len(fit.targets)
    predictions = {}
    for constant in constants:
        shrunk = fit.scores / (fit.values + constant)
        leverage = (shrunk * fit.onto.T).sum(dim=1) + 1 / n
        residual = (fit.targets - fit.offset - shrunk @ fit.responses) / (1 - leverage).clamp(min=1e-12)[:, None]
        predictions[constant] = fit.targets - residual
    return predictions


def _leave_groups_out(
    x: Tensor, targets: Tensor, fold: NDArray[np.int64], constants: Sequence[float]
) -> dict[float, Tensor]:
    """The prediction ``(n, c)`` of each clip by the clips of other groups."""
    predictions = {constant: torch.empty_like(targets) for constant in constants}
    for held in range(int(fold.max()) + 1):
        out = torch.from_numpy(fold == held)
        for constant, predicted in zip(constants, _Fit(x[~out], targets[~out]).predict(x[out], constants), strict=True):
            predictions[constant][out] = predicted
    return predictions


def _fold_of(groups: ArrayLike, *, n: int, folds: int) -> NDArray[np.int64]:
    """The fold of each clip: groups are dealt out from the largest to the smallest, each to the emptiest fold."""
    refuse_missing(groups.detach().cpu().numpy() if isinstance(groups, Tensor) else groups, name="groups")
    values: NDArray[Any] = np.asarray(groups)
    if values.shape != (n,):
        raise ValueError(f"groups: expected one for each of the {n} training clips, got shape {values.shape}")
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise ValueError("groups: expected at least two, got one; leave groups out, and single clips are held out")
    filled = np.zeros(min(folds, len(counts)), dtype=np.int64)
    fold_of_group = np.empty(len(counts), dtype=np.int64)
    for group in np.argsort(-counts, kind="stable"):
        fold_of_group[group] = filled.argmin()
        filled[fold_of_group[group]] += counts[group]
    return fold_of_group[place]


def _check(
    train_features: Tensor, train_labels: Tensor, test_features: Tensor, test_labels: Tensor, num_classes: int | None
) -> None:
    check_axes(train_features, "n d", name="train_features")
    check_axes(test_features, "n d", name="test_features", d=train_features.shape[1])
    for name, features, labels in (
        ("train", train_features, train_labels),
        ("test", test_features, test_labels),
    ):
        check_floating(features, name=f"{name}_features")
        if not bool(features.isfinite().all()):
            raise ValueError(f"{name}_features: expected finite numbers, got NaN or infinite ones; look for bad clips")
        check_labels(labels, name=f"{name}_labels", n=len(features), num_classes=num_classes)
        if num_classes is None:
            check_class_numbers(labels, name=f"{name}_labels")
