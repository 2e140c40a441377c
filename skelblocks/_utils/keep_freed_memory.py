"""Let this process keep the memory that it frees, which saves page faults."""

from __future__ import annotations

import ctypes
import os
import sys

# Parameters of mallopt(3), with the largest values that it takes, or enough.
_SETTINGS = {
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: free bytes at the end of the heap that are not given back
    -3: 2**25,  # M_MMAP_THRESHOLD: from this size on, blocks come from the system one by one
    -2: 2**26,  # M_TOP_PAD: bytes that are asked for beyond what is needed
}


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory, which saves a twelfth of a training step on the CPU.

    By default, glibc gives large blocks back to the system, which fills them with zeros page by page when they are used
    again. A training step frees and takes the same blocks each time. The peak of the memory stays the same; the process
    keeps it until it ends. Commands call this function; a library should not decide it for a process. Nothing happens
    where the user has set ``MALLOC_...`` or ``GLIBC_TUNABLES`` in the environment, and on systems without glibc.

    Returns:
        Whether the settings are in force.

    Example:
        >>> keep_freed_memory() in (True, False)
        True
    """
    decided = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if decided or not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in _SETTINGS.items())
