"""A step's share of the queue, without gradient: four branches read the bank, then a batch of keys goes in.

The usual form keeps the bank as (d, k), clones it for every branch and writes the keys to columns. Encoding and losses
are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.case import Case, Setting, largest_difference
from skelblocks.contrast import MomentumQueue

N, D, BRANCHES = 128, 128, 4


class ColumnQueue:
    """The released codes' queue; the batch must divide its size."""

    def __init__(self, bank: Tensor) -> None:
        self.columns = bank.T.clone(memory_format=torch.contiguous_format)
        self.pointer = torch.zeros(1, dtype=torch.long)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        first = int(self.pointer)
        self.columns[:, first : first + len(keys)] = keys.T
        self.pointer[0] = (self.pointer[0] + len(keys)) % self.columns.shape[1]


def cases(setting: Setting) -> Iterator[Case]:
    """Banks of 32,768 and of a million keys."""
    torch.manual_seed(0)
    for k in (256,) if setting.small else (32_768, 1_000_064):
        queue = MomentumQueue(D, size=k).to(setting.device)
        columns = ColumnQueue(queue.bank)
        keys = F.normalize(torch.randn(N, D, device=setting.device), dim=1)

        def ours(queue: MomentumQueue = queue, keys: Tensor = keys) -> list[Tensor]:
            banks = [queue.bank for _ in range(BRANCHES)]
            queue.enqueue(keys)
            return banks

        def plain(columns: ColumnQueue = columns, keys: Tensor = keys) -> list[Tensor]:
            banks = [columns.columns.clone().detach() for _ in range(BRANCHES)]
            columns.enqueue(F.normalize(keys, dim=1))
            return banks

        for _ in range(3):
            ours()
            plain()
        difference = largest_difference([queue.bank], [columns.columns.T])
        yield Case("queue", f"{k} keys of {D}; {BRANCHES} readers, then {N} keys in", ours, plain, difference)
        yield Case(
            "queue, enqueue alone",
            f"{k} keys of {D}, {N} in",
            lambda queue=queue, keys=keys: queue.enqueue(keys),
            lambda columns=columns, keys=keys: columns.enqueue(F.normalize(keys, dim=1)),
            difference,
        )
