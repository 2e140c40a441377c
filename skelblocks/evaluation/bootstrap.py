"""The bootstrap: how much a result could differ on another test set of the same kind.

Axes: n samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.checks import check_integer, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.missing import refuse_missing

Values = Tensor | NDArray[Any] | Sequence[Any]

_CHUNK = 2**21  # numbers drawn at a time, 16 MiB of int64


class Interval(NamedTuple):
    """A mean and its confidence interval.

    Attributes:
        estimate: Mean of the samples.
        low: Lower end.
        high: Upper end.
    """

    estimate: float
    low: float
    high: float


class PairedInterval(NamedTuple):
    """The difference between two results on the same samples.

    Attributes:
        difference: Mean of a minus mean of b.
        low: Lower end of its confidence interval.
        high: Upper end.
        share_not_better: Fraction of the resamples in which a is not better than b; small if a is clearly better.
    """

    difference: float
    low: float
    high: float
    share_not_better: float


@explain_arguments
def bootstrap_interval(
    correct: Values, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0, groups: Values | None = None
) -> Interval:
    r"""Compute the percentile bootstrap interval of a mean over test samples, such as an accuracy.

    .. math:: \Big[\, Q_{(1 - l)/2}, \; Q_{(1 + l)/2} \,\Big] \quad \text{of the means} \quad
        \bar{x}^{(r)} = \frac{\sum_u w^{(r)}_u s_u}{\sum_u w^{(r)}_u n_u}, \qquad
        w^{(r)} \sim \operatorname{Multinomial}(U; 1/U, \dots, 1/U)

    Here :math:`s_u` and :math:`n_u` are the sum and the number of the samples of unit u, and U is the number of units.
    A unit is a sample, or, with ``groups``, all samples of a group. **Clips of one person are not independent**: if 20
    people perform every action, resampling clips gives an interval that is too narrow for other people. Pass the
    subjects as ``groups`` to resample whole people. With few people, even this interval is somewhat too narrow.

    The interval covers only the choice of the test set, not the seed of the training; for seeds see
    :func:`~skelblocks.evaluation.summarize_seeds`. If every sample is right, it has no width. No paper of this field
    gives intervals; the defaults are the usual ones.

    Args:
        correct: One number for each sample, ``(n,)``: whether it was classified right, or any finite metric of it.
        level: Level of confidence, in (0, 1).
        resamples: Number of resamples. With 10,000 the ends vary by about 1 % of the interval's width.
        seed: Seed of the draws; the same seed gives the same interval. No other generator is touched.
        groups: The group of each sample, ``(n,)``, integers or strings.

    Returns:
        The :class:`Interval`.

    Raises:
        TypeError: The values are not numbers, or ``resamples`` or ``seed`` is not an integer.
        ValueError: The axes differ, a number is missing or not finite, a group is missing, there are fewer than two
            units, or the level is outside (0, 1).

    Example:
        >>> correct = [True] * 80 + [False] * 20
        >>> estimate, low, high = bootstrap_interval(correct)
        >>> estimate, round(low, 2), round(high, 2)
        (0.8, 0.72, 0.88)
    """
    values, rounding = _checked(correct, name="correct")
    means, tails = _means(values, groups, level=level, resamples=resamples, seed=seed)
    estimate = float(values.mean())
    if np.ptp(values) <= rounding:
        return Interval(estimate, estimate, estimate)
    low, high = np.quantile(means, tails)
    return Interval(estimate, float(low), float(high))


@explain_arguments
def paired_bootstrap(
    correct_a: Values,
    correct_b: Values,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    groups: Values | None = None,
) -> PairedInterval:
    """Bootstrap the difference of two means over the same test samples, each resampled together with its pair.

    Two classifiers often fail on the same clips. So the interval of the difference is narrower than the intervals of
    the two accuracies suggest: these may overlap although the difference is clearly not 0. Differences within rounding
    count as 0.

    Args:
        correct_a: ``(n,)``, as in :func:`bootstrap_interval`.
        correct_b: ``(n,)``, of the same samples in the same order.
        level: Level of confidence, in (0, 1).
        resamples: Number of resamples.
        seed: Seed of the draws.
        groups: The group of each sample, ``(n,)``, integers or strings, resampled as a whole.

    Returns:
        The :class:`PairedInterval`.

    Raises:
        TypeError: As for :func:`bootstrap_interval`.
        ValueError: As for :func:`bootstrap_interval`; also if b has another number of samples than a.

    Example:
        >>> a = [True] * 90 + [False] * 10
        >>> b = [True] * 80 + [False] * 20
        >>> result = paired_bootstrap(a, b)
        >>> round(result.difference, 2), result.low > 0, result.share_not_better < 0.01
        (0.1, True, True)
    """
    a, rounding_a = _checked(correct_a, name="correct_a")
    b, rounding_b = _checked(correct_b, name="correct_b")
    if len(a) != len(b):
        raise ValueError(
            f"correct_b: expected the {len(a)} samples of correct_a, got {len(b)}; pass both results of the same clips"
        )
    rounding = max(rounding_a, rounding_b)
    difference = np.where(abs(a - b) <= rounding, 0.0, a - b)
    means, tails = _means(difference, groups, level=level, resamples=resamples, seed=seed)
    low, high = np.quantile(means, tails)
    return PairedInterval(float(difference.mean()), float(low), float(high), float((means <= rounding).mean()))


def _means(
    values: NDArray[np.float64], groups: Values | None, *, level: float, resamples: int, seed: int
) -> tuple[NDArray[np.float64], list[float]]:
    """The mean of each resample, and which quantiles of them to take."""
    check_probability(level, name="level")
    if level in (0, 1):
        raise ValueError(f"level: expected a number in (0, 1), got {level}; 0.95 is customary")
    check_integer(resamples, name="resamples")
    check_integer(seed, name="seed", least=0)
    sums, sizes = values, np.ones(len(values))
    if groups is not None:
        group_of = _as_array(groups, name="groups")
        if group_of.shape != values.shape:
            raise ValueError(
                f"groups: expected (n,) with n={len(values)}, one group for each sample, got shape {group_of.shape}"
            )
        _, index = np.unique(group_of, return_inverse=True)
        sums = np.bincount(index, weights=values).astype(np.float64)
        sizes = np.bincount(index).astype(np.float64)
    if len(sums) < 2:
        what = "samples" if groups is None else "groups"
        raise ValueError(f"{'correct' if groups is None else 'groups'}: expected at least 2 {what}, got {len(sums)}")
    # Units with the same sum and size are drawn as one, with their joint probability: two or three kinds where the
    # values are hits and misses, whatever n.
    kinds, times = np.unique(np.stack([sums, sizes], axis=1), axis=0, return_counts=True)
    draws = _draws(len(sums), times / len(sums), resamples=resamples, seed=seed)
    means = np.concatenate([(chunk @ kinds[:, 0]) / (chunk @ kinds[:, 1]) for chunk in draws])
    return means, [(1 - level) / 2, (1 + level) / 2]


def _draws(units: int, shares: NDArray[np.float64], *, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each kind of unit is in each resample, chunk by chunk."""
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(shares))
    for start in range(0, resamples, rows):
        yield rng.multinomial(units, shares, size=min(rows, resamples - start))


