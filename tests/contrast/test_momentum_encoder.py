import copy
import pickle

import pytest
import torch
from torch import nn

from skelblocks.contrast import MomentumEncoder
from skelblocks.testing import NoFloat64


def make_encoder(features=4):
    return nn.Sequential(nn.Linear(3, features), nn.BatchNorm1d(features), nn.ReLU(), nn.Linear(features, 2)).double()


def shaken(encoder):
    """The same encoder, every weight and buffer moved."""
    other = copy.deepcopy(encoder)
    with torch.no_grad():
        for tensor in (*other.parameters(), *other.buffers()):
            tensor.add_(torch.randn_like(tensor) if tensor.is_floating_point() else 5)
    return other


def values(module):
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def test_starts_equal_shares_nothing_and_asks_for_no_gradient():
    encoder = make_encoder()
    key_encoder = MomentumEncoder(encoder)
    before = values(encoder)
    for name, tensor in key_encoder.encoder.state_dict().items():
        assert tensor.equal(before[name])
    assert not any(p.requires_grad for p in key_encoder.parameters())
    assert all(p.requires_grad for p in encoder.parameters())
    with torch.no_grad():
        for tensor in (*encoder.parameters(), *encoder.buffers()):
            tensor.zero_()
    for name, tensor in key_encoder.encoder.state_dict().items():
        assert tensor.equal(before[name])


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("buffers", ["keep", "copy", "average"])
def test_update_equals_the_formula(momentum, buffers):
    encoder = make_encoder()
    key_encoder = MomentumEncoder(encoder, momentum=momentum, buffers=buffers)
    encoder = shaken(encoder)
    old, new = values(key_encoder.encoder), values(encoder)
    parameters = {name for name, _ in encoder.named_parameters()}
    key_encoder.update(encoder)
    for name, tensor in key_encoder.encoder.state_dict().items():
        average = name in parameters or (buffers == "average" and tensor.is_floating_point())
        if average:
            torch.testing.assert_close(tensor, momentum * old[name] + (1 - momentum) * new[name], rtol=1e-12, atol=0)
        else:
            assert tensor.equal(old[name] if buffers == "keep" else new[name])
    for name, tensor in encoder.state_dict().items():
        assert tensor.equal(new[name])
    assert not any(tensor.requires_grad for tensor in (*key_encoder.parameters(), *key_encoder.buffers()))


def test_many_updates_decay_geometrically_and_a_call_may_bring_its_momentum():
    encoder = nn.Linear(2, 2, bias=False).double()
    key_encoder = MomentumEncoder(encoder, momentum=0.9)
    start = encoder.weight.detach().clone()
    nn.init.zeros_(encoder.weight)
    for _ in range(7):
        key_encoder.update(encoder)
    torch.testing.assert_close(key_encoder.encoder.weight.detach(), start * 0.9**7)
    key_encoder.update(encoder, momentum=0.5)
    torch.testing.assert_close(key_encoder.encoder.weight.detach(), start * 0.9**7 * 0.5)
    assert key_encoder.momentum == 0.9


def test_a_shared_weight_moves_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 2)
            self.second = self.first

    encoder = Tied()
    key_encoder = MomentumEncoder(encoder, momentum=0.9)
    before = encoder.first.weight.detach().clone()
    nn.init.zeros_(encoder.first.weight)
    key_encoder.update(encoder)
    torch.testing.assert_close(key_encoder.encoder.second.weight.detach(), before * 0.9)


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_layers_are_paired_by_name_in_whatever_order(names):
    key_encoder = MomentumEncoder(nn.ModuleDict({name: nn.BatchNorm1d(2) for name in "ab"}), buffers="copy")
    encoder = shaken(nn.ModuleDict({name: nn.BatchNorm1d(2) for name in names}))
    key_encoder.update(encoder, momentum=0.0)
    for name, tensor in encoder.state_dict().items():
        torch.testing.assert_close(key_encoder.encoder.state_dict()[name], tensor)


def test_forward_has_no_gradient_and_takes_the_encoders_arguments():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x, *, scale):
            return {"y": self.linear(x) * scale}

    encoder = Scaled()
    out = MomentumEncoder(encoder)(torch.ones(4, 3, requires_grad=True), scale=2)["y"]
    assert not out.requires_grad
    torch.testing.assert_close(out, encoder(torch.ones(4, 3), scale=2)["y"].detach())
    assert torch.is_grad_enabled()


def test_batch_norm_keeps_its_own_statistics_and_each_part_its_mode():
    encoder = make_encoder().train()
    key_encoder = MomentumEncoder(encoder)
    x = torch.randn(16, 3, dtype=torch.float64) + 3
    running = encoder[1].running_mean.clone()
    key_encoder(x)
    assert encoder[1].running_mean.equal(running)
    assert not key_encoder.encoder[1].running_mean.equal(running)
    key_encoder.update(encoder)
    assert key_encoder.training
    assert key_encoder.encoder[1].training
    frozen = make_encoder().train()
    frozen[1].eval()  # a layer frozen by hand stays frozen in the copy
    copied = MomentumEncoder(frozen)
    assert copied.training
    assert not copied.encoder[1].training
    assert not MomentumEncoder(make_encoder().eval()).training


def test_a_lower_precision_encoder_is_averaged_in_the_copys_precision():
    encoder = nn.Linear(2, 2)
    key_encoder = MomentumEncoder(encoder, momentum=0.999)
    before = key_encoder.encoder.weight.detach().clone()
    low = nn.Linear(2, 2).bfloat16()
    key_encoder.update(low)
    assert key_encoder.encoder.weight.dtype == torch.float32
    torch.testing.assert_close(
        key_encoder.encoder.weight.detach(), 0.999 * before + 0.001 * low.weight.detach().float()
    )


