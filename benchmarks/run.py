"""Time blocks of the library against plain references that compute the same numbers.

    python benchmarks/run.py                           # all: augment, encoder, losses
    python benchmarks/run.py encoder --seconds 60 --json encoder.json

Both sides run in turn in one process, so that a busy machine slows both. Times are medians with the interquartile
range; the speed-up is the median over the turns, with its quartiles. "kept" is what autograd holds for backward.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bench_augment
import bench_encoder
import bench_loader
import bench_losses
import bench_readers
import torch
from case import Case
from torch import Tensor
from torch.utils.benchmark import Measurement, Timer

BENCHMARKS: dict[str, Callable[[], Iterator[Case]]] = {
    "augment": bench_augment.cases,
    "encoder": bench_encoder.cases,
    "loader": bench_loader.cases,
    "losses": bench_losses.cases,
    "readers": bench_readers.cases,
}
TOLERANCE = 1e-4  # in float32, relative to the largest number of each result


def main() -> None:
    parser = argparse.ArgumentParser(description="Time blocks of skelblocks against plain references.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--seconds", type=float, default=25, help="for each case, about")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark is named {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    torch.set_num_threads(chosen.threads)
    machine = {"torch": torch.__version__, "threads": chosen.threads, "processor": platform.machine()}
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    rows = []
    for name in chosen.names or BENCHMARKS:
        for case in BENCHMARKS[name]():
            rows.append(measure(case, seconds=chosen.seconds, threads=chosen.threads))
            report(rows[-1])
    if chosen.json:
        chosen.json.write_text(json.dumps({**machine, "cases": rows}, indent=2) + "\n")


def measure(case: Case, *, seconds: float, threads: int) -> dict[str, Any]:
    """Time both sides in turn, after the check that they give the same numbers."""
    if not case.difference < TOLERANCE:
        raise AssertionError(f"{case.name}: the results differ by {case.difference:.1e}, more than {TOLERANCE:.0e}")
    row: dict[str, Any] = {"name": case.name, "sizes": case.sizes, "difference": case.difference}
    sides = {"ours": case.ours, "plain": case.plain}
    for side, function in sides.items():
        row[side] = {"kept_for_backward_mb": kept_for_backward(function) / 1e6}
    timers = {
        side: Timer("function()", globals={"function": function}, num_threads=threads, label=case.name, sub_label=side)
        for side, function in sides.items()
    }
    turns: dict[str, list[Measurement]] = {side: [] for side in sides}
    started = time.perf_counter()
    while len(turns["plain"]) < 5 or time.perf_counter() - started < seconds:
        for side, timer in timers.items():
            turns[side].append(timer.timeit(1))
    for side, measurements in turns.items():
        (whole,) = Measurement.merge(measurements)
        row[side].update(median_ms=1e3 * whole.median, iqr_ms=1e3 * whole.iqr)
    ratios = [plain.median / ours.median for ours, plain in zip(turns["ours"], turns["plain"], strict=True)]
    row["speedup"] = statistics.quantiles(ratios, n=4, method="inclusive")
    row["turns"] = len(ratios)
    return row


def kept_for_backward(function: Callable[[], object]) -> int:
    """Bytes of the tensors that autograd saves during a call, each storage counted once; parameters count too."""
    storages: dict[int, int] = {}
    alive = []  # or a freed storage's address could come again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function()
    return sum(storages.values())


def report(row: dict[str, Any]) -> None:
    print(f"\n{row['name']}: {row['sizes']}")
    print(f"  {row['turns']} turns; the results differ by at most {row['difference']:.0e} of the largest number")
    for side in ("ours", "plain"):
        figures = row[side]
        kept = figures["kept_for_backward_mb"]
        tail = f", kept {kept:.1f} MB" if kept else ""
        print(f"  {side:6}{figures['median_ms']:9.1f} ms  (interquartile range {figures['iqr_ms']:.1f}){tail}")
    low, middle, high = row["speedup"]
    print(f"  speed-up {middle:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
