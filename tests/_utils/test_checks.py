import sys

import numpy as np
import pytest
import torch

from skelblocks._utils.checks import (
    check_axes,
    check_choice,
    check_filled,
    check_floating,
    check_integer,
    check_integers,
    check_number,
    check_positive,
    check_probability,
    check_sequence,
)
from skelblocks._utils.optional import require


@pytest.mark.parametrize(
    ("shape", "axes", "sizes", "message"),
    [
        ((2, 3), "n c t", {}, r"x: expected 3 axes \(n, c, t\), got shape \(2, 3\)"),
        ((2, 3, 4), "n c t", {"c": 5}, r"expected \(n, c=5, t\), got shape \(2, 3, 4\); axis 'c' is 3, not 5"),
        ((3,), "... c t", {}, r"expected at least 2 axes \(\.\.\., c, t\), got shape \(3,\)"),
        ((9, 9, 2, 4), "... c t", {"t": 5}, r"axis 't' is 4, not 5"),
    ],
)
def test_axes(shape, axes, sizes, message):
    with pytest.raises(ValueError, match=message):
        check_axes(torch.zeros(shape), axes, name="x", **sizes)


def test_what_is_right_passes():
    check_axes(torch.zeros(2, 3, 4), "n c t", name="x", n=2, t=4)
    check_axes(torch.zeros(3, 4), "... c t", name="x", c=3)
    check_axes(torch.zeros(7, 8, 3, 4), "... c t", name="x", c=3)
    check_floating(torch.zeros(1, dtype=torch.bfloat16), name="x")
    check_probability(1, name="p")
    check_positive(1e-9, name="temperature")
    check_choice("a", "ab", name="letter")
    check_filled(torch.zeros(0, 7, 3, 4), "... c t", name="x", filled="c t")
    for value in (1, np.int64(3)):
        check_integer(value, name="size")
    check_integer(0, name="layers", least=0)
    for several in ([], (torch.zeros(2, 3),), torch.zeros(4, 2, 3)):
        check_sequence(several, name="logits")


def test_other_types_and_values():
    with pytest.raises(TypeError, match="x: expected a tensor, got list"):
        check_axes([1.0], "n", name="x")
    with pytest.raises(TypeError, match=r"got torch.int64; convert it with x.float\(\)"):
        check_floating(torch.arange(3), name="x")
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="p: expected a probability"):
            check_probability(value, name="p")
    for value in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="temperature: expected a number > 0"):
            check_positive(value, name="temperature")
    with pytest.raises(ValueError, match="temperature: expected a finite number > 0, got inf"):
        check_positive(float("inf"), name="temperature")


def test_integers_and_what_is_none():
    for value in (0, -1):
        with pytest.raises(ValueError, match=f"size: expected an integer >= 1, got {value}"):
            check_integer(value, name="size")
    with pytest.raises(ValueError, match="layers: expected an integer >= 0, got -1"):
        check_integer(-1, name="layers", least=0)
    for value in (2.5, 4.0, True, "3", None):
        with pytest.raises(TypeError, match=f"size: expected an integer >= 1, got {value!r}"):
            check_integer(value, name="size")


def test_empty_axes_and_one_matrix_in_place_of_several():
    message = r"x: expected \(\.\.\., c, t\) with t of at least 1, got shape \(2, 3, 0\)"
    with pytest.raises(ValueError, match=message):
        check_filled(torch.zeros(2, 3, 0), "... c t", name="x", filled="c t")
    for shape in ((4, 33), (33,)):
        with pytest.raises(TypeError, match=r"logits: expected a list of tensors, got one .*; pass \[logits\]"):
            check_sequence(torch.zeros(shape), name="logits")
    with pytest.raises(TypeError, match="logits: expected a list of tensors, got NoneType"):
        check_sequence(None, name="logits")


def test_a_missing_extra_names_the_command_and_a_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    with pytest.raises(ImportError, match=r'pip install "skelblocks\[viz\]"'):
        require("no_such_package.sub", extra="viz")
    for module in ("sklearn", "sklearn.metrics"):  # which another test may have imported
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"the package 'scikit-learn': pip install \"skelblocks\[eval\]\""):
        require("sklearn.metrics", extra="eval")
    (tmp_path / "half_installed.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        require("half_installed", extra="viz")


@pytest.mark.parametrize("values", [5, 2.5, "12", None])
def test_one_number_is_no_sequence(values):
    with pytest.raises(TypeError, match="topk: expected a sequence of integers >= 1, got"):
        check_integers(values, name="topk")


@pytest.mark.parametrize(
    ("values", "error"), [([], ValueError), ([0], ValueError), ([1.0], TypeError), ([True], TypeError)]
)
def test_sequences_of_other_numbers(values, error):
    with pytest.raises(error, match="topk: expected"):
        check_integers(values, name="topk")
    check_integers(np.array([1, 2]), name="topk")


@pytest.mark.parametrize(
    ("value", "error"),
    [(np.nan, ValueError), (np.inf, ValueError), (-1.0, ValueError), ("1", TypeError), (True, TypeError)],
)
def test_numbers(value, error):
    with pytest.raises(error, match="momentum: expected a finite number >= 0, got"):
        check_number(value, name="momentum")
    check_number(np.float32(0.5), name="momentum")


@pytest.mark.parametrize("value", ["0.5", None, [0.5], {}])
def test_what_is_no_number_has_an_error_of_its_own(value):
    for check in (check_positive, check_probability):
        with pytest.raises(TypeError, match=r"p: expected a .*, got"):
            check(value, name="p")
