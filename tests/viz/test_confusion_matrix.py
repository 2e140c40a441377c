import itertools

import numpy as np
import pytest
import torch

from skelblocks.viz import class_accuracy, confusion_matrix

pytest.importorskip("matplotlib")

COUNTS = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])


@pytest.mark.parametrize("draw", [confusion_matrix, class_accuracy])
def test_counts_and_predictions_with_labels_give_the_same(draw):
    pairs = [(i, j) for (i, j), count in np.ndenumerate(COUNTS) for _ in range(count)]
    labels, predicted = torch.tensor(pairs).T
    names = ["a", "b", "c"]
    figures = draw(COUNTS, class_names=names), draw((predicted, labels), class_names=names)

    def look(figure):
        axes = figure.axes[0]
        return (
            [np.ma.filled(image.get_array(), -1).tolist() for image in axes.images],
            [bar.get_bbox().bounds for bar in axes.patches],
            [text.get_text() for text in axes.texts],
        )

    assert look(figures[0]) == look(figures[1])
    assert any(look(figures[0]))


@pytest.mark.parametrize(
    ("normalize", "expected", "texts"),
    [
        ("true", [[0.75, 0.25, 0], [0.25, 0.75, 0], [-1, -1, -1]], ["75", "25", "25", "75"]),
        ("predicted", [[6 / 7, 0.4, -1], [1 / 7, 0.6, -1], [0, 0, -1]], ["86", "40", "14", "60"]),
        (None, COUNTS, ["6", "2", "1", "3"]),
    ],
)
def test_rows_columns_or_counts(normalize, expected, texts):
    figure = confusion_matrix(torch.from_numpy(COUNTS), normalize=normalize)
    axes = figure.axes[0]
    np.testing.assert_allclose(np.ma.filled(axes.images[0].get_array(), -1), expected)
    assert [text.get_text() for text in axes.texts] == texts
    assert [text.get_position() for text in axes.texts] == [(0, 0), (1, 0), (0, 1), (1, 1)]  # column, row
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert figure.axes[1].get_ylabel()


@pytest.mark.parametrize(
    ("classes", "numbered", "step"), [(2, True, 1), (27, True, 1), (60, False, 1), (120, False, 2)]
)
def test_many_classes_are_readable(classes, numbered, step, rendered):
    figure = confusion_matrix(np.eye(classes), class_names=[f"some long action {i}" for i in range(classes)])
    axes = figure.axes[0]
    assert bool(axes.texts) == numbered
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        f"some long action {i}" for i in range(0, classes, step)
    ]
    rendered(figure)
    labels = [text.get_window_extent() for text in axes.get_yticklabels()]
    overlaps = [upper.y0 - lower.y1 for upper, lower in itertools.pairwise(labels)]
    assert min(overlaps) > -1  # pixels; letters with a tail touch at most


def test_bars_are_the_recall_best_first_with_the_mean_of_those_that_occur():
    axes = class_accuracy([[1, 3, 0], [0, 4, 0], [0, 0, 0]], class_names=["a", "b", "c"]).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["b", "a", "c (no sample)"]
    assert [(bar.get_y() + bar.get_height() / 2, bar.get_width()) for bar in axes.patches] == [
        (pytest.approx(0), 100),
        (pytest.approx(1), 25),
    ]
    assert axes.lines[0].get_xdata()[0] == pytest.approx(62.5)
    assert [text.get_text() for text in axes.texts] == ["mean 62.5 %", "100", "25"]
    axes = class_accuracy([[1, 3], [0, 4]], sort=False).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "1"]


@pytest.mark.parametrize("draw", [confusion_matrix, class_accuracy])
@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        (np.zeros((2, 3)), None, r"matrix: expected counts \(c, c\), .* got shape \(2, 3\)"),
        (np.zeros((0, 0)), None, r"matrix: expected counts"),
        ([[1, -1], [0, 1]], None, "none below 0"),
        ([[1.0, float("nan")], [0, 1]], None, "matrix: expected finite numbers"),
        (np.eye(3), ["a"], "class_names: expected a name for each of 3 classes, got 1"),
        (([0, 1], [0, 1, 1]), None, "predicted: expected one for each of 3 labels, got 2"),
        (([0.0, 1.0], [0, 1]), None, "predicted: expected integers"),
        (([0, 1], [0, -1]), None, "labels: expected integers"),
        (([0, 3], [0, 1]), ["a", "b"], "class_names: expected a name for each of 4 classes, got 2"),
    ],
)
def test_wrong_arguments_say_what_was_expected(draw, matrix, names, message):
    with pytest.raises(ValueError, match=message):
        draw(matrix, class_names=names)


def test_an_unknown_share_and_an_empty_test_set_are_refused():
    with pytest.raises(ValueError, match="normalize: expected one of 'true', 'predicted', None, got 'all'"):
        confusion_matrix(COUNTS, normalize="all")
    with pytest.raises(ValueError, match="matrix: expected at least one sample"):
        class_accuracy(np.zeros((2, 2)))
