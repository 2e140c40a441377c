"""Training steps and features: this build, another checkout of it, and the plain reference, in turn.

    git worktree add --detach ../before COMMIT
    OMP_NUM_THREADS=1 python -m benchmarks.speed.compare --before ../before --turns 9

The batch is like NTU RGB+D: four clips of five show one person of the two that there is room for. Each side runs in a
process of its own with one thread; the processes take turns, and only one works at a time. Ratios are medians over the
turns, with quartiles, of the time in which the process held the core. RESULTS.md holds figures.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

CLIPS, FRAMES, JOINTS, PERSONS = 15, 50, 25, 2
QUEUE = 32_640  # a multiple of the batch, which the plain queue needs
Work = Callable[[], object]
ROWS = (
    ("MsMCLR step, float32", "step", "32", "plain"),
    ("MsMCLR step, auto precision", "step", "auto", "plain"),
    ("the same, blocks run again", "checkpointed", "auto", "plain"),
    ("features, float32", "features", "32", "before"),
    ("features, auto precision", "features", "auto", "before"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare this build with another checkout and the plain reference.")
    parser.add_argument("--before", type=Path, help="the root of another checkout; default: this one")
    parser.add_argument("--turns", type=int, default=9, help="of each side (default: 9)")
    parser.add_argument("--small", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--serve", nargs=3, metavar=("SIDE", "WORK", "PRECISION"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(*chosen.serve, small=chosen.small)
        return
    if chosen.turns < 2:
        parser.error(f"--turns: expected at least 2, got {chosen.turns}")
    here = Path(__file__).resolve().parents[2]
    before = here if chosen.before is None else chosen.before.resolve()
    if not (before / "skelblocks").is_dir():
        parser.error(f"--before: there is no package skelblocks in {before}")
    names = f"{'ours':>8} {'before':>8} {'plain':>8}"
    print(f"{'work, ms of the processor':30} {names}  ratios (quartiles), peak MB in the same order")
    for title, work, precision, against in ROWS:
        sides = {"ours": here, "before": before, "plain": here}
        workers = {side: Worker(side, work, precision, tree=tree, small=chosen.small) for side, tree in sides.items()}
        times: dict[str, list[float]] = {side: [] for side in workers}
        for _ in range(chosen.turns):
            for side, worker in workers.items():
                times[side].append(worker.ask("time"))
        peaks = [worker.ask("peak") / 1e6 for worker in workers.values()]
        for worker in workers.values():
            worker.close()
        medians = [1e3 * statistics.median(values) for values in times.values()]
        shown = []
        for other in dict.fromkeys((against, "before")):
            pairs = zip(times[other], times["ours"], strict=True)
            low, middle, high = statistics.quantiles([b / a for b, a in pairs], n=4, method="inclusive")
            shown.append(f"{other:7} {middle:5.2f} ({low:.2f} to {high:.2f})")
        columns = " ".join(f"{value:8.1f}" for value in medians)
        print(f"{title:30} {columns}  {'; '.join(shown)}   {' / '.join(f'{peak:.0f}' for peak in peaks)}", flush=True)


class Worker:
    """A process that does one piece of work each time it is asked, with the code of one checkout."""

    def __init__(self, side: str, work: str, precision: str, *, tree: Path, small: bool) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), *(["--small"] if small else [])]
        # Only the first of these paths may hold the package, and a script's own folder comes before them.
        environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [*command, "--serve", side, work, precision],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tree,
        )
        self.ask("time")
        self.ask("time")  # the first calls are slower

    def ask(self, what: str) -> float:
        """Seconds of the processor for ``"time"``, bytes for ``"peak"``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        while line := self.process.stdout.readline():
            if line.startswith("answer "):  # the profiler prints too
                return float(line.split()[1])
        raise SystemExit("error: a side has ended without an answer; its own message is above")

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def serve(side: str, work: str, precision: str, *, small: bool) -> None:
    """Answer on standard output what is asked on standard input."""
    torch.set_num_threads(1)
    from benchmarks.speed.memory import peak_memory

    if side == "ours":
        from skelblocks._utils.keep_freed_memory import keep_freed_memory

        keep_freed_memory()  # as the commands do
    makers = {"step": make_step, "checkpointed": partial(make_step, checkpoint=True), "features": make_features}
    function = makers[work](side, half=precision == "auto" and native(), small=small)
    for line in sys.stdin:
        if line.strip() == "peak":
            answer: float = peak_memory(function)
        else:
            started = time.process_time()
            function()
            answer = time.process_time() - started
        print("answer", answer, flush=True)


def native() -> bool:
    """Whether this processor computes in bfloat16 itself."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def ntu_like(n: int, frames: int) -> Tensor:
    """Clips ``(n, 3, t, 25, 2)``, of which four of five show one person."""
    clips = torch.randn(n, 3, frames, JOINTS, PERSONS, generator=torch.Generator().manual_seed(0))
    clips[torch.arange(n) % 5 != 0, ..., 1] = 0
    return clips


def make_step(side: str, *, half: bool, small: bool, checkpoint: bool = False) -> Work:
    """A full MsMCLR step with augmentation; with ``checkpoint``, ours runs the encoder's blocks again in backward."""
    from benchmarks.speed import bench_step
    from benchmarks.speed.case import Setting

    setting = Setting(small=small, half=half)
    options, _ = bench_step.make_method(setting)
    own: dict[str, Any] = {"absent": "skip", **({"checkpoint": True} if checkpoint else {})}
    encoder = dataclasses.replace(options.encoder, **(own if side == "ours" else {}))
    contrast = dataclasses.replace(options.contrast, queue_size=QUEUE // (128 if small else 1))
    options = dataclasses.replace(options, encoder=encoder, contrast=contrast)
    torch.manual_seed(0)
    method = bench_step.PAGE.build(options, layout=bench_step.LAYOUT, persons=PERSONS)
    clips = ntu_like(CLIPS, 16 if small else FRAMES)
    if side == "plain":
        plain = bench_step.PlainStep(method, options, "cpu")
        array = clips.numpy()
        return lambda: plain(*plain.views(array))
    step = bench_step.OurStep(method, options, setting)
    views: Any = bench_step.PAGE.make_views(options, layout=bench_step.LAYOUT)
    generator, ids = torch.Generator().manual_seed(0), torch.arange(CLIPS)
    return lambda: step(views(clips, generator), ids)


def make_features(side: str, *, half: bool, small: bool) -> Work:
    """Features of the clips of four batches, by an encoder with the numbers of released configurations."""
    from benchmarks.speed.bench_encoder import plain_forward
    from skelblocks import STGCN, extract_features

    widths: dict[str, Any] = {"base_channels": 4, "out_channels": 16} if small else {}
    torch.manual_seed(0)
    encoder = STGCN("ntu-rgb+d", **widths).eval()
    clips = ntu_like(4 * CLIPS, 16 if small else FRAMES)
    if side == "plain":

        def plain() -> Tensor:
            with torch.no_grad():
                return plain_forward(encoder, clips, dropout=0.0).mean(dim=(1, 3, 4))

        return plain
    extra: dict[str, Any] = {"precision": "auto"} if half and side == "ours" else {}
    return lambda: extract_features(encoder, clips, **extra)


if __name__ == "__main__":
    main()
