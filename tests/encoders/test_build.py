"""build_encoder: an encoder from its kind and a few settings."""

import pytest
import torch

from skelblocks import layouts
from skelblocks.encoders import DSTA, STGCN, BiGRU, build_encoder
from skelblocks.encoders.build import KINDS


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_papers_sizes():
    stgcn, dsta, bigru = (build_encoder(kind, layout="ntu-rgb+d", frames=64) for kind in KINDS)
    assert (type(stgcn), type(dsta), type(bigru)) == (STGCN, DSTA, BiGRU)
    assert (stgcn.out_channels, dsta.out_channels, bigru.out_channels) == (256, 256, 2048)
    assert (parameters(stgcn), parameters(dsta)) == (821_380, 1_935_613)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_of_the_maps(kind):
    encoder = build_encoder(
        kind, layout="coco-17", in_channels=2, persons=1, frames=12, base_channels=4, out_channels=32
    ).eval()
    y = encoder(torch.randn(2, 2, 12, 17, 1))
    assert y.shape == {"bigru": (2, 1, 32, 12, 1)}.get(kind, (2, 1, 32, 3, 17))
    assert (encoder.layout, encoder.in_channels, encoder.out_channels) == (layouts.get("coco-17"), 2, 32)


def test_settings_reach_the_encoder():
    stgcn = build_encoder(
        "stgcn", layout="sbu", base_channels=8, dropout=0.25, graph="agcn", absent="skip", checkpoint=True
    )
    assert (stgcn.base_channels, stgcn.dropout, stgcn.strategy) == (8, 0.25, "agcn")
    assert (stgcn.absent, stgcn.checkpoint) == ("skip", True)
    dsta = build_encoder("dsta", layout="sbu", frames=20, out_channels=64, dropout=0.25, absent="skip")
    assert (dsta.frames, dsta.dropout, dsta.absent) == (20, 0.25, "skip")
    assert dsta.layers == ((16, 16, 4, 1), (16, 32, 8, 2), (32, 32, 8, 1), (32, 64, 16, 2), (64, 64, 16, 1))
    assert build_encoder("bigru", layout="sbu", persons=1, out_channels=8).persons == 1


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        ("gcn", {}, ValueError, "kind: expected one of 'stgcn', 'dsta', 'bigru', got 'gcn'"),
        ("dsta", {}, ValueError, "frames: expected the frames of a clip"),
        ("dsta", {"frames": 8, "out_channels": 40}, ValueError, "a multiple of 16 for 'dsta', got 40; take 48"),
        ("bigru", {"out_channels": 5}, ValueError, "out_channels: expected a multiple of 2 for 'bigru', got 5"),
        ("stgcn", {"out_channels": 0}, ValueError, "out_channels: expected an integer >= 1, got 0"),
        ("bigru", {"out_channels": 8.0}, TypeError, "out_channels: expected an integer >= 1, got 8.0"),
        ("stgcn", {"graph": "bones"}, ValueError, "strategy: expected one of"),
    ],
)
def test_settings_that_no_encoder_has(kind, options, error, message):
    with pytest.raises(error, match=message):
        build_encoder(kind, layout="coco-17", **options)
