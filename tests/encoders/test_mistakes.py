"""Common mistakes in calls of encoders and attention get an error that says how to mend them."""

import math

import pytest
import torch
from einops import rearrange

from skelblocks.attention import EADM, MHSAM, MsMAttention, eadm, energy_attention, motion_difference, soft_mask_pool
from skelblocks.encoders import (
    DSTA,
    STGCN,
    BiGRU,
    DSTABlock,
    GraphConvolution,
    Pool,
    RegionPool,
    STGCNBlock,
    graph_convolution,
    initialize_official,
    pool,
    positional_encoding,
    region_pool,
)

NAN = math.nan


def encoders():
    return [
        STGCN("sbu", base_channels=2, out_channels=4),
        DSTA("sbu", frames=12, layers=[(4, 4, 2, 1)]),
        BiGRU("sbu", hidden_features=2),
    ]


KINDS = ["stgcn", "dsta", "bigru"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: MsMAttention(64, "ntu-rgb+d"),
            r"MsMAttention: .*\(channels\), got 2; .*layout=...",
        ),
        (lambda: MHSAM(64, 8), r"MHSAM: expected 1 positional argument \(channels\), got 2; .* num_heads=..."),
        (lambda: EADM(0.7, "official"), "EADM: expected 1 positional .* variant=..."),
        (lambda: STGCN("sbu", 3), r"STGCN: expected 1 positional argument \(layout\), got 2; .* in_channels=..."),
        (lambda: DSTA("sbu", 50), "DSTA: expected 1 positional .* frames=..."),
        (lambda: BiGRU("sbu", 3), "BiGRU: expected 1 positional .* in_channels=..."),
        (lambda: STGCN("sbu", base_channel=4), "STGCN: .* got base_channel; did you mean base_channels"),
        (lambda: motion_difference(torch.zeros(2, 3), "frame"), "motion_difference: expected 1 positional .* motion="),
        (lambda: encoders()[0](torch.zeros(2, 3, 8, 15, 1), torch.tensor([0])), "STGCN: .* keep_joints=..."),
    ],
)
def test_arguments_by_position(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda n: STGCN("sbu", base_channels=n), "base_channels"),
        (lambda n: STGCN("sbu", max_hop=n), "max_hop"),
        (lambda n: BiGRU("sbu", hidden_features=n), "hidden_features"),
        (lambda n: BiGRU("sbu", num_layers=n), "num_layers"),
        (lambda n: MsMAttention(64, layout="sbu", reduction=n), "reduction"),
        (lambda n: MsMAttention(n, layout="sbu"), "channels"),
        (lambda n: MsMAttention(64, layout="sbu", segment=n), "segment"),
        (lambda n: MHSAM(n), "channels"),
        (lambda n: MHSAM(64, num_heads=n), "num_heads"),
        (lambda n: DSTA("sbu", frames=n), "frames"),
        (lambda n: DSTA("sbu", frames=4, layers=[(4, 4, 2, n)]), r"layers\[0\], stride"),
        (lambda n: DSTABlock(4, out_channels=4, inner_channels=2, joints=5, frames=n), "frames"),
        (lambda n: STGCNBlock(4, out_channels=4, subsets=3, joints=15, stride=n), "stride"),
        (lambda n: STGCNBlock(4, out_channels=4, subsets=3, joints=15, kernel_size=n), "kernel_size"),
        (lambda n: STGCNBlock(n, out_channels=4, subsets=3, joints=15), "in_channels"),
        (lambda n: GraphConvolution(4, out_channels=4, subsets=n, joints=15), "subsets"),
        (lambda n: positional_encoding(n, 4), "channels"),
        (lambda n: positional_encoding(4, n), "length"),
    ],
)
def test_sizes(call, name):
    for value in (4.0, "4", None, True):
        if value is not None or name != "segment":
            with pytest.raises(TypeError, match=f"^{name}: expected an integer >= 1, got {value!r}"):
                call(value)
    for value in (0, -2):
        with pytest.raises(ValueError, match=f"^{name}: expected an integer >= 1, got {value}"):
            call(value)


@pytest.mark.parametrize("dropout", [-0.1, 1.5, NAN])
def test_probabilities(dropout):
    for call in (
        lambda: STGCN("sbu", dropout=dropout),
        lambda: STGCNBlock(4, out_channels=4, subsets=3, joints=15, dropout=dropout),
        lambda: DSTA("sbu", frames=4, dropout=dropout),
    ):
        with pytest.raises(ValueError, match="dropout: expected a probability"):
            call()


@pytest.mark.parametrize("std", [-1, NAN, math.inf])
def test_a_deviation_that_is_none_changes_no_weight(std):
    layer = torch.nn.Linear(2, 2)
    before = layer.weight.clone()
    with pytest.raises(ValueError, match="std: expected a finite number >= 0"):
        initialize_official(layer, std=std)
    assert layer.weight.equal(before)


