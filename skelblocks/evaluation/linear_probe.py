"""Linear evaluation: a linear classifier on frozen features.

Axes: n samples, d features, c classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks._utils.checks import check_axes, check_choice, check_floating, check_integer, check_positive
from skelblocks.evaluation.accuracy import accuracy, check_labels

_SELECTED = {
    "last": "last epoch",
    "validation": "best on the validation set",
    "test": "best on the test set",
}


class LinearProbeResult(NamedTuple):
    """What a linear probe found.

    Attributes:
        accuracy: Share of the test features classified right after the epoch taken, in [0, 1].
        logits: Test scores ``(n, c)``, for instance for the fusion of several streams.
        head: The classifier, for features as they were passed in.
        history: Mean training loss of each epoch.
        epoch: The epoch taken, counted from 1.
        selected: How it was chosen, in words: ``"last epoch"``, ``"best on the validation set"`` or ``"best on the test
            set"``.
        curves: For ``"validation"`` and ``"test"``, the epochs looked at and the accuracy after each.
    """

    accuracy: float
    logits: Tensor
    head: nn.Linear
    history: tuple[float, ...]
    epoch: int
    selected: str
    curves: Mapping[str, tuple[tuple[int, float], ...]]


def linear_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    validation: tuple[Tensor, Tensor] | None = None,
    select: str = "last",
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

    The defaults are those of SkeletonCLR, CrosSCLR, AimCLR, MsMCLR and HiCLR: weights drawn from N(0, 0.02), biases
    zero, an incomplete last batch left out. **The released codes** test every five epochs and report the best test
    result, which selects on the test set; this reports the last epoch's, and theirs with ``select="test"``. The encoder
    is frozen there too, in evaluation mode, so that training on features extracted once is the same thing.

    Args:
        train_features: ``(n, d)``, un-normalised, see :func:`~skelblocks.evaluation.extract_features`.
        train_labels: ``(n,)``, integers from 0.
        test_features: ``(n, d)``, for another n.
        test_labels: ``(n,)``.
        validation: Features ``(n, d)`` and labels ``(n,)``, neither trained nor tested on.
        select: Which epoch to report: the ``"last"``, the best on ``"validation"``, or the best on ``"test"``, an upper
            bound on what an honest choice gives and no estimate of it. Of equals the later, as in the released code.
        evaluate_every: Epochs between two looks at the validation set, and with ``select="test"`` at the test set; the
            last epoch is looked at too. 5 in the released code.
        epochs: 100; 150 in the released configurations of SkeleMixCLR and SkeAttnCLR, whose paper prints 100.
        learning_rate: 3 for features of ST-GCN with 256 channels. Of features with a larger scale it makes the loss
            explode: lower it, or set ``standardize``.
        milestones: After how many epochs the learning rate is multiplied by ``gamma``.
        gamma: 0.1.
        batch_size: 128. Fewer training features make one batch.
        momentum: 0.9.
        weight_decay: 0.
        standardize: Whether to shift and scale every feature to mean 0 and deviation 1 over the training set first; not
            done in the papers. It is needed to be fair to an untrained encoder, whose features are too small for the
            default learning rate to move anything.
        num_classes: Default: one more than the highest label.
        generator: For the first weights and the order of the batches. Default: the global one.

    Returns:
        The :class:`LinearProbeResult`, on the device of the training features.

    Raises:
        TypeError: features that are not floating-point; labels, epochs or a batch size that are not integers.
        ValueError: other axes, labels outside the classes, an unknown ``select``, one that needs a validation set and
            has none, or a loss that is no longer finite.

    Example:
        >>> features, labels = torch.randn(64, 8), torch.arange(64) % 2
        >>> features[:, 0] = labels * 4.0
        >>> result = linear_probe(features, labels, features, labels, epochs=10, learning_rate=0.5)
        >>> result.accuracy, result.head
        (1.0, Linear(in_features=8, out_features=2, bias=True))
        >>> linear_probe(features, labels, features, labels, epochs=10, select="test").selected
        'best on the test set'
    """
    sets = {"train": (train_features, train_labels), "test": (test_features, test_labels)}
    if validation is not None:
        sets["validation"] = validation
    check_axes(train_features, "n d", name="train_features")
    d = train_features.shape[1]
    for part, (features, labels) in sets.items():
        check_axes(features, "n d", name=f"{part}_features", d=d)
        check_floating(features, name=f"{part}_features")
        if not features.isfinite().all():
            raise ValueError(f"{part}_features: expected finite numbers, got NaN or infinite ones")
        check_labels(labels, name=f"{part}_labels", n=len(features), num_classes=num_classes)
    check_positive(learning_rate, name="learning_rate")
    for name, number in (("epochs", epochs), ("batch_size", batch_size), ("evaluate_every", evaluate_every)):
        check_integer(number, name=name)
    check_choice(select, _SELECTED, name="select")
    if select == "validation" and validation is None:
        raise ValueError("select: 'validation' needs validation=(features, labels); got none")

    device, dtype = train_features.device, torch.promote_types(train_features.dtype, torch.float32)
    classes = num_classes or max(int(labels.max()) for _, labels in sets.values()) + 1
    x, y = train_features.detach().to(dtype), train_labels.to(device, torch.int64)[:, None]
    held_out = {part: (a.detach().to(device, dtype), b.to(device)) for part, (a, b) in sets.items() if part != "train"}
    mean, deviation = x.new_zeros(d), x.new_ones(d)
    if standardize:
        mean, deviation = x.mean(dim=0), x.std(dim=0, correction=0)
        deviation = deviation.where(deviation > 0, 1)
        x = (x - mean) / deviation

    source = generator.device if generator is not None else torch.device("cpu")
    weight = torch.empty(classes, d, dtype=dtype, device=source).normal_(0, 0.02, generator=generator).to(device)
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        x = F.pad(x, (0, 1), value=1.0)  # the bias is the weight of a feature that is always 1
        weight = F.pad(weight, (0, 1))
        velocity = torch.zeros_like(weight)
        history: list[float] = []
        curves: dict[str, list[tuple[int, float]]] = {part: [] for part in ("validation", "test") if part in sets}
        best = -1.0
        for epoch in range(1, epochs + 1):
            order = torch.randperm(len(x), generator=generator, device=source).to(device)
            rate = learning_rate * gamma ** sum(epoch > milestone for milestone in milestones)
            loss = _train_epoch(
                x[order], y[order], weight, velocity, size=batch_size, rate=rate, momentum=momentum, decay=weight_decay
            )
            history.append(loss)
            if not torch.tensor(loss).isfinite():
                raise ValueError(
                    f"learning_rate: with {learning_rate} the loss is {loss} in epoch {epoch}; lower it, or pass "
                    "standardize=True, and see that the features are finite"
                )
            if epoch % evaluate_every == 0 or epoch == epochs:
                for part, curve in curves.items():
                    if part == "validation" or select == "test":
                        scores = F.linear(held_out[part][0], *_of_raw_features(weight, mean, deviation))
                        curve.append((epoch, accuracy(scores, held_out[part][1], topk=(1,))[1]))
                result = curves[select][-1][1] if select in curves else float(epoch)
                if result >= best:
                    best, taken, chosen = result, epoch, weight.clone()

        head = nn.Linear(d, classes, dtype=dtype, device="meta").to_empty(device=device)  # draws no random numbers
        for parameter, value in zip(head.parameters(), _of_raw_features(chosen, mean, deviation), strict=True):
            parameter.copy_(value)
        logits = head(held_out["test"][0])
    found = accuracy(logits, held_out["test"][1], topk=(1,))[1]
    if select != "test":
        curves["test"].append((taken, found))
    return LinearProbeResult(
        found, logits, head, tuple(history), taken, _SELECTED[select], {part: tuple(c) for part, c in curves.items()}
    )


