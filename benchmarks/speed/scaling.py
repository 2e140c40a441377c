"""Clips a second of a method's whole step on 1, 2, 4 ... processes, each with its own share of the batch.

    python -m benchmarks.speed.scaling                            # MsMCLR, 16 clips in each of 1, 2 and 4 processes
    python -m benchmarks.speed.scaling --processes 1 8 --clips 128 --accelerator auto --json scaling.json

A step does what training does: views, forward, backward with averaged gradients, optimizer, momentum encoder, and a
queue that takes the keys of all processes. Clips are random and in memory, so the loader's speed is not measured. Each
process has one thread.
Times are medians over the steps, on the first process. The processor's own time for a clip, which other work on the
machine hardly changes, says what several processes add where there are fewer cores than processes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
WARM_UP = 2  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description="Clips a second by number of processes.")
    parser.add_argument("--method", default="msmclr", help="a method with a queue of one stream")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--clips", type=int, default=16, help="in each process")
    parser.add_argument("--steps", type=int, default=8, help=f"measured, after {WARM_UP} others")
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    chosen = parser.parse_args()
    if chosen.steps < 2:
        parser.error(f"--steps: expected 2 or more, for their spread, got {chosen.steps}")
    if "RANK" in os.environ:
        step(chosen)
        return
    rows: list[dict[str, float]] = []
    for processes in chosen.processes:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        done = subprocess.run(
            [*launcher, "-m", "benchmarks.speed.scaling", *sys.argv[1:]],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        row = rows[-1]
        row["efficiency"] = row["clips_per_second"] / rows[0]["clips_per_second"] * rows[0]["processes"] / processes
        print(
            f"{processes} processes: {row['clips_per_second']:.1f} clips/s, {row['efficiency']:.2f} of linear; a step "
            f"{row['step_ms']:.0f} ms (interquartile range {row['iqr_ms']:.0f}); "
            f"{row['processor_ms_per_clip']:.0f} ms of the processor for a clip"
        )
    if chosen.json:
        machine = {"torch": torch.__version__, "cores": os.cpu_count(), "method": chosen.method, "clips": chosen.clips}
        chosen.json.write_text(json.dumps({**machine, "cases": rows}, indent=2) + "\n")


def step(chosen: argparse.Namespace) -> None:
    """In each process: the steps; the first one prints."""
    from skelblocks import layouts
    from skelblocks.training import TrainOptions, load_page, make_fabric

    page, layout = load_page(chosen.method), layouts.get("ntu-rgb+d")
    options = page.options(train=TrainOptions(accelerator=chosen.accelerator, precision=chosen.precision))
    fabric = make_fabric(options.train)
    torch.manual_seed(0)
    method = page.build(options, layout=layout, persons=2)
    plain = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    model, optimizer = fabric.setup(method, plain)
    make_views = page.make_views(options, layout=layout)
    generator = torch.Generator(fabric.device).manual_seed(fabric.global_rank)
    shape = (chosen.clips, 3, options.data.frames, len(layout.joints), 2)
    clips = torch.randn(shape, generator=generator, device=fabric.device)
    ids = torch.arange(chosen.clips, device=fabric.device) + fabric.global_rank * chosen.clips
    seconds, busy = [], []
    for number in range(WARM_UP + chosen.steps):
        fabric.barrier()
        started, started_busy = time.perf_counter(), time.process_time()
        with torch.no_grad():
            views = make_views(clips, generator)
        output = model(*views, ids=ids)
        fabric.backward(output.loss)
        optimizer.step()
        optimizer.zero_grad()
        method.update(output, step=number + 1, total_steps=WARM_UP + chosen.steps)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
        busy.append(time.process_time() - started_busy)
    low, middle, high = statistics.quantiles(seconds[WARM_UP:], n=4, method="inclusive")
    processor = 1e3 * statistics.median(busy[WARM_UP:]) / chosen.clips
    if fabric.global_rank == 0:
        clips_per_second = fabric.world_size * chosen.clips / middle
        found = {
            "processes": fabric.world_size,
            "clips_per_second": clips_per_second,
            "processor_ms_per_clip": processor,
        }
        print(json.dumps({**found, "step_ms": 1e3 * middle, "iqr_ms": 1e3 * (high - low)}))


if __name__ == "__main__":
    main()