def test_another_encoder_is_refused_and_nothing_has_moved():
    key_encoder = MomentumEncoder(make_encoder(), buffers="average")
    before = values(key_encoder)
    with pytest.raises(
        ValueError,
        match=r"expected the parameters of the copy, got others: missing \['0.*unexpected \['module.0.bias'.*unwrapped",
    ):
        key_encoder.update(Wrapper(make_encoder()))
    with pytest.raises(ValueError, match=r"expected 0.weight of shape \(4, 3\), got \(5, 3\)"):
        key_encoder.update(make_encoder(5))
    without = make_encoder()
    without[1] = nn.BatchNorm1d(4, track_running_stats=False).double()
    with pytest.raises(
        ValueError, match=r"expected the buffers of the copy, got others: missing \['1.num_batches_tracked'"
    ):
        key_encoder.update(without)
    assert all(tensor.equal(before[name]) for name, tensor in key_encoder.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("name", "buffers"), [("0.weight", "keep"), ("1.running_var", "average"), ("1.running_mean", "copy")]
)
def test_an_encoder_that_is_not_finite_is_refused_on_the_cpu_and_skipped_when_compiled(value, name, buffers):
    encoder = make_encoder()
    key_encoder = MomentumEncoder(encoder, momentum=0.9, buffers=buffers)
    encoder = shaken(encoder)
    encoder.state_dict()[name].flatten()[0] = value
    before = values(key_encoder)
    with pytest.raises(ValueError, match=f"encoder: expected finite weights, got NaN or infinity in {name}; restore"):
        key_encoder.update(encoder)
    torch.compile(key_encoder.update, backend="eager", fullgraph=True)(encoder)
    assert all(tensor.equal(before[each]) for each, tensor in key_encoder.state_dict().items())


def test_weights_whose_sum_overflows_are_taken():
    encoder = nn.Linear(2, 2)
    nn.init.constant_(encoder.weight, 3e38)
    key_encoder = MomentumEncoder(encoder)
    key_encoder.update(encoder)
    assert key_encoder.encoder.weight.equal(encoder.weight)


def test_buffers_that_are_not_taken_may_be_anything():
    encoder = make_encoder()
    key_encoder = MomentumEncoder(encoder)
    encoder[1].running_var.fill_(torch.nan)
    key_encoder.update(encoder)


def test_a_weight_beyond_the_copys_dtype_is_refused():
    encoder = nn.Linear(2, 2)
    key_encoder = MomentumEncoder(encoder).half()
    with torch.no_grad():
        encoder.weight.fill_(1e6)
    with pytest.raises(ValueError, match="encoder: expected finite weights, got NaN or infinity in weight"):
        key_encoder.update(encoder)


def test_runs_on_meta_and_without_float64():
    encoder = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    key_encoder = MomentumEncoder(encoder, buffers="average")
    with NoFloat64():
        key_encoder.update(encoder)
        key_encoder(torch.randn(2, 3))
    key_encoder.to("meta").update(encoder.to("meta"))
    assert key_encoder(torch.randn(2, 3, device="meta")).shape == (2, 4)


class Wrapper(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


@pytest.mark.parametrize("momentum", [-0.1, 1.1, float("nan")])
def test_a_momentum_outside_its_range_is_refused(momentum):
    with pytest.raises(ValueError, match="momentum: expected a number in"):
        MomentumEncoder(nn.Linear(2, 2), momentum=momentum)
    with pytest.raises(ValueError, match="momentum: expected a number in"):
        MomentumEncoder(nn.Linear(2, 2)).update(nn.Linear(2, 2), momentum=momentum)


def test_unknown_buffers_are_refused():
    with pytest.raises(ValueError, match="buffers: expected one of 'keep', 'copy', 'average', got 'share'"):
        MomentumEncoder(nn.Linear(2, 2), buffers="share")


def test_an_encoder_without_parameters_or_buffers_is_fine():
    MomentumEncoder(nn.ReLU(), buffers="average").update(nn.ReLU())


def test_compiles_pickles_and_says_what_it_is():
    encoder = make_encoder()
    key_encoder = MomentumEncoder(encoder, momentum=0.99, buffers="average").eval()
    x = torch.randn(4, 3, dtype=torch.float64)
    twins = [pickle.loads(pickle.dumps(key_encoder)), copy.deepcopy(key_encoder)]
    other = shaken(encoder)
    torch.compile(key_encoder.update, backend="eager", fullgraph=True)(other)
    compiled = torch.compile(key_encoder, backend="eager", fullgraph=True)
    for twin in twins:
        twin.update(other)
        torch.testing.assert_close(compiled(x), twin(x))
    assert repr(MomentumEncoder(nn.ReLU())).startswith("MomentumEncoder(\n  momentum=0.999, buffers='keep'\n")
    assert repr(MomentumEncoder(nn.ReLU(), momentum=0.99)).startswith(
        "MomentumEncoder(\n  momentum=0.99, buffers='keep'\n  (encoder): ReLU()"
    )


def test_autocast_runs_through():
    key_encoder = MomentumEncoder(nn.Linear(3, 2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert key_encoder(torch.randn(4, 3)).dtype == torch.bfloat16


@pytest.mark.parametrize("compiled", [(True, False), (False, True), (True, True)])
def test_compiled_encoders_are_taken_as_they_are(compiled):
    encoder = make_encoder()
    first, later = (torch.compile(encoder, backend="eager") if each else encoder for each in compiled)
    key_encoder = MomentumEncoder(first, momentum=0.0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(1)
    key_encoder.update(later)
    for kept, moved in zip(key_encoder.parameters(), encoder.parameters(), strict=True):
        assert kept.equal(moved)
