"""The progress display of a command."""

from __future__ import annotations

import sys
import time
from typing import Any

from skelblocks._utils.optional import require

_EVERY = 5.0  # seconds between plain lines


class Shown:
    """A progress display on standard error: a tqdm bar on a terminal, else a line every few seconds."""

    def __init__(self, total: int, *, unit: str) -> None:
        self.total, self.unit, self.last = total, unit, time.monotonic()
        self.bar: Any = None
        try:
            self.bar = require("tqdm", extra="train").tqdm(total=total, unit=f" {unit}", disable=None)
        except ImportError:
            return

    def __enter__(self) -> Shown:
        return self

    def show(self, done: int, **counts: int) -> None:
        """Update the display with the number done, and with other counts."""
        if self.bar is not None and not self.bar.disable:
            self.bar.set_postfix(**counts, refresh=False)
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.last > _EVERY or done == self.total:
            self.last = time.monotonic()
            shown = ", ".join(f"{count} {name}" for name, count in counts.items())
            print(f"{done} of {self.total} {self.unit}" + (f": {shown}" if shown else ""), file=sys.stderr)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
