"""Linear evaluation: a linear classifier on frozen features.

Axes: n samples, d features, c classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from math import isfinite, log
from typing import Literal, NamedTuple, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks._utils.checks import (
    check_axes,
    check_choice,
    check_integer,
    check_integers,
    check_number,
    check_positive,
)
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.evaluation.accuracy import accuracy, check_class_numbers, check_features, check_labels

Selection: TypeAlias = Literal["last", "validation", "test"]
SELECTIONS: tuple[Selection, ...] = get_args(Selection)

_IN_WORDS: Mapping[Selection, str] = {
    "last": "last epoch",
    "validation": "best on the validation set",
    "test": "best on the test set",
}


class LinearProbeResult(NamedTuple):
    """Result of :func:`linear_probe`.

    Attributes:
        accuracy: Share of the test features that are classified correctly after the reported epoch, in [0, 1].
        logits: Test scores ``(n, c)``, for instance for the fusion of several streams.
        head: The classifier, for features as they were passed in.
        history: Mean training loss of each epoch.
        epoch: The reported epoch, counted from 1.
        selected: How it was chosen, in words: ``"last epoch"``, ``"best on the validation set"`` or ``"best on the test
            set"``.
        curves: For ``"validation"`` and ``"test"``, the epochs that were tested and the accuracy after each.
    """

    accuracy: float
    logits: Tensor
    head: nn.Linear
    history: tuple[float, ...]
    epoch: int
    selected: str
    curves: Mapping[str, tuple[tuple[int, float], ...]]


@explain_arguments
def linear_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    validation: tuple[Tensor, Tensor] | None = None,
    select: Selection = "last",
    evaluate_every: int = 5,
    epochs: int = 100,
    learning_rate: float = 3.0,
    milestones: Sequence[int] = (80,),
    gamma: float = 0.1,
    batch_size: int = 128,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    standardize: bool = False,
    num_classes: int | None = None,
    generator: torch.Generator | None = None,
) -> LinearProbeResult:
    """Train a linear layer with cross-entropy and SGD on features that do not change, and test it once, at the end.

    The defaults come from SkeletonCLR, CrosSCLR, AimCLR, MsMCLR and HiCLR: weights drawn from N(0, 0.02), biases zero,
    an incomplete last batch left out. **The released code** tests every five epochs and reports the best result, which
    selects on the test set. This function reports the last epoch, or the best with ``select="test"``. The released code
    freezes the encoder in evaluation mode too, so training on features that were extracted once is the same.

    Args:
        train_features: ``(n, d)``, un-normalized, see :func:`~skelblocks.evaluation.extract_features`.
        train_labels: ``(n,)``, integers from 0.
        test_features: ``(n, d)``, for another n.
        test_labels: ``(n,)``.
        validation: Features ``(n, d)`` and labels ``(n,)``, neither trained nor tested on.
        select: Which epoch to report: the ``"last"``, the best on ``"validation"``, or the best on ``"test"``, which is
            more than an honest choice gives. Of equally good epochs the later one counts, as in the released code.
        evaluate_every: Epochs between two tests on the validation set, or with ``select="test"`` on the test set. The
            last epoch is always tested. 5 in the released code.
        epochs: Number of epochs; 150 in the released configurations of SkeleMixCLR and SkeAttnCLR, whose paper prints
            100.
        learning_rate: Learning rate. 3 suits the features of an ST-GCN with 256 channels. If features have a larger
            scale, the loss grows, and a warning says so: lower the rate, or set ``standardize``.
        milestones: After how many epochs the learning rate is multiplied by ``gamma``.
        gamma: Factor of the learning rate at each milestone.
        batch_size: Features per batch. If there are fewer, they form one batch.
        momentum: Momentum of SGD.
        weight_decay: Weight decay of SGD.
        standardize: Whether to shift and scale every feature to mean 0 and deviation 1 over the training set first; not
            done in the papers. A feature that is constant up to rounding is only shifted. Standardize to compare with
            an untrained encoder: its features are too small for the default learning rate.
        num_classes: Default: one more than the highest label.
        generator: Source of randomness for the initial weights and the order of the batches. Default: torch's global
            generator.

    Returns:
        The :class:`LinearProbeResult`, on the device of the training features.

    Raises:
        TypeError: The features are not floating-point, or labels, epochs, milestones or the batch size are not
            integers.
        ValueError: The axes differ, features are not finite, labels are outside the classes, an option is out of
            range, ``select`` is unknown or needs a validation set and has none, or the loss becomes infinite or NaN.

    Example:
        >>> features, labels = torch.randn(64, 8), torch.arange(64) % 2
        >>> features[:, 0] = labels * 4.0
        >>> result = linear_probe(features, labels, features, labels, epochs=10, learning_rate=0.5)
        >>> result.accuracy, result.head
        (1.0, Linear(in_features=8, out_features=2, bias=True))
        >>> linear_probe(features, labels, features, labels, epochs=10, select="test").selected
        'best on the test set'
    """
    if validation is not None:
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise TypeError(
                f"validation: expected a pair (features, labels), got {type(validation).__name__}; pass both tensors"
            )
        held_out = {"validation": validation, "test": (test_features, test_labels)}
    else:
        held_out = {"test": (test_features, test_labels)}
    sets = {"train": (train_features, train_labels), **held_out}
    _check_sets(sets, num_classes)
    for name, number in (("epochs", epochs), ("batch_size", batch_size), ("evaluate_every", evaluate_every)):
        check_integer(number, name=name)
    check_positive(learning_rate, name="learning_rate")
    for name, value in (("gamma", gamma), ("momentum", momentum), ("weight_decay", weight_decay)):
        check_number(value, name=name)
    if milestones != ():
        check_integers(milestones, name="milestones", least=0)
    check_choice(select, SELECTIONS, name="select")
    if select == "validation" and validation is None:
        raise ValueError(
            "select: 'validation' needs validation=(features, labels), got none; pass them, or select='last'"
        )

    device, dtype = train_features.device, torch.promote_types(train_features.dtype, torch.float32)
    classes = max(int(labels.max()) for _, labels in sets.values()) + 1 if num_classes is None else num_classes
    x, y = train_features.detach().to(dtype), train_labels.to(device, torch.int64)
    scaling = _standardization(x, rounding=torch.finfo(train_features.dtype).eps) if standardize else None
    choice = _Choice(
        {part: (a.detach().to(device, dtype), b.to(device)) for part, (a, b) in held_out.items()}, select, scaling
    )
    history = []
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        optimizer = _SGD(learning_rate, tuple(milestones), gamma, batch_size, momentum, weight_decay)
        fit = _fit(x, y, classes, scaling=scaling, optimizer=optimizer, generator=generator)
        for epoch, (loss, weight) in enumerate(islice(fit, epochs), start=1):
            history.append(loss)
            if epoch % evaluate_every == 0 or epoch == epochs:
                choice.look(epoch, weight)
        _warn_of_divergence(history[choice.epoch - 1], choice.epoch, classes=classes, learning_rate=learning_rate)
        return choice.report(tuple(history))


def _warn_of_divergence(loss: float, epoch: int, *, classes: int, learning_rate: float) -> None:
    """Warn if the loss is a tenth above the loss of equal scores for all classes, which weights of zero would reach."""
    if loss <= 1.1 * log(max(classes, 2)):
        return
    warnings.warn(
        f"learning_rate: with {learning_rate:g} the probe does not converge: in epoch {epoch} the training loss is "
        f"{loss:.3g}, and without any features it would be {log(classes):.3g}; lower learning_rate, or pass "
        "standardize=True (--evaluate.probe standardized)",
        UserWarning,
        stacklevel=3,
    )


def _check_sets(sets: Mapping[str, tuple[Tensor, Tensor]], num_classes: int | None) -> None:
    check_axes(sets["train"][0], "n d", name="train_features")
    if num_classes is not None:
        check_integer(num_classes, name="num_classes")
    for part, (features, labels) in sets.items():
        check_features(features, "n d", name=f"{part}_features", d=sets["train"][0].shape[1])
        check_labels(labels, name=f"{part}_labels", n=len(features), num_classes=num_classes)
        if num_classes is None:
            check_class_numbers(labels, name=f"{part}_labels")


def _standardization(x: Tensor, *, rounding: float) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature; a deviation within rounding becomes 1, as the feature is a constant."""
    mean, deviation = x.mean(dim=0), x.std(dim=0, correction=0)
    step = max(rounding, 4 * torch.finfo(x.dtype).eps)
    return mean, deviation.where(deviation > step * x.abs().amax(dim=0), 1)


