import numpy as np
import pytest
import torch

from skelblocks.attention import MsMAttention
from skelblocks.viz import attention_map

pytest.importorskip("matplotlib")


def images_of(figure):
    return [axes.images[0] for axes in figure.axes if axes.images]


@pytest.mark.parametrize("count", [1, 3, 4, 6])
def test_draws_every_map_in_one_scale_of_colours(count, rendered):
    maps = torch.rand(count, 13, 13, generator=torch.Generator().manual_seed(0))
    names = [f"head {i}" for i in range(count)]
    figure = attention_map(maps, names=names, title="Attention")
    images = images_of(figure)
    for image, matrix in zip(images, maps, strict=True):
        np.testing.assert_array_equal(np.asarray(image.get_array()), matrix.numpy())
        assert image.get_clim() == (0, pytest.approx(maps.max().item()))
    assert [axes.get_title() for axes in figure.axes[:count]] == names
    assert figure.axes[0].get_ylabel() == "frame"
    assert figure.axes[count - 1].get_xlabel() == "attended frame"
    rendered(figure)


def test_one_matrix_and_a_sequence_of_other_sizes(rendered):
    assert len(images_of(attention_map(np.eye(5)))) == 1
    figure = attention_map([torch.eye(5), torch.eye(9)], xlabel="key", ylabel="query")
    assert [image.get_array().shape for image in images_of(figure)] == [(5, 5), (9, 9)]
    assert figure.axes[0].get_xlabel() == "key"
    rendered(figure)


def test_what_msm_attention_returns_can_be_drawn():
    attend = MsMAttention(16, layout="nw-ucla", similarity="cosine")
    _, weights = attend(torch.randn(2, 1, 16, 7, 20), return_attention=True)
    figure = attention_map([matrix[0, 0] for matrix in weights], names=attend.scales)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["joint", "part", "body"]


def test_maps_of_zeros_and_of_negative_numbers_have_a_scale(rendered):
    rendered(attention_map(torch.zeros(3, 3)))
    (image,) = images_of(attention_map(torch.tensor([[-2.0, 1.0]])))
    assert image.get_clim() == (-2, 1)


@pytest.mark.parametrize(
    ("attention", "names", "message"),
    [
        (torch.zeros(3), None, r"attention: expected \(t, t\)"),
        (torch.zeros(2, 2, 3, 3), None, r"attention: expected \(t, t\)"),
        ([], None, "got none"),
        (torch.zeros(0, 3, 3), None, "got none"),
        ([torch.zeros(2, 2), torch.zeros(2)], None, "attention: expected"),
        (torch.zeros(2, 3, 3), ["one"], "names: expected a list with one for each of 2 maps"),
        (torch.full((3, 3), torch.nan), None, "attention: expected finite numbers"),
    ],
)
def test_wrong_arguments_say_what_was_expected(attention, names, message):
    with pytest.raises(ValueError, match=message):
        attention_map(attention, names=names)


def test_limits_set_the_colors():
    soft = torch.tensor([[0.5, 0.6], [0.55, 0.5]])
    image = attention_map(soft, limits=(0.5, 0.6)).axes[0].images[0]
    assert image.get_clim() == (0.5, 0.6)
    assert attention_map(soft).axes[0].images[0].get_clim()[0] == 0.0
    with pytest.raises(ValueError, match=r"limits: expected two finite numbers .*, got \(0.6, 0.5\)"):
        attention_map(soft, limits=(0.6, 0.5))
