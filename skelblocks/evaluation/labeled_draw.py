"""The labeled clips of semi-supervised evaluation.

Axes: n samples.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_choice, check_integer, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.hashed_draws import key
from skelblocks.evaluation.accuracy import check_labels

Rounding: TypeAlias = Literal["half_even", "down", "up"]
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)


@explain_arguments
@torch.no_grad()
def labeled_draw(
    labels: Tensor,
    fraction: float,
    *,
    minimum: int = 1,
    rounding: Rounding = "half_even",
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Draw the few clips whose labels may be used, the same fraction of every class.

    .. math:: \text{drawn}_c = \max(\text{minimum}, \operatorname{round}(\text{fraction} \cdot n_c))

    of the :math:`n_c` clips of class c, without replacement. AimCLR, CrossMoCo and SkeAttnCLR fine-tune on 1 % and 10 %
    "randomly selected labeled data". The released code of related methods takes the share of each class. The draw of a
    class depends on the seed, its label and the number of its clips, not on the other classes. With the same seed and
    rounding, the clips of a smaller fraction are among the clips of a larger one.

    Args:
        labels: Classes ``(n,)``, integers from 0. Only classes that occur are drawn from.
        fraction: Share of each class in [0, 1]. With 0, ``minimum`` clips are drawn of each.
        minimum: Smallest number of clips per class. **The released code** has 0: at 1 %, a class of at most 50 clips
            gets none, so it cannot be learned.
        rounding: ``"half_even"`` rounds like Python's ``round`` and the released code: 2.5 becomes 2, and 3.5 becomes
            4. The others are ``"down"`` and ``"up"``.
        generator: Source of randomness, on any device; one number is drawn from it. Default: torch's global generator
            on the CPU. The released code draws from Python's global generator, whose state depends on all earlier
            draws.

    Returns:
        Sorted positions in ``labels``, int64, on its device; the same ones on every device.

    Raises:
        TypeError: Labels or ``minimum`` are not integers.
        ValueError: Wrong axes, no labels, a fraction outside [0, 1], an unknown rounding, a class with fewer than
            ``minimum`` clips, or nothing to draw.

    Example:
        >>> labels = torch.tensor([0] * 100 + [1] * 20)
        >>> index = labeled_draw(labels, 0.1, generator=torch.Generator().manual_seed(0))
        >>> labels[index].bincount()
        tensor([10,  2])
    """
    check_axes(labels, "n", name="labels")
    check_labels(labels, name="labels", n=len(labels))
    check_probability(fraction, name="fraction")
    check_integer(minimum, name="minimum", least=0)
    check_choice(rounding, ROUNDINGS, name="rounding")
    device, labels = labels.device, labels.to(torch.int64)
    classes, group, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    small = classes[counts < minimum].tolist()
    if small:
        raise ValueError(
            f"minimum: classes {small[:5]} have fewer than {minimum} clips ({len(small)} such classes); lower it"
        )
    wanted = torch.tensor([max(minimum, _round(fraction * n, rounding)) for n in counts.tolist()], device=device)
    if not wanted.any():
        raise ValueError(f"fraction: {fraction} of no class is a whole clip; raise it, or pass minimum=1")

    source = generator.device if generator is not None else None
    seed = int(torch.randint(2**32, (), generator=generator, device=source))
    first = counts.cumsum(0) - counts
    grouped = group.argsort(stable=True)
    group = group[grouped]
    place = torch.arange(len(labels), device=device) - first[group]
    # Within a class the keys are a permutation's, so that no two of them are equal.
    lots = key(seed, classes[group], place, device=device)
    # The classes keep their places in this order, and with them their numbers in `place`.
    shuffled: Tensor = grouped[(group * 2**32 + lots).argsort()]
    return shuffled[place < wanted[group]].sort().values


def _round(number: float, rounding: Rounding) -> int:
    if rounding == "half_even":
        return round(number)
    # Off whole numbers by an error of the product alone, as 0.29 * 100 is, counts as whole.
    number = round(number, 9)
    return math.floor(number) if rounding == "down" else math.ceil(number)
