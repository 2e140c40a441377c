"""Time blocks of the library against plain references that compute the same numbers.

    python -m benchmarks.speed.run                           # all
    python -m benchmarks.speed.run encoder step --threads 2 --seconds 60 --json step.json
    python -m benchmarks.speed.run step --device cuda --half --compile

Both sides run in turn in one process, so that a busy machine slows both. Times are medians with the interquartile
range; the speed-up is the median over the turns, with its quartiles. "processor" is the time in which the process held
a core, all threads together: on a busy machine the better measure of one thread. With several threads there, set
OMP_WAIT_POLICY=PASSIVE, or they spin at barriers. "peak" is the memory above what was there before the call, see
memory.py; "kept" is what autograd holds for backward. RESULTS.md holds figures.
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

import torch
from torch import Tensor

from benchmarks.speed import (
    bench_attention,
    bench_augment,
    bench_encoder,
    bench_linear,
    bench_loader,
    bench_losses,
    bench_queue,
    bench_readers,
    bench_step,
)
from benchmarks.speed.case import Case, Setting
from benchmarks.speed.memory import peak_memory

BENCHMARKS: dict[str, Callable[[Setting], Iterator[Case]]] = {
    "attention": bench_attention.cases,
    "augment": bench_augment.cases,
    "encoder": bench_encoder.cases,
    "linear": bench_linear.cases,
    "loader": bench_loader.cases,
    "losses": bench_losses.cases,
    "queue": bench_queue.cases,
    "readers": bench_readers.cases,
    "step": bench_step.cases,
}
ANY_DEVICE = ("attention", "augment", "encoder", "losses", "queue", "step")
TOLERANCE = 1e-4  # in float32, relative to the largest number of each result


def main() -> None:
    parser = argparse.ArgumentParser(description="Time blocks of skelblocks against plain references.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--seconds", type=float, default=25, help="for each case, about")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--device", default="cpu", help=f"for {', '.join(ANY_DEVICE)}")
    parser.add_argument("--half", action="store_true", help="bfloat16 autocast in our encoder and step")
    parser.add_argument("--compile", action="store_true", help="torch.compile our augment, encoder and step")
    parser.add_argument("--small", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    chosen = parser.parse_args()
    available = [name for name in BENCHMARKS if chosen.device == "cpu" or name in ANY_DEVICE]
    unknown = sorted(set(chosen.names) - set(available))
    if unknown:
        names = ", ".join(available)
        parser.error(f"no benchmark is named {', '.join(unknown)} on {chosen.device}; there are {names}")
    torch.set_num_threads(chosen.threads)
    setting = Setting(device=chosen.device, small=chosen.small, half=chosen.half, compiled=chosen.compile)
    machine = {"torch": torch.__version__, "threads": chosen.threads, "processor": platform.machine()}
    if setting.device != "cpu":
        machine["device"] = torch.cuda.get_device_name(setting.device)
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    rows = []
    for name in chosen.names or available:
        for case in BENCHMARKS[name](setting):
            rows.append(measure(case, seconds=chosen.seconds, device=setting.device))
            report(rows[-1])
    if chosen.json:
        chosen.json.write_text(json.dumps({**machine, "cases": rows}, indent=2) + "\n")


def measure(case: Case, *, seconds: float, device: str = "cpu") -> dict[str, Any]:
    """Time both sides in turn, after the check that they give the same numbers."""
    if not case.difference < TOLERANCE:
        raise AssertionError(f"{case.name}: the results differ by {case.difference:.1e}, more than {TOLERANCE:.0e}")
    row: dict[str, Any] = {"name": case.name, "sizes": case.sizes, "difference": case.difference, "clips": case.clips}
    sides = {"ours": case.ours, "plain": case.plain}
    for side, function in sides.items():
        peak = peak_memory(function, device=device)
        row[side] = {"peak_mb": peak / 1e6, "kept_for_backward_mb": kept_for_backward(function) / 1e6}
    turns: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    started = time.perf_counter()
    while len(turns["plain"]) < 5 or time.perf_counter() - started < seconds:
        for side, function in sides.items():
            turns[side].append(timed(function, device=device))
    for side, pairs in turns.items():
        wall, processor = ([1e3 * value for value in values] for values in zip(*pairs, strict=True))
        low, _, high = statistics.quantiles(wall, n=4, method="inclusive")
        row[side].update(median_ms=statistics.median(wall), iqr_ms=high - low)
        row[side].update(processor_ms=statistics.median(processor))
    both = list(zip(turns["ours"], turns["plain"], strict=True))
    row["speedup"] = statistics.quantiles([p[0] / o[0] for o, p in both], n=4, method="inclusive")
    row["processor_ratio"] = row["plain"]["processor_ms"] / max(row["ours"]["processor_ms"], 1e-9)
    row["turns"] = len(both)
    return row


def timed(function: Callable[[], object], *, device: str = "cpu") -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda:
        torch.cuda.synchronize()
    wall, processor = time.perf_counter(), time.process_time()
    function()
    if on_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - processor


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
        if row["clips"]:
            tail += f", {1e3 * row['clips'] / figures['median_ms']:.1f} clips/s"
        print(
            f"  {side:6}{figures['median_ms']:10.2f} ms  (interquartile range {figures['iqr_ms']:.2f}; processor "
            f"{figures['processor_ms']:.2f}), peak {figures['peak_mb']:.1f} MB{tail}"
        )
    low, middle, high = row["speedup"]
    print(
        f"  speed-up {middle:.2f} ({low:.2f} to {high:.2f}); of processor time {row['processor_ratio']:.2f}; "
        f"memory {row['plain']['peak_mb'] / max(row['ours']['peak_mb'], 1e-9):.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
