"""One metric over several runs that differ in their seed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from numbers import Real
from sys import float_info
from typing import Any, overload


@dataclass(frozen=True)
class SeedSummary:
    """A metric over several runs; ``str`` writes it as papers do, ``format`` with the digits that you ask for.

    Attributes:
        mean: Mean of the runs.
        std: Sample standard deviation, with n - 1 in the denominator; None for one run.
        n: Number of runs.
        min: Lowest value.
        max: Highest value.

    Example:
        >>> summary = SeedSummary(mean=0.6704, std=0.0121, n=3, min=0.657, max=0.68)
        >>> print(f"{summary:.1%}")
        67.0% ± 1.2% (n = 3)
    """

    mean: float
    std: float | None
    n: int
    min: float
    max: float

    def __format__(self, spec: str) -> str:
        spec = spec or ".1f"
        spread = "" if self.std is None else f" ± {self.std:{spec}}"
        return f"{self.mean:{spec}}{spread} (n = {self.n})"

    def __str__(self) -> str:
        return format(self, "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, and None for the deviation of one run, for a JSON file."""
        return asdict(self)


@overload
def summarize_seeds(values: Sequence[float]) -> SeedSummary: ...
@overload
def summarize_seeds(values: Sequence[Mapping[str, float]]) -> dict[str, SeedSummary]: ...
def summarize_seeds(
    values: Sequence[float] | Sequence[Mapping[str, float]],
) -> SeedSummary | dict[str, SeedSummary]:
    r"""Compute mean and sample standard deviation of a metric over runs, or of each of several metrics.

    .. math:: \bar{x} = \frac{1}{n} \sum_i x_i, \qquad s = \sqrt{\frac{1}{n - 1} \sum_i (x_i - \bar{x})^2}

    The deviation describes single runs. It does not shrink with n and is not a confidence interval of the mean. From
    three runs it is a rough estimate, so print n with it, as ``str`` does. The papers of this field report one run. For
    the uncertainty from the choice of test clips, see :func:`~skelblocks.evaluation.bootstrap_interval`.

    Args:
        values: One number for each run, or one dict of metrics for each run, all with the same keys.

    Returns:
        A :class:`SeedSummary`, or a dict of them in the order of the first run's keys.

    Raises:
        TypeError: Values that are not numbers.
        ValueError: No run, a number that is not finite, or runs with different keys.

    Example:
        >>> print(summarize_seeds([65.8, 67.0, 68.2]))
        67.0 ± 1.2 (n = 3)
        >>> runs = [{"knn": 61.0, "linear": 67.1}, {"knn": 62.0, "linear": 66.9}]
        >>> print(summarize_seeds(runs)["linear"])
        67.0 ± 0.1 (n = 2)
    """
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"values: expected a sequence with one entry for each run, got {values!r}; pass [{values!r}]")
    runs: list[Any] = list(values)
    if not runs:
        raise ValueError("values: expected at least one run, got none")
    mappings = [isinstance(run, Mapping) for run in runs]
    if not any(mappings):
        return _summary(runs, name="values")
    if not all(mappings):
        raise TypeError("values: expected numbers or dicts of numbers, got both")
    keys = list(runs[0])
    for i, run in enumerate(runs):
        if run.keys() != runs[0].keys():
            odd = sorted(map(str, run.keys() ^ runs[0].keys()))
            raise ValueError(
                f"values: expected the same metrics of every run, but run {i} and run 0 differ in {', '.join(odd)}"
            )
    return {key: _summary([run[key] for run in runs], name=f"values[...][{key!r}]") for key in keys}


def _summary(values: list[Any], *, name: str) -> SeedSummary:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name}: expected numbers, got {value!r}; take the number of a tensor with .item()")
    numbers = [float(value) for value in values]
    if not all(map(isfinite, numbers)):
        raise ValueError(f"{name}: expected finite numbers, got {numbers}; leave out no failed run without saying so")
    std = statistics.stdev(numbers) if len(numbers) > 1 else None
    if std is not None and std <= 4 * float_info.epsilon * max(map(abs, numbers)):
        std = 0.0  # the same numbers up to rounding
    return SeedSummary(statistics.fmean(numbers), std, len(numbers), min(numbers), max(numbers))
