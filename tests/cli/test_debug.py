"""An error is one line; --debug adds the traceback, wherever it stands."""

import pytest

from skelblocks.cli import main


def test_an_error_is_one_line(capsys):
    assert main(["inspect", "no\nsuch\x1b[31mfile"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert "\x1b" not in printed


@pytest.mark.parametrize("arguments", [["--debug", "inspect", "no-such-file"], ["inspect", "no-such-file", "--debug"]])
def test_debug_adds_the_traceback(arguments, capsys):
    assert main(arguments) == 1
    printed = capsys.readouterr().err
    assert "Traceback (most recent call last)" in printed
    assert printed.splitlines()[-1].startswith("error: ")


def test_memory_that_is_not_there_is_one_line(monkeypatch, capsys):
    def fail(args):
        raise MemoryError

    monkeypatch.setattr("skelblocks.cli.inspect.run", fail)
    assert main(["inspect", "x"]) == 1
    assert "error: not enough memory" in capsys.readouterr().err
