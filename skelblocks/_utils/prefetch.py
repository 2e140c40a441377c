"""Read ahead in a thread, while the caller works on what came before."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Full, Queue
from typing import TypeVar, cast

T = TypeVar("T")
_PATIENCE = 0.1  # seconds between looks at whether the caller is still there


def prefetch(items: Iterable[T], *, ahead: int = 2) -> Iterator[T]:
    """Go through items that a thread takes from an iterable before they are asked for, in the same order.

    The thread ends with the iterable, with an error in it, which is raised here, or when the caller stops early.

    Args:
        items: What to go through. Only the thread touches it.
        ahead: Items that wait at most.

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
        except BaseException as error:  # whatever it is, it belongs to the caller
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
