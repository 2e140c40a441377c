import pytest
import torch
from torch import nn

from skelblocks.encoders import STGCN, ProjectionHead, initialize_official
from skelblocks.encoders.frame_convolution import FrameConvolution


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def build():
    return nn.ModuleDict({"encoder": STGCN("sbu", base_channels=8, out_channels=64), "head": ProjectionHead(64)})


def test_every_weight_has_the_released_distribution():
    model = initialize_official(build(), generator=torch.Generator().manual_seed(0))
    seen = set()
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)):
            mean = 1.0 if "Norm" in type(module).__name__ else 0.0
            error = 5 * 0.02 / module.weight.numel() ** 0.5
            assert module.weight.mean().item() == pytest.approx(mean, abs=error), name
            if module.weight.numel() > 1000:
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1), name
            assert not module.bias.any(), name
            seen.add(type(module))
    assert seen == {nn.Conv2d, FrameConvolution, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d}


def test_everything_else_stays():
    model = build()
    for parameter in model.parameters():
        nn.init.uniform_(parameter)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    initialize_official(model)
    for name, value in model.state_dict().items():
        kept = any(part in name for part in ("edge_importance", "adjacency", "running", "num_batches"))
        assert value.equal(before[name]) == kept, name
    assert all(p.requires_grad and p.grad_fn is None for p in model.parameters())


def test_a_generator_decides_alone_and_none_means_the_global_one():
    before = torch.get_rng_state()
    a, b = (initialize_official(ProjectionHead(), generator=torch.Generator().manual_seed(3)) for _ in range(2))
    torch.set_rng_state(before)
    reference = ProjectionHead(), ProjectionHead()
    state = torch.get_rng_state()
    initialize_official(reference[0], generator=torch.Generator().manual_seed(3))
    assert torch.get_rng_state().equal(state)
    initialize_official(reference[1])
    assert not torch.get_rng_state().equal(state)
    for p, q, r, s in zip(*(m.parameters() for m in (a, b, *reference)), strict=True):
        assert p.equal(q)
        assert p.equal(r)
        if p.ndim > 1:
            assert not p.equal(s)


def test_returns_the_module_and_follows_std():
    layer = nn.Conv1d(100, 100, 1, bias=False)
    assert initialize_official(layer, std=0.5) is layer
    assert layer.weight.std().item() == pytest.approx(0.5, rel=0.1)
    norm = initialize_official(nn.BatchNorm2d(4, affine=False))
    assert norm.weight is None
    with pytest.raises(ValueError, match="std: expected a finite number >= 0, got -1"):
        initialize_official(layer, std=-1)
