import threading
import time

import pytest

from skelblocks._utils.prefetch import prefetch


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_the_items_come_in_order_from_another_thread():
    readers = []

    def items():
        for i in range(50):
            readers.append(threading.current_thread())
            yield i

    assert list(prefetch(items())) == list(range(50))
    assert set(readers) != {threading.main_thread()}
    assert not threads()


def test_it_reads_ahead_but_no_farther_than_asked():
    read = []

    def items():
        for i in range(20):
            read.append(i)
            yield i

    ahead = prefetch(items(), ahead=3)
    assert next(ahead) == 0
    deadline = time.monotonic() + 5
    while len(read) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(read) == 5  # the one taken, three that wait, and one in the thread's hand
    ahead.close()
    assert not threads()


def test_an_error_comes_after_what_was_read():
    def items():
        yield 1
        raise OSError("the disk is gone")

    ahead = prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)
    assert not threads()


def test_a_caller_that_fails_leaves_no_thread():
    def steps():
        for _ in prefetch(iter(int, 1)):
            raise ValueError("step")

    with pytest.raises(ValueError, match="step"):
        steps()
    assert not threads()
