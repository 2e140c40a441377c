"""How time and memory grow as one size doubles, of the library's blocks alone.

    python -m benchmarks.speed.growth --threads 1
    python -m benchmarks.speed.growth queue losses --json growth.json

All sizes of a row but the doubled one are those of the first row. Time is the median of the processor's, which other
programs on the machine move least; memory is the peak above what was there before the call, see memory.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.memory import peak_memory
from benchmarks.speed.run import timed
from skelblocks import STGCN, layouts
from skelblocks.attention import MsMAttention
from skelblocks.augment import recipes
from skelblocks.contrast import MomentumQueue, contrastive_logits
from skelblocks.layouts import JointGroup, SkeletonLayout
from skelblocks.losses import d3m_loss, d3m_loss_from_embeddings

D, TEMPERATURE, CHUNK, BASE, CHANNELS = 128, 0.07, 4096, 16, 256


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """n clips, t frames, v joints, m persons; n samples of d features, k bank rows; students and scales."""

    n: int = 4
    t: int = 50
    v: int = 25
    m: int = 2
    k: int = 32768
    batch: int = 128
    students: int = 1
    scales: int = 1


Work = Callable[[], object]


def chain(v: int) -> SkeletonLayout:
    """A skeleton of any size: one chain, in groups of five."""
    groups = tuple(JointGroup(str(i), tuple(range(i, min(i + 5, v)))) for i in range(0, v, 5))
    names, edges = tuple(map(str, range(v))), tuple((i + 1, i) for i in range(v - 1))
    return SkeletonLayout(f"chain-{v}", names, edges, v // 2, tuple(range(v)), groups, groups)


def _clips(sizes: Sizes) -> Tensor:
    return torch.randn(sizes.n, 3, sizes.t, sizes.v, sizes.m)


def augment(sizes: Sizes) -> Work:
    clips, strong = _clips(sizes), recipes.msmclr_strong(chain(sizes.v))
    generator = torch.Generator().manual_seed(0)
    return lambda: strong(clips, generator=generator)


def encoder(sizes: Sizes) -> Work:
    clips, model = _clips(sizes), STGCN(chain(sizes.v), base_channels=BASE, out_channels=CHANNELS)

    def work() -> None:
        model.zero_grad()
        model(clips).mean().backward()

    return work


def attention(sizes: Sizes) -> Work:
    shape = sizes.n * sizes.m, CHANNELS, -(-sizes.t // 4), sizes.v
    x = torch.randn(shape).to(memory_format=torch.channels_last).requires_grad_()
    scales = ("joint", "part", "body")[: sizes.scales]
    attend = MsMAttention(CHANNELS, layout=layouts.get("ntu-rgb+d") if sizes.v == 25 else chain(sizes.v), scales=scales)

    def work() -> None:
        x.grad = None
        attend.zero_grad()
        torch.stack([scale.mean() for scale in attend(x)]).sum().backward()  # type: ignore[no-untyped-call]

    return work


def _embeddings(sizes: Sizes) -> tuple[Tensor, Tensor, list[Tensor], Tensor]:
    query, key, *students = torch.randn(2 + sizes.students, sizes.batch, D)
    bank = F.normalize(torch.randn(sizes.k, D), dim=1)
    return query, key, [student.requires_grad_() for student in students], bank


def losses_in_chunks(sizes: Sizes) -> Work:
    query, key, students, bank = _embeddings(sizes)

    def work() -> None:
        loss = d3m_loss_from_embeddings(query, students, key, bank, temperature=TEMPERATURE, chunk_size=CHUNK)
        torch.autograd.grad(loss, students)

    return work


def losses_by_logits(sizes: Sizes) -> Work:
    query, key, students, bank = _embeddings(sizes)

    def work() -> None:
        teacher, *logits = (contrastive_logits(x, key, bank, temperature=TEMPERATURE) for x in (query, *students))
        torch.autograd.grad(d3m_loss(logits, teacher), students)

    return work


def queue(sizes: Sizes) -> Work:
    bank, keys = MomentumQueue(D, size=sizes.k), torch.randn(sizes.batch, D)
    return lambda: bank.enqueue(keys)


BLOCKS: dict[str, tuple[Callable[[Sizes], Work], dict[str, int]]] = {
    "augment": (augment, {"n": 4, "t": 4, "v": 4, "m": 4}),
    "encoder": (encoder, {"n": 3, "t": 3, "v": 3, "m": 3}),
    "attention": (attention, {"n": 3, "t": 4, "v": 3, "scales": 3}),
    "losses_in_chunks": (losses_in_chunks, {"batch": 3, "k": 6, "students": 3}),
    "losses_by_logits": (losses_by_logits, {"batch": 3, "k": 3, "students": 3}),
    "queue": (queue, {"batch": 3, "k": 6}),
}


def rows(name: str, *, repeats: int, first: Sizes | None = None) -> Iterator[dict[str, Any]]:
    """A row for each size that one field of the block takes; ``scales`` goes 1, 2, 3."""
    make, fields = BLOCKS[name]
    first = first or Sizes()
    for field, count in fields.items():
        start = getattr(first, field)
        for step in range(count):
            value = start + step if field == "scales" else start * 2**step
            torch.manual_seed(0)
            work = make(dataclasses.replace(first, **{field: value}))
            peak = peak_memory(work)
            times = [timed(work)[1] for _ in range(repeats)]
            yield {
                "block": name,
                "field": field,
                "value": value,
                "processor_ms": 1e3 * statistics.median(times),
                "peak_mb": peak / 1e6,
            }


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of skelblocks' blocks as one size doubles.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BLOCKS)}; default: all")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="of torch; one, so that the time is work, not waiting")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(BLOCKS))
    if unknown:
        parser.error(f"no block is named {', '.join(unknown)}; there are {', '.join(BLOCKS)}")
    torch.set_num_threads(chosen.threads)
    print(f"torch {torch.__version__}, threads {chosen.threads}; others: {Sizes()}")
    found = []
    for name in chosen.names or BLOCKS:
        for row in rows(name, repeats=chosen.repeats):
            found.append(row)
            print("{block:17} {field:9}{value:>9}{processor_ms:10.2f} ms {peak_mb:9.2f} MB".format(**row), flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"torch": torch.__version__, "rows": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
