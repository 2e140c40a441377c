from types import SimpleNamespace

import pytest

from skelblocks.training.pictures import accuracy_curves

pytest.importorskip("matplotlib")

HISTORY = [{"epoch": 1.0}, {"epoch": 2.0, "knn": 60.0, "linear": 70.0}, {"epoch": 4.0, "knn": 65.0, "linear": 80.0}]


def sets(*names):
    return SimpleNamespace(test=SimpleNamespace(class_names=names))


def test_accuracies_are_drawn_from_zero_with_chance_and_further_levels():
    figure = accuracy_curves(HISTORY, sets=sets("wave", "clap", "bow", "kick"), levels={"untrained": 40.0})
    (axes,) = figure.axes
    heights = {
        text.get_text(): line.get_ydata()[0]
        for text, line in zip(figure.legends[0].get_texts(), axes.lines, strict=True)
    }
    assert heights == {"kNN": 60, "linear probe": 70, "untrained": 40, "chance": 25}
    assert axes.lines[0].get_xdata().tolist() == [2, 4]
    assert axes.get_ylim()[0] == 0


def test_without_names_of_classes_chance_is_unknown():
    figure = accuracy_curves(HISTORY, sets=sets())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["kNN", "linear probe"]
