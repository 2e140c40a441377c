import sys

import numpy as np
import pytest
import torch

from skelblocks.viz import curves

pytest.importorskip("matplotlib")


def test_draws_each_series_at_its_steps(rendered):
    figure = curves(
        {
            "loss": torch.tensor([3.0, 2.0, 1.0]),
            "kNN accuracy": ([5, 10], [0.2, 0.6]),
            "linear": (np.arange(2), np.ones(2)),
        },
        xlabel="step",
        ylabel="value",
        title="Pre-training",
    )
    (axes,) = figure.axes
    data = {line.get_label(): [values.tolist() for values in line.get_data()] for line in axes.lines}
    assert data == {
        "loss": [[1, 2, 3], [3, 2, 1]],
        "kNN accuracy": [[5, 10], [0.2, 0.6]],
        "linear": [[0, 1], [1, 1]],
    }
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("step", "value", "Pre-training")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(data)
    rendered(figure)


def test_two_values_in_a_tuple_are_two_values():
    (line,) = curves({"loss": (3.0, 2.0)}).axes[0].lines
    assert line.get_ydata().tolist() == [3, 2]


def test_one_curve_names_the_axis_and_needs_no_legend(rendered):
    figure = curves({"loss": [1.0]})
    assert figure.axes[0].get_ylabel() == "loss"
    assert not figure.legends
    rendered(figure)


def test_steps_are_whole_numbers_where_they_are_counted(rendered):
    figure = curves({"loss": [3.0, 2.0]})
    rendered(figure)
    assert all(float(tick).is_integer() for tick in figure.axes[0].get_xticks())


def test_many_curves_differ_in_colour_or_stroke():
    figure = curves({f"run {i}": np.random.default_rng(i).random(40) for i in range(25)}, log=True)
    assert len({(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}) == 25
    assert figure.axes[0].get_yscale() == "log"


@pytest.mark.parametrize(
    ("series", "log", "message"),
    [
        ({}, False, "at least one of the curves"),
        ({"a": []}, False, r"series\['a'\]: expected values, or"),
        ({"a": ([1, 2], [1.0])}, False, r"of the same length, got shapes \(2,\) and \(1,\)"),
        ({"a": [[1.0]]}, False, "expected values, or"),
        ({"a": 1.0}, False, "expected values, or"),
        ({"a": [1.0, float("nan")]}, False, r"series\['a'\]: expected finite numbers"),
        ({"a": [1.0, 0.0]}, True, "expected values > 0 with log=True, got 0"),
    ],
)
def test_wrong_series_say_what_was_expected(series, log, message):
    with pytest.raises(ValueError, match=message):
        curves(series, log=log)


def test_levels_are_dashed_lines_behind_the_curves_and_in_the_legend(rendered):
    figure = curves({"kNN": [40.0, 60.0]}, levels={"raw": 50.0, "chance": torch.tensor(10.0)}, from_zero=True)
    (axes,) = figure.axes
    curve, *lines = axes.lines
    assert [line.get_ydata()[0] for line in lines] == [50, 10]
    assert all(line.get_linestyle() != "-" and line.get_zorder() < curve.get_zorder() for line in lines)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["kNN", "raw", "chance"]
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 60
    rendered(figure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": {}}, "levels: expected at least one of the levels"),
        ({"levels": {"chance": [1.0, 2.0]}}, r"levels\['chance'\]: expected one number, got shape \(2,\)"),
        ({"levels": {"chance": float("nan")}}, r"levels\['chance'\]: expected finite numbers"),
        ({"levels": {"a": 1.0}}, "levels: expected other names than the curves have, got a; rename"),
        ({"levels": {"chance": 0.0}, "log": True}, r"levels\['chance'\]: expected a value > 0 with log=True"),
        ({"from_zero": True, "log": True}, "from_zero: expected False with log=True"),
        ({"levels": {"below": -1.0}, "from_zero": True}, "from_zero: expected values of at least 0, got -1"),
    ],
)
def test_wrong_levels_say_what_was_expected(arguments, message):
    with pytest.raises(ValueError, match=message):
        curves({"a": [1.0, 2.0]}, **arguments)


def test_words_are_no_values():
    with pytest.raises(TypeError, match="expected numbers"):
        curves({"a": ["high", "low"]})


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"skelblocks\[viz\]"):
        curves({"a": [1.0]})


def test_names_that_begin_with_an_underscore_are_in_the_legend():
    figure = curves({"_loss": [2.0, 1.0], "knn": [1.0, 2.0]})
    figure.canvas.draw()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_loss", "knn"]
