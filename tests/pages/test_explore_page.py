import re

import numpy as np
import pytest
import torch
from explored_page import HOSTILE, carried, small_page, small_set

from skelblocks._utils.escape import escape
from skelblocks.evaluation import nearest_neighbors
from skelblocks.pages import explore_page, neighbor_scores
from skelblocks.pages.explore_columns import cluster_column, dataset_columns
from skelblocks.viz.plane_points import plane_points


def test_the_neighbors_are_those_of_nearest_neighbors():
    dataset, features = small_set()
    found = carried(small_page(dataset, features))
    cosines, places = nearest_neighbors(features, features, k=3, exclude_self=True)
    np.testing.assert_array_equal(found["neighbors"], places)
    np.testing.assert_array_equal(found["similarities"], cosines)


def test_points_keep_their_shape():
    dataset, features = small_set()
    points = plane_points(features.numpy(), method="pca").points
    places = carried(small_page(dataset, features))["places"][0].astype(np.float64)
    side = np.ptp(points, axis=0).max()
    for i, j in ((0, 1), (3, 17), (5, 22)):
        expected = np.linalg.norm(points[i] - points[j]) / side * 65535
        assert abs(np.linalg.norm(places[i] - places[j]) - expected) <= 2


def test_columns_are_class_groups_cluster_and_prediction():
    dataset, features = small_set()
    scores = neighbor_scores({"encoder": features}, dataset.labels, k=3)
    found = carried(small_page(dataset, features))
    columns = {column["name"]: i for i, column in enumerate(found["explore"]["columns"])}
    assert list(columns) == ["class", "subject", "view", "cluster", "predicted"]
    np.testing.assert_array_equal(found["columns"][0], dataset.labels)
    np.testing.assert_array_equal(found["columns"][columns["predicted"]], scores.predicted)
    labels = found["explore"]["columns"][columns["subject"]]["labels"]
    assert [labels[i] for i in found["columns"][columns["subject"]]] == [str(each) for each in dataset.subjects]


def test_names_are_nowhere_in_the_markup():
    dataset, features = small_set(class_names=["<b>a</b>", "</title>", "b", "c"])
    html = small_page(dataset, features, title="<i>title", facts=[("<u>", "<s>")])
    outside = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", html, flags=re.DOTALL)
    assert not re.search(r"<(img|b|i|u|s)\b", outside)
    assert "&lt;i&gt;title" in outside
    found = carried(html)["explore"]
    assert found["names"][: len(HOSTILE)] == [escape(name) for name in HOSTILE]


def test_clips_without_labels_are_colored_by_cluster():
    dataset, features = small_set(labels=None, class_names=None, subjects=None, views=None)
    found = carried(explore_page(dataset, features, maps=("pca",)))
    assert [column["name"] for column in found["explore"]["columns"]] == ["cluster"]
    assert found["explore"]["color"] == "cluster"


def test_groups_with_a_value_a_clip_are_no_columns():
    dataset, _ = small_set(arrays={"number": np.arange(24) * 1.5, "fold": np.arange(24) % 2})
    assert [column.name for column in dataset_columns(dataset)] == ["class", "subject", "view", "fold"]


def test_clusters_are_numbered_from_the_largest():
    features = torch.eye(3).repeat_interleave(torch.tensor([2, 5, 3]), dim=0)
    column = cluster_column(features, clusters=4, seed=0)
    assert column.values.tolist() == [2, 2, 0, 0, 0, 0, 0, 1, 1, 1]
    assert column.labels == ("1", "2", "3")


def test_scores_without_a_split():
    close = torch.tensor([[1, 0.0], [1, 0.1], [1, 0.2], [0, 1], [0.1, 1], [-1, 0]])
    labels = torch.tensor([0, 0, 1, 1, 1, -1])
    scores = neighbor_scores({"a": close, "b": torch.flip(close, [0])}, labels, k=9)
    assert scores.columns == ("features", "1 neighbor, %", "4 neighbors, %")
    assert scores.rows[0] == ("a", "60.0", "40.0")  # with four neighbors class 0 is outvoted
    assert scores.predicted.tolist() == [1, 1, 0, 1, 1, -1]
    assert [name for name, *_ in scores.rows] == ["a", "b"]


def test_a_tie_goes_to_the_nearest():
    features = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.3], [-1.0, 0.2]])
    scores = neighbor_scores({"a": features}, torch.tensor([0, 1, 2, 0]), k=2)
    assert scores.predicted[0] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": torch.ones(5, 3)}, "features: expected one row for each of the 24 clips, got 5"),
        ({"features": torch.full((24, 3), torch.nan)}, "features: expected finite"),
        ({"features": torch.ones(24)}, "features"),
        ({"maps": ()}, "maps: expected different maps"),
        ({"maps": ("pca", "pca")}, "maps: expected different maps"),
        ({"maps": ("sne",)}, "maps"),
        ({"color": "sex"}, "color: expected one of class, subject, view, cluster, got 'sex'"),
        ({"neighbors": 0}, "neighbors"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_input(changes, message):
    dataset, features = small_set()
    arguments = {"features": features, **changes}
    with pytest.raises(ValueError, match=message):
        explore_page(dataset, arguments.pop("features"), **arguments)


def test_wrong_scores():
    with pytest.raises(ValueError, match="labels: expected at least two"):
        neighbor_scores({"a": torch.ones(3, 2)}, torch.tensor([0, -1, -1]))


def test_two_clips_are_too_few():
    dataset, features = small_set()
    with pytest.raises(ValueError, match="at least three clips"):
        explore_page(dataset.subset([0, 1]), features[:2])
