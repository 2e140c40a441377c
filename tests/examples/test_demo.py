import runpy
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--foo", "1"], "error: unrecognized arguments: --foo 1"),
        (["--train.epochs", "0"], "error: train.epochs: expected"),
    ],
)
def test_a_wrong_option_ends_the_demo_in_one_line(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(sys, "argv", [str(DEMO), *arguments])
    with pytest.raises(SystemExit, match="1"):
        runpy.run_path(str(DEMO), run_name="__main__")
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