@pytest.mark.parametrize("encoder", encoders(), ids=KINDS)
def test_clips_of_another_dtype(encoder):
    x = torch.zeros(2, 3, 12, 15, 2)
    for dtype, shown in ((torch.float64, "torch.float64"), (torch.float16, "torch.float16")):
        message = rf"x: expected torch.float32 like the module's weights, got {shown}; convert it with x\.float\(\)"
        with pytest.raises(TypeError, match=message):
            encoder(x.to(dtype))
    with pytest.raises(TypeError, match=r"x: expected torch.float64 .* convert it with x\.double\(\)"):
        encoder.double()(x)
    encoder.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoder(x.bfloat16())
        with pytest.raises(TypeError, match=r"got torch\.float64"):
            encoder(x.double())


@pytest.mark.parametrize(
    "call",
    [
        MsMAttention(8, layout="sbu"),
        MHSAM(8),
        lambda x: DSTABlock(8, out_channels=8, inner_channels=2, joints=15, frames=4)(x),
        lambda x: graph_convolution(x, torch.zeros(8, 8), None, torch.zeros(1, 15, 15)),
    ],
    ids=["MsMAttention", "MHSAM", "DSTABlock", "graph_convolution"],
)
def test_maps_of_another_dtype(call):
    with pytest.raises(TypeError, match=r"expected torch.float32 .* got torch.float64; convert it with \w+\.float\(\)"):
        call(torch.zeros(2, 8, 4, 15, dtype=torch.float64))


@pytest.mark.parametrize("encoder", encoders(), ids=KINDS)
@pytest.mark.parametrize("order", ["n m t v c", "n t m v c", "n t v c m"])
def test_clips_in_another_order_of_axes(encoder, order):
    x = torch.randn(4, 3, 12, 15, 2)
    other = rearrange(x, f"n c t v m -> {order}")
    with pytest.raises(ValueError, match=r"x: expected .*einops\.rearrange") as error:
        encoder(other)
    _, _, remedy = str(error.value).rpartition("call einops.")
    assert eval(remedy, {"rearrange": rearrange, "x": other}).equal(x)


@pytest.mark.parametrize("encoder", encoders(), ids=KINDS)
def test_clips_without_persons_or_samples(encoder):
    with pytest.raises(ValueError, match=r"of one person, pass x\[\.\.\., None\]"):
        encoder(torch.zeros(2, 3, 12, 15))
    with pytest.raises(ValueError, match=r"one clip .*, pass x\[None\]"):
        encoder(torch.zeros(3, 12, 15, 2))


@pytest.mark.parametrize("persons", [1, 2])
def test_clips_are_no_feature_maps(persons):
    clips = torch.randn(4, 3, 50, 25, persons)
    message = r"expected an encoder's map \(n, m, c, t, v\), got shape \(4, 3, 50, 25, .\), which looks like clips"
    for call in (
        pool,
        Pool(),
        lambda x: region_pool(x, torch.zeros(25, persons, dtype=torch.bool)),
        lambda x: RegionPool()(x, torch.zeros(25, persons, dtype=torch.bool)),
        lambda x: soft_mask_pool(x, torch.zeros_like(x)),
        EADM(),
        EADM().eval(),
        eadm,
        energy_attention,
    ):
        with pytest.raises(ValueError, match=message):
            call(clips)
    for call in (MHSAM(8), MsMAttention(8, layout="ntu-rgb+d")):
        with pytest.raises(ValueError, match="axis 'c' is 50, not 8"):
            call(clips)


def test_maps_of_three_persons_are_feature_maps():
    for shape in ((4, 3, 8, 13, 25), (4, 3, 8, 4, 1), (4, 1, 8, 50, 1)):
        assert pool(torch.randn(shape)).shape == (4, 8)
    assert pool(torch.randn(4, 3, 8, 13, 1, requires_grad=True)).shape == (4, 8)


@pytest.mark.parametrize("shape", [(2, 0, 8, 3, 5), (2, 1, 8, 0, 5), (2, 1, 8, 3, 0)])
def test_a_mean_over_nothing(shape):
    with pytest.raises(ValueError, match=r"feature_map: expected .* of at least 1"):
        pool(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 0, 5), (2, 3, 0)])
def test_a_difference_of_nothing(shape):
    with pytest.raises(ValueError, match=r"z: expected .* of at least 1"):
        motion_difference(torch.zeros(shape))


def test_numbers_that_are_no_features():
    with pytest.raises(TypeError, match=r"feature_map: expected a floating-point tensor, got torch\.int64"):
        pool(torch.zeros(2, 1, 8, 3, 5, dtype=torch.long))
    with pytest.raises(TypeError, match="z: expected a floating-point tensor"):
        motion_difference(torch.zeros(3, 5, dtype=torch.long))
