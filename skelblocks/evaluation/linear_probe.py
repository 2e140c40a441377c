"""Linear evaluation: a linear classifier on frozen features.

Axes: n samples, d features, c classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks._utils.checks import check_axes, check_floating, check_positive
from skelblocks.evaluation.accuracy import accuracy, check_labels


class LinearProbeResult(NamedTuple):
    """What a linear probe found.

    Attributes:
        accuracy: Share of the test features classified right after the last epoch, in [0, 1].
        logits: Test scores ``(n, c)``, for instance for the fusion of several streams.
        head: The classifier, for features as they were passed in.
        history: Mean training loss of each epoch.
    """

    accuracy: float
    logits: Tensor
    head: nn.Linear
    history: tuple[float, ...]


def linear_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
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
    result, which selects on the test set; this reports the last epoch's. The encoder is frozen there too, in evaluation
    mode, so that training on features extracted once is the same thing.

    Args:
        train_features: ``(n, d)``, un-normalised, see :func:`~skelblocks.evaluation.extract_features`.
        train_labels: ``(n,)``, integers from 0.
        test_features: ``(n, d)``, for another n.
        test_labels: ``(n,)``.
        epochs: 100; 150 in SkeleMixCLR and SkeAttnCLR.
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
        TypeError: features that are not floating-point, labels that are not integers.
        ValueError: other axes, labels outside the classes, or a loss that is no longer finite.

    Example:
        >>> features, labels = torch.randn(64, 8), torch.arange(64) % 2
        >>> features[:, 0] = labels * 4.0
        >>> result = linear_probe(features, labels, features, labels, epochs=10, learning_rate=0.5)
        >>> result.accuracy, result.head
        (1.0, Linear(in_features=8, out_features=2, bias=True))
    """
    check_axes(train_features, "n d", name="train_features")
    n, d = train_features.shape
    check_axes(test_features, "n d", name="test_features", d=d)
    for name, features in (("train_features", train_features), ("test_features", test_features)):
        check_floating(features, name=name)
    check_labels(train_labels, name="train_labels", n=n, num_classes=num_classes)
    check_labels(test_labels, name="test_labels", n=len(test_features), num_classes=num_classes)
    for name, number in (("epochs", epochs), ("learning_rate", learning_rate), ("batch_size", batch_size)):
        check_positive(number, name=name)
    device, dtype = train_features.device, torch.promote_types(train_features.dtype, torch.float32)
    classes = num_classes or int(max(train_labels.max(), test_labels.max().to(device))) + 1
    x, y = train_features.detach().to(dtype), train_labels.to(torch.int64).to(device)
    mean, deviation = x.new_zeros(d), x.new_ones(d)
    if standardize:
        mean, deviation = x.mean(dim=0), x.std(dim=0, correction=0)
        deviation = deviation.where(deviation > 0, 1)
        x = (x - mean) / deviation

    source = generator.device if generator is not None else torch.device("cpu")
    weight = torch.empty(classes, d, dtype=dtype, device=source).normal_(0, 0.02, generator=generator).to(device)
    weight.requires_grad_()
    bias = torch.zeros(classes, dtype=dtype, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([weight, bias], lr=learning_rate, momentum=momentum, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(milestones), gamma)
    size = min(batch_size, n)
    history = []
    with torch.enable_grad(), torch.autocast(device.type, enabled=False):
        for epoch in range(epochs):
            order = torch.randperm(n, generator=generator, device=source).to(device)
            losses = []
            for rows in torch.split(order[: n - n % size], size):
                loss = F.cross_entropy(F.linear(x[rows], weight, bias), y[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                losses.append(loss.detach())
            schedule.step()
            history.append(torch.stack(losses).mean().item())
            if not torch.tensor(history[-1]).isfinite():
                raise ValueError(
                    f"learning_rate: with {learning_rate} the loss is {history[-1]} in epoch {epoch + 1}; lower it, or "
                    "pass standardize=True, and see that the features are finite"
                )

    head = nn.Linear(d, classes, dtype=dtype, device="meta").to_empty(device=device)  # draws no random numbers
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        head.weight.copy_(weight / deviation)
        head.bias.copy_(bias - head.weight @ mean)
        logits = head(test_features.to(device=device, dtype=dtype))
    return LinearProbeResult(accuracy(logits, test_labels, topk=(1,))[1], logits, head, tuple(history))
