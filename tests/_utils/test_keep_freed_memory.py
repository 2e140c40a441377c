"""Freed memory stays with the process, unless the user or the system says otherwise."""

import ctypes
import os
import subprocess
import sys

import pytest

from skelblocks._utils import keep_freed_memory as module
from skelblocks._utils.keep_freed_memory import keep_freed_memory

CODE = """
import resource, sys
from skelblocks._utils.keep_freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    block = bytearray(2**23)
    block[::4096] = b"1" * (2**23 // 4096)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
first = faults()
for _ in range(10):
    last = faults()
print(last - first)
"""


ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}


class Library:
    """A C library that remembers what was set."""

    def __init__(self, answer):
        self.set = {}
        if answer is not None:
            self.mallopt = lambda name, value: self.set.update({name: value}) or answer


@pytest.fixture(autouse=True)
def _undecided(monkeypatch):
    monkeypatch.setattr(module.os, "environ", {"PATH": "/bin"})
    monkeypatch.setattr(module.sys, "platform", "linux")


@pytest.mark.parametrize(("answer", "expected"), [(1, True), (0, False), (None, False)])
def test_result_tells_whether_the_library_took_the_settings(monkeypatch, answer, expected):
    library = Library(answer)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    assert keep_freed_memory() is expected
    if answer == 1:
        assert library.set == {-1: 2**31 - 1, -2: 2**26, -3: 2**25}


@pytest.mark.parametrize("name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"])
def test_settings_of_the_user_stay(monkeypatch, name):
    module.os.environ[name] = "2"
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("the library was asked"))
    assert keep_freed_memory() is False


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(module.sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("the library was asked"))
    assert keep_freed_memory() is False


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc")
def test_blocks_are_used_again_without_page_faults():
    def faults(choice):
        return int(subprocess.check_output([sys.executable, "-c", CODE, choice], text=True, env=ENVIRONMENT))

    assert faults("keep") < 200 < faults("default")