def _checked(values: Values, *, name: str) -> tuple[NDArray[np.float64], float]:
    """The values in float64, and below which difference they are the same up to rounding."""
    array = _as_array(values, name=name)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected booleans or numbers, got {array.dtype}; convert them with astype(float)")
    if array.ndim != 1:
        raise ValueError(f"{name}: expected 1 axis (n), got shape {array.shape}; pass one number for each sample")
    wide = array.astype(np.float64)
    if not np.isfinite(wide).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinite ones; leave these samples out")
    step = np.finfo(array.dtype).eps if array.dtype.kind == "f" else np.finfo(np.float64).eps
    return wide, 4 * float(step) * float(abs(wide).max(initial=0.0))


def _as_array(values: Values, *, name: str) -> NDArray[Any]:
    if isinstance(values, Tensor):
        held = values.detach().cpu()
        values = (held.float() if held.dtype == torch.bfloat16 else held).numpy()  # numpy has no bfloat16
    argument: object = values
    if isinstance(argument, str) or not isinstance(argument, Iterable):
        raise TypeError(
            f"{name}: expected one value for each sample, got {argument!r}; pass a list, an array or a tensor"
        )
    refuse_missing(values, name=name)
    try:
        return np.asarray(values)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"{name}: expected one value for each sample, got lists; flatten them") from error