class _SGD(NamedTuple):
    learning_rate: float
    milestones: tuple[int, ...]
    gamma: float
    batch_size: int
    momentum: float
    weight_decay: float

    def rate(self, epoch: int) -> float:
        return self.learning_rate * self.gamma ** sum(epoch > milestone for milestone in self.milestones)


def _fit(
    x: Tensor,
    y: Tensor,
    classes: int,
    *,
    scaling: tuple[Tensor, Tensor] | None,
    optimizer: _SGD,
    generator: torch.Generator | None,
) -> Iterator[tuple[float, Tensor]]:
    """Train epoch by epoch, without end; the mean loss of each, and the weight, which the next one changes in place."""
    source = generator.device if generator is not None else torch.device("cpu")
    weight = torch.empty(classes, x.shape[1], dtype=x.dtype, device=source).normal_(0, 0.02, generator=generator)
    if scaling is not None:
        x = (x - scaling[0]) / scaling[1]
    x, y = F.pad(x, (0, 1), value=1.0), y[:, None]  # the bias is the weight of a feature that is always 1
    weight = F.pad(weight.to(x.device), (0, 1))
    velocity = torch.zeros_like(weight)
    for epoch in count(1):
        order = torch.randperm(len(x), generator=generator, device=source).to(x.device)
        loss = _train_epoch(x[order], y[order], weight, velocity, optimizer=optimizer, rate=optimizer.rate(epoch))
        if not isfinite(loss):
            raise ValueError(
                f"learning_rate: with {optimizer.learning_rate} the loss is {loss} in epoch {epoch}; lower it, or pass "
                "standardize=True, and see that the features are finite"
            )
        yield loss, weight


