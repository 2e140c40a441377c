"""SideBySide: several encoders as one."""

import pytest
import torch
from torch import nn

from skelblocks import layouts
from skelblocks.encoders import DSTA, STGCN, BiGRU, SideBySide, pool


def small(layout="coco-17", **options):
    return STGCN(layout, base_channels=4, **{"out_channels": 16, **options})


def test_maps_are_joined_in_the_order_of_the_encoders():
    first, second = small().eval(), small(out_channels=8).eval()
    x = torch.randn(2, 3, 12, 17, 2)
    y = SideBySide(first, second)(x)
    assert y.equal(torch.cat([first(x), second(x)], dim=2))
    torch.testing.assert_close(pool(y), torch.cat([pool(first(x)), pool(second(x))], dim=1))


def test_attributes():
    encoder = SideBySide(small(in_channels=2), small(in_channels=2, out_channels=8))
    assert (encoder.layout, encoder.in_channels, encoder.out_channels) == (layouts.get("coco-17"), 2, 24)
    assert SideBySide(encoder, small(in_channels=2)).out_channels == 40


def test_one_encoder_alone():
    encoder = small().eval()
    x = torch.randn(2, 3, 12, 17, 1)
    assert SideBySide(encoder)(x).equal(encoder(x))


def test_other_kinds_of_encoders():
    pair = SideBySide(small(), DSTA("coco-17", frames=12, layers=[(8, 8, 4, 2), (8, 8, 4, 2)]))
    assert pair(torch.randn(2, 3, 12, 17, 1)).shape == (2, 1, 24, 3, 17)


@pytest.mark.parametrize(
    ("encoders", "error", "message"),
    [
        ([], TypeError, "expected at least one encoder"),
        ([[nn.Identity()]], TypeError, "got list at place 0; unpack"),
        ([nn.Linear(3, 3)], TypeError, "got Linear without layout, in_channels, out_channels at place 0"),
        ([small(), small("nw-ucla")], ValueError, "expected the layout of encoder 0, 'coco-17', got 'nw-ucla'"),
        ([small(), small(in_channels=2)], ValueError, "expected the in_channels of encoder 0, 3, got 2"),
    ],
)
def test_encoders_that_do_not_fit(encoders, error, message):
    with pytest.raises(error, match=message):
        SideBySide(*encoders)


def test_maps_that_do_not_fit():
    encoder = SideBySide(small(), BiGRU("coco-17", persons=1, hidden_features=4))
    with pytest.raises(ValueError, match=r"differ only in c, got \(2, 1, 16, 3, 17\) from encoder 0 and"):
        encoder(torch.randn(2, 3, 12, 17, 1))
