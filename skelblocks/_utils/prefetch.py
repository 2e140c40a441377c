"""Read ahead in a thread while the caller works on earlier items."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Full, Queue
from typing import TypeVar, cast

T = TypeVar("T")
_PATIENCE = 0.1  # seconds between checks that the caller still iterates


def prefetch(items: Iterable[T], *, ahead: int = 2) -> Iterator[T]:
    """Iterate over items that a thread reads in advance, in the same order.

    The thread ends at the end of the iterable, at an error (which is raised in the caller), or when the caller stops.

    Args:
        items: The iterable. Only the thread uses it.
        ahead: Largest number of items to read in advance.

    Example:
        >>> list(prefetch(range(3)))
        [0, 1, 2]
    """
    waiting: Queue[tuple[bool, object]] = Queue(maxsize=ahead)
    stopped = threading.Event()

    def put(found: tuple[bool, object]) -> bool:
        while not stopped.is_set():
            with suppress(Full):
                waiting.put(found, timeout=_PATIENCE)
                return True
        return False

    def read() -> None:
        try:
            for item in items:
                if not put((True, item)):
                    return
            put((False, None))
        except BaseException as error:  # any error is raised in the caller
            put((False, error))

    thread = threading.Thread(target=read, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            more, found = waiting.get()
            if more:
                yield cast(T, found)
            elif found is None:
                return
            else:
                raise cast(BaseException, found)
    finally:
        stopped.set()
        thread.join()
