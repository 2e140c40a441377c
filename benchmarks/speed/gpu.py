"""Every point of RESULTS.md that needs a GPU, as one table; see gpu.sh.

Each part is a process with a time limit of its own, so that one that fails or hangs costs the others nothing. The
limits add up to less than eight minutes.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[2]
MEMORY = 16e9  # bytes that the step of 512 clips needs, with the plain reference beside it
CLIPS, CURVE_CLIPS, CURVE_STEPS = (128, 512), 64, 500
Rows = list[tuple[str, str, str]]  # point, target, measured


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what needs a GPU, in eight minutes.")
    parser.add_argument("--dry", action="store_true", help="run the same code on the CPU, at tiny sizes")
    parser.add_argument("--part", choices=PARTS, help="this part alone")
    parser.add_argument("--json", type=Path, help="write the table there too")
    chosen = parser.parse_args()
    device = checked_device(dry=chosen.dry)
    if chosen.part:
        print(json.dumps(PARTS[chosen.part][0](device)))
        return
    print(f"{machine(device)}, torch {torch.__version__}{'; dry: the figures mean nothing' if chosen.dry else ''}\n")
    rows: Rows = []
    for name, (_, limit) in PARTS.items():
        rows += run_part(name, dry=chosen.dry, limit=limit)
    print(f"| {'point':58} | {'target':18} | measured |\n|{'-' * 60}|{'-' * 20}|{'-' * 10}|")
    for point, target, measured in rows:
        print(f"| {point:58} | {target:18} | {measured} |")
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": machine(device), "rows": rows}, indent=2) + "\n")


def checked_device(*, dry: bool) -> str:
    """The device, or one line that says what this machine lacks."""
    if dry:
        return "cpu"
    if not torch.cuda.is_available():
        raise SystemExit("error: torch sees no CUDA device; install a CUDA build of torch, or pass --dry")
    free, _ = torch.cuda.mem_get_info()
    if free < MEMORY:
        raise SystemExit(f"error: expected {MEMORY / 1e9:.0f} GB of free GPU memory, got {free / 1e9:.1f}; free some")
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        raise SystemExit(f"error: expected a GPU with bfloat16, got {torch.cuda.get_device_name()}; use a newer one")
    return "cuda"


def machine(device: str) -> str:
    """What the figures were measured on."""
    return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}" if device == "cuda" else "CPU"


def run_part(name: str, *, dry: bool, limit: float) -> Rows:
    """The rows of a part, or one row that says how it failed."""
    command = [sys.executable, "-m", "benchmarks.speed.gpu", "--part", name, *(["--dry"] if dry else [])]
    # What torch.compile makes on a CPU says nothing about a GPU, and takes minutes.
    environment = {**os.environ, **({"TORCHDYNAMO_DISABLE": "1"} if dry else {})}
    started = time.perf_counter()
    # In a session of its own, so that the processes that a part has started end with it.
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **pipes)
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return [(name, "", f"failed: no result after {limit:.0f} s")]
    print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if process.returncode:
        last = (err.strip() or out.strip() or "no message").splitlines()[-1]
        return [(name, "", f"failed: {last[:120]}")]
    return [(point, target, measured) for point, target, measured in json.loads(out.splitlines()[-1])]


def eager(device: str) -> Rows:
    """Our whole step in bfloat16 and in float32, and the plain one in float32."""
    return _steps(device, compiled=False)


def compiled(device: str) -> Rows:
    """The same with torch.compile."""
    return _steps(device, compiled=True)


def _steps(device: str, *, compiled: bool) -> Rows:
    from benchmarks.speed import bench_step
    from benchmarks.speed.case import Setting

    rows: Rows = []
    for clips in (2,) if device == "cpu" else CLIPS:
        for half in (False, True):
            setting = Setting(device=device, small=device == "cpu", half=half, compiled=compiled)
            options, method = bench_step.make_method(setting)
            plain = bench_step.PlainStep(copy.deepcopy(method), options, device)
            step = bench_step.OurStep(method, options, setting)
            views = _views(bench_step, options, clips=clips, device=device)
            ids = torch.arange(clips, device=device)
            ours = _median(lambda step=step, views=views, ids=ids: step(views(), ids), device)
            usual = _median(lambda plain=plain, views=views: plain(*views()), device)
            name = f"{'bfloat16' if half else 'float32'}{', compiled' if compiled else ''}, {clips} clips"
            rows.append((f"full MsMCLR step, {name}: clips a second", "5,000 (one H100)", f"{clips / ours:,.0f}"))
            rows.append((f"full MsMCLR step, {name}: times plain float32", "5", f"{usual / ours:.2f}"))
    return rows


def curves(device: str) -> Rows:
    """Losses over many steps from the same weights and views: ours in float32 and bfloat16, and plain."""
    from benchmarks.speed import bench_step
    from benchmarks.speed.case import Setting

    small = device == "cpu"
    steps, clips = (4, 2) if small else (CURVE_STEPS, CURVE_CLIPS)
    options, method = bench_step.make_method(Setting(device=device, small=small))
    sides: dict[str, Callable[..., Any]] = {"plain": bench_step.PlainStep(copy.deepcopy(method), options, device)}
    for name, half in (("float32", False), ("bfloat16", True)):
        step = bench_step.OurStep(copy.deepcopy(method), options, Setting(device=device, small=small, half=half))
        sides[name] = lambda *views, step=step: step(views, torch.arange(clips, device=device))
    views = _views(bench_step, options, clips=clips, device=device)
    losses: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(steps):
        seen = views()
        for name, side in sides.items():
            torch.manual_seed(number)  # of the dropout
            losses[name].append(float(side(*seen).detach()))
    tenth = max(1, steps // 10)
    starts = range(0, steps, tenth)
    means = {name: [statistics.mean(found[i : i + tenth]) for i in starts] for name, found in losses.items()}
    rows: Rows = []
    for name in ("float32", "bfloat16"):
        apart = max(abs(a - b) / abs(b) for a, b in zip(means[name], means["plain"], strict=True))
        curve = " ".join(f"{value:.2f}" for value in means[name])
        point = f"loss over {steps} steps, {name}, mean of each tenth: {curve}"
        rows.append((point, "as plain", f"at most {100 * apart:.1f} % apart"))
    return rows


def tests(device: str) -> Rows:
    """The suite's CUDA tests."""
    places = ["tests"] if device == "cuda" else ["tests/contrast/test_momentum_queue.py"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not slow", "-k", "cuda", *places]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines() or ["no output"]
    summary = next(
        (line for line in reversed(lines) if re.search(r"\d+ (passed|failed|skipped|error)", line)), lines[-1]
    )
    return [("CUDA tests", "all pass", summary.strip("= "))]


def nccl(device: str) -> Rows:
    """Clips a second on one and on all GPUs of this machine; gloo on a CPU."""
    n = torch.cuda.device_count() if device == "cuda" else 2
    sizes = ["--clips", "128", "--steps", "20"] if device == "cuda" else ["--clips", "1", "--steps", "2"]
    options = [*sizes, "--accelerator", device, "--precision", "bf16-mixed" if device == "cuda" else "32-true"]
    numbers = [str(number) for number in dict.fromkeys((1, n))]
    command = [sys.executable, "-m", "benchmarks.speed.scaling", "--processes", *numbers, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if "clips/s" in line]
    return [("NCCL, " + line.split(":")[0], "linear", line.split(": ", 1)[1].split(";")[0]) for line in lines]


def _views(bench_step: Any, options: Any, *, clips: int, device: str) -> Callable[[], list[torch.Tensor]]:
    make = bench_step.PAGE.make_views(options, layout=bench_step.LAYOUT)
    generator = torch.Generator(device).manual_seed(0)
    shape = (clips, 3, 16 if device == "cpu" else 50, 25, 2)
    batch = torch.randn(shape, generator=generator, device=device)
    return lambda: list(make(batch, generator))


def _median(function: Callable[[], object], device: str) -> float:
    """Seconds by the clock, after three calls that are not counted."""
    from benchmarks.speed.run import timed

    for _ in range(3):
        function()
    return statistics.median(timed(function, device=device)[0] for _ in range(3 if device == "cpu" else 20))


# Each part with its limit in seconds.
PARTS: dict[str, tuple[Callable[[str], Rows], float]] = {
    "eager": (eager, 60),
    "compiled": (compiled, 130),
    "curves": (curves, 100),
    "tests": (tests, 120),
    "nccl": (nccl, 60),
}

if __name__ == "__main__":
    main()
