import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skelblocks.attention import MHSAM, MsMAttention
from skelblocks.contrast import MomentumEncoder, MomentumQueue
from skelblocks.encoders import STGCN, Pool, ProjectionHead
from skelblocks.evaluation import ModelCost, model_cost
from skelblocks.testing import with_cuda

NTU = "ntu-rgb+d"


class Method(nn.Module):
    """Query, optionally a strong branch with or without MsM attention, and a key branch."""

    def __init__(self, *, strong=False, attend=False):
        super().__init__()
        self.query = nn.Sequential(STGCN(NTU), Pool(), ProjectionHead())
        self.key = MomentumEncoder(self.query)
        self.attention = MsMAttention(256, layout=NTU) if attend else None
        self.strong = strong or attend

    def forward(self, query, strong, key):
        encoder, pool, head = self.query
        out = [self.query(query), self.key(key)]
        if self.strong:
            strong_map = encoder(strong)
            maps = [strong_map] if self.attention is None else self.attention(strong_map)
            out += [head(pool(each)) for each in maps]
        return out


def blocks(base=16, frames=50):
    """Channels in and out, frames in and out of ST-GCN's ten blocks."""
    widths = [3, *[base] * 4, *[2 * base] * 3, *[4 * base] * 2, 256]
    for i in range(10):
        out = -(-frames // 2) if i in (4, 7) else frames
        yield i, widths[i], widths[i + 1], frames, out
        frames = out


def table9_by_hand(*, frames=50, persons=2, joints=25, base=16):
    """One clip through encoder and head: 1x1 and 9x1 convolutions, linear layers, 2 a normalized number."""
    total = 2 * 3 * frames * joints
    for i, c, o, t, t_out in blocks(base, frames):
        total += joints * (3 * c * o * t + 2 * o * t + 9 * o * o * t_out + 2 * o * t_out)
        if i and (c != o or t != t_out):
            total += joints * (c * o * t_out + 2 * o * t_out)
    return persons * total + 256 * 256 + 256 * 128


def torch_by_hand(*, frames=50, persons=2, joints=25, base=16):
    """Products of one clip in this package's order: neighbors gathered, weights applied, then the convolutions."""
    total = bias = 0
    for i, c, o, t, t_out in blocks(base, frames):
        total += t * joints * 3 * c * joints + t * joints * 3 * c * o + joints * 9 * o * o * t_out
        if i and (c != o or t != t_out):
            total += joints * c * o * t_out
        bias += joints * 3 * o  # once, whatever the batch
    return persons * total + bias


def meta(n=128, frames=50):
    return torch.zeros(n, 3, frames, 25, 2, device="meta")


@pytest.mark.parametrize(
    ("method", "giga", "printed"),
    [
        ({}, 145.8, "1.5e+02"),
        ({"strong": True}, 218.8, "2.2e+02"),
        ({"attend": True}, 221.0, "2.2e+02"),
    ],
    ids=["SkeletonCLR", "AimCLR", "MsMCLR"],
)
def test_table_9_of_msmclr(method, giga, printed):
    cost = model_cost(Method(**method).to("meta"), meta(), meta(), meta(), convention="table9")
    assert cost.flops / 1e9 == pytest.approx(giga, abs=0.05)
    assert f"{cost.flops / 1e9:.1e}" == printed
    assert cost.macs == cost.flops
    attention = 16_672 if method.get("attend") else 0
    assert cost.parameters == 2 * 920_068 + attention
    assert cost.trainable_parameters == 920_068 + attention


def test_table_9_of_crossclr_is_four_branches():
    branch = model_cost(Method().query.to("meta"), meta(), convention="table9")
    assert f"{4 * branch.flops / 1e9:.1e}" == "2.9e+02"
    assert branch.flops == 128 * table9_by_hand() == 128 * 569_670_104


@pytest.mark.parametrize(("frames", "base"), [(64, 16), (50, 64), (7, 4)])
def test_both_conventions_are_the_arithmetic_at_other_sizes(frames, base):
    branch = nn.Sequential(STGCN(NTU, base_channels=base), Pool(), ProjectionHead()).to("meta")
    table9 = model_cost(branch, meta(3, frames), convention="table9")
    assert table9.macs == 3 * table9_by_hand(frames=frames, base=base)
    encoder = STGCN(NTU, base_channels=base).to("meta")
    cost = model_cost(encoder, meta(1, frames))
    assert cost.macs == torch_by_hand(frames=frames, base=base)
    assert cost.flops == 2 * cost.macs


@pytest.mark.parametrize("convention", ["torch", "table9"])
def test_a_real_forward_counts_as_the_meta_device_does(convention):
    encoder = STGCN(NTU, base_channels=4, out_channels=16)
    x = torch.randn(2, 3, 10, 25, 2)
    real = model_cost(encoder, x, convention=convention)
    assert real == model_cost(encoder.to("meta"), x.to("meta"), convention=convention)


@pytest.mark.parametrize(
    ("module", "x", "products"),
    [
        (nn.Linear(8, 4), (2, 10, 8), 20 * 8 * 4),
        (nn.Conv1d(6, 4, 3, groups=2), (2, 6, 10), 2 * 8 * 4 * 3 * 3),
        (nn.Conv2d(6, 4, (3, 1), stride=(2, 1), bias=False), (2, 6, 11, 5), 2 * 5 * 5 * 4 * 6 * 3),
    ],
)
def test_layers_are_their_arithmetic_in_both(module, x, products):
    assert model_cost(module, torch.zeros(x)).macs == products
    assert model_cost(module, torch.zeros(x), convention="table9").macs == products


def test_normalisation_costs_in_table_9_alone():
    assert model_cost(nn.BatchNorm2d(4), torch.randn(2, 4, 3, 5)).flops == 0
    assert model_cost(nn.BatchNorm2d(4), torch.randn(2, 4, 3, 5), convention="table9").flops == 2 * 120


@pytest.mark.parametrize(
    ("module", "x", "products"),
    [
        (nn.LSTM(8, 16, batch_first=True), (2, 10, 8), 2 * 10 * 4 * 16 * (8 + 16)),
        (nn.GRU(8, 16, batch_first=True), (2, 10, 8), 2 * 10 * 3 * 16 * (8 + 16)),
        (
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(),
            (2, 10, 8),
            20 * 8 * 32 + 2 * 2 * 10 * 10 * 8 + 2 * 20 * 8 * 16,
        ),
    ],
)
def test_fused_kernels_are_counted(module, x, products):
    assert model_cost(module, torch.randn(x)).macs == products


def test_attention_by_functions_is_counted():
    c, t, v, heads = 16, 4, 5, 2
    got = model_cost(MHSAM(c, num_heads=heads), torch.randn(2, c, t, v)).macs
    assert got == model_cost(MHSAM(c, num_heads=heads).to("meta"), torch.zeros(2, c, t, v, device="meta")).macs
    query = torch.randn(2, heads, 10, 8)
    attend = model_cost(nn.Identity(), query, forward=lambda _, q: F.scaled_dot_product_attention(q, q, q))
    assert attend.macs == 2 * 2 * heads * 10 * 10 * 8
    assert got > 0


def test_parameters_and_buffers_are_counted_once_and_apart():
    first = nn.Linear(3, 3)
    module = nn.Sequential(first, first, nn.BatchNorm1d(3), MomentumQueue(4, size=8))
    module[2].weight.requires_grad_(False)
    cost = model_cost(module, torch.randn(5, 3), forward=lambda m, x: m[:3](x))
    assert (cost.parameters, cost.trainable_parameters) == (12 + 6, 12 + 3)
    assert cost.buffers == sum(b.numel() for b in module.buffers()) > 7 + 4 * 8
    assert cost.macs == 2 * 5 * 9  # called twice


class Restless(nn.Module):
    """Everything that a forward might change."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.query = nn.Linear(4, 4)
        self.key = MomentumEncoder(self.query)
        self.queue = MomentumQueue(4, size=16)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.key.update(self.query, momentum=0.5)
        y = self.key(self.layers(x))
        self.queue.enqueue(F.normalize(y, dim=1))
        return y + torch.rand_like(y)


@pytest.mark.parametrize("convention", ["torch", "table9"])
def test_leaves_the_module_and_the_random_numbers_as_they_were(convention):
    module, x = Restless(), torch.randn(6, 4)
    module.layers[1].eval()
    module.layers[0].weight.grad = torch.ones(4, 4)
    with torch.no_grad():
        module.query.weight.add_(1)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    rng, clip = torch.get_rng_state(), x.clone()
    for _ in range(2):
        cost = model_cost(module, x, convention=convention)
        assert cost.macs == 2 * 6 * 16 + (2 * 24 if convention == "table9" else 0)
    assert all(value.equal(state[name]) for name, value in module.state_dict().items())
    assert [layer.training for layer in module.layers] == [True, False, True]
    assert module.calls == 0
    assert module.layers[0].weight.grad.equal(torch.ones(4, 4))
    assert module.query.weight.grad is None
    assert not any(layer._forward_hooks for layer in module.modules())
    assert torch.get_rng_state().equal(rng)
    assert x.equal(clip)


def test_leaves_torchs_switches_as_they_were_after_an_error_too():
    def switches():
        backends = torch.backends
        return (
            backends.mkldnn.enabled,
            backends.cudnn.enabled,
            backends.mha.get_fastpath_enabled(),
            backends.cuda.flash_sdp_enabled(),
        )

    before = switches()
    assert all(before)  # torch's defaults, which the tests before this one must have left too
    model_cost(nn.Linear(3, 3), torch.zeros(1, 3))
    assert switches() == before
    with pytest.raises(RuntimeError):
        model_cost(nn.Linear(3, 3), torch.zeros(1, 4))
    assert switches() == before


@pytest.mark.parametrize("convention", ["torch", "table9"])
def test_a_compiled_module_costs_what_it_compiles(convention):
    module, x = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), torch.randn(2, 3)
    expected = model_cost(module, x, convention=convention)
    compiled = torch.compile(module, backend="eager")
    compiled(x)
    assert model_cost(compiled, x, convention=convention) == expected


def test_counts_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model_cost(nn.Linear(8, 4), torch.randn(2, 8)).macs == 64


def test_forward_calls_part_of_a_method_with_keywords():
    module = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(2, 8)})
    x = torch.zeros(3, 4)
    both = model_cost(module, x, forward=lambda m, x, scale=2: m["b"](m["a"](x * scale)))
    assert both.macs == 3 * (8 + 16)
    assert model_cost(module, x, forward=lambda m, x: m["a"](x)).macs == 3 * 8
    assert both.parameters == 10 + 24


def test_dict_is_plain():
    cost = model_cost(nn.Linear(2, 2), torch.zeros(1, 2))
    assert cost == ModelCost(6, 6, 0, 4, 8, "torch")
    assert json.loads(json.dumps(cost.to_dict()))["macs"] == 4


def test_wrong_arguments_say_what_was_expected():
    with pytest.raises(TypeError, match=r"module: expected a torch\.nn\.Module, got builtin_function_or_method; pass"):
        model_cost(torch.relu, torch.zeros(1))
    with pytest.raises(ValueError, match="convention: expected one of 'torch', 'table9', got 'thop'"):
        model_cost(nn.Linear(2, 2), torch.zeros(1, 2), convention="thop")


@with_cuda
@pytest.mark.parametrize("module", [nn.LSTM(8, 16, batch_first=True), nn.Dropout(0.5), MHSAM(8, num_heads=2)])
def test_cuda_agrees_with_cpu(module):
    x = torch.randn(2, 8, 8, 8) if isinstance(module, MHSAM) else torch.randn(2, 8, 8)
    expected = model_cost(module, x)
    state = torch.cuda.get_rng_state()
    assert model_cost(module.cuda(), x.cuda()) == expected
    assert torch.cuda.get_rng_state().equal(state)