def _train_epoch(x: Tensor, y: Tensor, weight: Tensor, velocity: Tensor, *, optimizer: _SGD, rate: float) -> float:
    """Go once through the features, in their order, and change the weight and its velocity in place; the mean loss.

    The gradient of cross-entropy is written out, ``(softmax - onehot)^T x / n``: for a layer this small autograd and an
    optimizer cost several times the arithmetic.
    """
    size = min(optimizer.batch_size, len(x))
    whole = len(x) - len(x) % size
    chances = x.new_empty(whole, 1)
    minus_one = x.new_full((size, 1), -1)
    batches = (torch.split(part, size) for part in (x[:whole], y[:whole], chances))
    for rows, labels, chance in zip(*batches, strict=True):
        scores = torch.log_softmax(rows @ weight.T, dim=1)
        torch.gather(scores, 1, labels, out=chance)
        gradient = scores.exp_().scatter_add_(1, labels, minus_one)
        torch.addmm(velocity, gradient.T, rows, beta=optimizer.momentum, alpha=1 / size, out=velocity)
        if optimizer.weight_decay:
            velocity.add_(weight, alpha=optimizer.weight_decay)
        weight.sub_(velocity, alpha=rate)
    return -chances.mean().item()


class _Choice:
    """The epoch that is reported: what was seen of each, and the weights of the best so far."""

    def __init__(
        self, sets: Mapping[str, tuple[Tensor, Tensor]], select: Selection, scaling: tuple[Tensor, Tensor] | None
    ) -> None:
        self.sets, self.select, self.scaling = sets, select, scaling
        self.curves: dict[str, list[tuple[int, float]]] = {part: [] for part in sets}
        self.best, self.epoch = -1.0, 0

    def look(self, epoch: int, weight: Tensor) -> None:
        """Evaluate the held-out sets that may be looked at, and keep the weights if they are the best so far."""
        for part, curve in self.curves.items():
            if part == "validation" or self.select == "test":
                features, labels = self.sets[part]
                scores = F.linear(features, *_of_raw_features(weight, self.scaling))
                curve.append((epoch, accuracy(scores, labels, topk=(1,))[1]))
        result = float(epoch) if self.select == "last" else self.curves[self.select][-1][1]
        if result >= self.best:  # of equals the later, as in the released code
            self.best, self.epoch, self.weight = result, epoch, weight.clone()

    def report(self, history: tuple[float, ...]) -> LinearProbeResult:
        """Test the weights that were kept."""
        weight, bias = _of_raw_features(self.weight, self.scaling)
        classes, d = weight.shape
        head = nn.Linear(d, classes, dtype=weight.dtype, device="meta")  # draws no random numbers
        head = head.to_empty(device=weight.device)
        head.weight.copy_(weight)
        head.bias.copy_(bias)
        features, labels = self.sets["test"]
        logits = head(features)
        found = accuracy(logits, labels, topk=(1,))[1]
        if self.select != "test":
            self.curves["test"].append((self.epoch, found))
        curves = {part: tuple(curve) for part, curve in self.curves.items()}
        return LinearProbeResult(found, logits, head, history, self.epoch, _IN_WORDS[self.select], curves)


def _of_raw_features(weight: Tensor, scaling: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """Weight and bias for features as they were before they were standardized."""
    if scaling is None:
        return weight[:, :-1], weight[:, -1]
    mean, deviation = scaling
    raw = weight[:, :-1] / deviation
    return raw, weight[:, -1] - raw @ mean
