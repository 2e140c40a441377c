import sys
import types

import numpy as np
import pytest
import torch

from skelblocks.viz import embedding_scatter

pytest.importorskip("matplotlib")


def blobs(classes=3, each=20, d=8):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(classes).repeat_interleave(each)
    return 5 * torch.randn(classes, d, generator=generator)[labels] + torch.randn(
        classes * each, d, generator=generator
    ), labels


def points_of(figure):
    return [np.asarray(dots.get_offsets()) for dots in figure.axes[0].collections]


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_draws_every_sample_once_apart_by_class(method, rendered):
    if method == "tsne":
        pytest.importorskip("sklearn")
    x, y = blobs()
    figure = embedding_scatter(x, y, method=method, class_names=["wave", "clap", "walk"], title="Before training")
    points = points_of(figure)
    assert [len(own) for own in points] == [20, 20, 20]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["wave", "clap", "walk"]
    assert figure.axes[0].get_title() == "Before training"
    centers = np.stack([own.mean(axis=0) for own in points])
    within = max(np.linalg.norm(own - center, axis=1).mean() for own, center in zip(points, centers, strict=True))
    between = min(np.linalg.norm(centers[i] - centers[j]) for i in range(3) for j in range(i))
    assert between > 2 * within
    rendered(figure)


def test_pca_is_that_of_the_unit_features():
    x, y = blobs(classes=1, each=30)
    unit = (x / x.norm(dim=1, keepdim=True)).double().numpy()
    unit -= unit.mean(axis=0)
    values, vectors = np.linalg.eigh(unit.T @ unit)
    figure = embedding_scatter(x * torch.rand(30, 1).add(0.1), y, method="pca")
    got = points_of(figure)[0]
    np.testing.assert_allclose(np.abs(got), np.abs(unit @ vectors[:, [-1, -2]]), atol=1e-5)
    assert figure.axes[0].get_xlabel() == f"component 1 ({values[-1] / values.sum():.0%} of the variance)"


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_same_seed_same_picture_and_the_global_generators_are_untouched(method):
    if method == "tsne":
        pytest.importorskip("sklearn")
    x, y = blobs(each=5)
    np.random.seed(0)  # noqa: NPY002, the global one is what is looked at
    before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    one, two = (np.concatenate(points_of(embedding_scatter(x, y, method=method, seed=3))) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert torch.get_rng_state().equal(torch_before)


@pytest.mark.parametrize("classes", [1, 11, 130])
def test_many_classes_have_marks_of_their_own_and_a_legend_inside(classes, rendered):
    x, y = blobs(classes=classes, each=3)
    figure = embedding_scatter(x, y, method="pca", class_names=[f"some action {i}" for i in range(classes)])
    looks = {
        (tuple(dots.get_facecolor()[0]), dots.get_paths()[0].vertices.tobytes()) for dots in figure.axes[0].collections
    }
    assert len(looks) == min(classes, 80)
    rendered(figure)


def test_labels_that_do_not_occur_are_not_listed():
    x, _ = blobs(classes=1, each=10)
    figure = embedding_scatter(x, [0] * 5 + [7] * 5, method="pca")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "7"]


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_degenerate_features_still_have_a_place(method):
    if method == "tsne":
        pytest.importorskip("sklearn")
    for x in (torch.zeros(4, 3), torch.ones(4, 1), torch.ones(4, 3) + 1e-12 * torch.eye(4, 3).double()):
        assert np.isfinite(points_of(embedding_scatter(x, [0] * 4, method=method))[0]).all()


def test_pca_needs_no_scikit_learn(monkeypatch):
    x, y = blobs()
    for name in ("sklearn", "sklearn.manifold"):
        monkeypatch.setitem(sys.modules, name, None)
    embedding_scatter(x, y, method="pca")
    with pytest.raises(ImportError, match=r"skelblocks\[eval\]"):
        embedding_scatter(x, y, method="tsne")


def test_points_are_drawn_where_they_are():
    x = torch.tensor([[0.0, 1.0], [20.0, 3.0], [-4.0, 5.0]])
    figure = embedding_scatter(x, [0, 1, 0], method=None)
    np.testing.assert_array_equal(points_of(figure)[0], x[[0, 2]])
    np.testing.assert_array_equal(points_of(figure)[1], x[[1]])
    assert len(figure.axes[0].get_xticks())


@pytest.mark.parametrize(("count", "neighbors", "init"), [(6, 5, "random"), (60, 15, "spectral")])
def test_umap_gets_unit_features_a_seed_and_fewer_neighbours_than_samples(monkeypatch, count, neighbors, init):
    asked = {}

    class UMAP:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, x):
            asked["norms"] = np.linalg.norm(x, axis=1)
            return 7 * x[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=UMAP))
    x, y = blobs(each=count // 3)
    figure = embedding_scatter(x, y, method="umap", seed=5)
    np.testing.assert_allclose(asked.pop("norms"), 1)
    assert asked == {"n_neighbors": neighbors, "init": init, "random_state": 5, "n_jobs": 1}
    unit = (x / x.norm(dim=1, keepdim=True)).numpy()
    np.testing.assert_allclose(np.concatenate(points_of(figure)), 7 * unit[:, :2], rtol=1e-5)
    assert not len(figure.axes[0].get_xticks())


def test_umap_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"skelblocks\[umap\]"):
        embedding_scatter(*blobs(), method="umap")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("count", [3, 6, 60])
def test_umap_keeps_classes_apart_and_leaves_the_global_generators_alone(count):
    pytest.importorskip("umap")
    x, y = blobs(each=count // 3)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = (points_of(embedding_scatter(x, y, method="umap", seed=3)) for _ in range(2))
    np.testing.assert_array_equal(np.concatenate(one), np.concatenate(two))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    if count == 60:
        centers = np.stack([own.mean(axis=0) for own in one])
        within = max(np.linalg.norm(own - center, axis=1).mean() for own, center in zip(one, centers, strict=True))
        assert min(np.linalg.norm(centers[i] - centers[j]) for i in range(3) for j in range(i)) > 2 * within


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.zeros(2, 3)}, r"features: expected \(n, d\) with n >= 3"),
        ({"features": torch.zeros(4, 3, 1)}, r"features: expected \(n, d\)"),
        ({"features": torch.full((4, 3), torch.inf)}, "features: expected finite numbers"),
        ({"labels": [0, 1]}, "labels: expected 4 integers from 0"),
        ({"labels": [0.0, 1.0, 2.0, 3.0]}, "labels: expected 4 integers from 0"),
        ({"labels": [0, 1, 2, -1]}, "labels: expected 4 integers from 0"),
        ({"class_names": ["a"]}, "class_names: expected a name for each of 4 classes, got 1"),
        ({"method": "lda"}, "method: expected one of 'tsne', 'umap', 'pca', None"),
        ({"method": None}, r"features: expected points \(n, 2\) with method=None, got shape \(4, 3\)"),
        ({"neighbors": 1}, "neighbors: expected an integer >= 2, got 1"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, message):
    arguments = {"features": torch.randn(4, 3), "labels": [0, 1, 2, 3], "method": "pca", **change}
    with pytest.raises(ValueError, match=message):
        embedding_scatter(**arguments)


def test_every_name_is_in_the_legend_as_it_is_written():
    features, labels = torch.randn(9, 4), torch.arange(3).repeat(3)
    names = ["_idle", "a$b_{c$", "walk"]
    figure = embedding_scatter(features, labels, class_names=names, method="pca")
    figure.canvas.draw()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_idle", "a$b_{c$", "walk"]
