"""Locks that let only one process at a time write to a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skelblocks._utils.optional import require


class InUseError(OSError):
    """Another process is writing to the same place. The message says where, and what to do."""


@contextmanager
def locked(path: Path, *, busy: str, wait: float = 0.0) -> Iterator[None]:
    """Hold a lock while the block runs. The lock is released as soon as the process ends or is killed.

    Args:
        path: The lock file, in an existing folder. It exists while a process holds the lock, and may remain after a
            process was killed. Its content does not matter.
        busy: Error message if another process holds the lock: argument, place and remedy.
        wait: Number of seconds to wait for the other process.

    Raises:
        InUseError: another process, or another thread, holds the lock.
        ImportError: the package ``filelock`` is not installed. It is a dependency of torch.

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
        # Remove the file while the lock is held. A process that has opened it notices that its name is gone, and
        # creates a new file.
        with suppress(OSError):  # Windows cannot remove an open file
            path.unlink(missing_ok=True)
        lock.release()
