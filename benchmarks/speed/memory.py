"""Peak memory of one call, above what was there when it began.

On CPU, the profiler reports every allocation of torch and every one it frees; their running sum has a largest value,
which is exact and the same every time. It lacks the work space inside oneDNN and MKL. What numpy takes is added from
tracemalloc. On CUDA it is the allocator's own peak.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


def peak_memory(function: Callable[[], object], *, device: str = "cpu") -> int:
    """Bytes; the function is called once beforehand, so that what it makes once is not counted."""
    function()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        function()
        _, of_numpy = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as recorded:
        function()
    events = [event for event in _events(recorded) if event.tag.name == "Allocation"]
    events.sort(key=lambda event: event.start_time_ns)
    of_torch = max(accumulate((event.extra_fields.alloc_size for event in events), initial=0))
    return of_torch + of_numpy - before


def _events(recorded: profile) -> Iterator[Any]:
    waiting = list(recorded.profiler.kineto_results.experimental_event_tree())  # type: ignore[union-attr]
    while waiting:
        event = waiting.pop()
        waiting.extend(event.children)
        yield event
