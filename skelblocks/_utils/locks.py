"""Locks: one process at a time writes to a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skelblocks._utils.optional import require


class InUseError(OSError):
    """Another process is writing to the same place; the message says where and what to do."""


@contextmanager
def locked(path: Path, *, busy: str, wait: float = 0.0) -> Iterator[None]:
    """Hold a lock while the block runs. The lock of a process that ends or is killed is free at once.

    Args:
        path: The lock's own file, in a folder that is there. It exists only while somebody holds the lock, or after a
            kill; its content does not matter.
        busy: What the error says when another process holds the lock: argument, place and remedy.
        wait: How many seconds to wait for the other process.

    Raises:
        InUseError: another process, or another thread, holds the lock.
        ImportError: the package ``filelock`` is not installed; torch brings it along.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with locked(Path(folder, ".lock"), busy="out: in use"):
        ...         with locked(Path(folder, ".lock"), busy="out: another process writes to it; wait for it"):
        ...             pass
        Traceback (most recent call last):
        ...
        skelblocks._utils.locks.InUseError: out: another process writes to it; wait for it
    """
    filelock = require("filelock", extra="data")
    lock = filelock.FileLock(str(path), timeout=wait, poll_interval=0.01, is_singleton=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise InUseError(busy) from None
    try:
        yield
    finally:
        # Removed while it is held: one who has opened it meanwhile finds that it has no name, and makes another.
        with suppress(OSError):  # Windows removes no file that is open
            path.unlink(missing_ok=True)
        lock.release()