def _train_epoch(
    x: Tensor, y: Tensor, weight: Tensor, velocity: Tensor, *, size: int, rate: float, momentum: float, decay: float
) -> float:
    """Go once through the features, in their order, and change the weight and its velocity in place; the mean loss.

    The gradient of cross-entropy is written out, ``(softmax - onehot)^T x / n``: for a layer this small autograd and an
    optimizer cost several times the arithmetic.
    """
    size = min(size, len(x))
    whole = len(x) - len(x) % size
    chances = x.new_empty(whole, 1)
    minus_one = x.new_full((size, 1), -1)
    batches = (torch.split(part, size) for part in (x[:whole], y[:whole], chances))
    for rows, labels, chance in zip(*batches, strict=True):
        scores = torch.log_softmax(rows @ weight.T, dim=1)
        torch.gather(scores, 1, labels, out=chance)
        gradient = scores.exp_().scatter_add_(1, labels, minus_one)
        torch.addmm(velocity, gradient.T, rows, beta=momentum, alpha=1 / size, out=velocity)
        if decay:
            velocity.add_(weight, alpha=decay)
        weight.sub_(velocity, alpha=rate)
    return -chances.mean().item()


def _of_raw_features(weight: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias for features as they were before they were standardized."""
    raw = weight[:, :-1] / deviation
    return raw, weight[:, -1] - raw @ mean
