"""ST-GCN on a part of the joints."""

import copy
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skelblocks import layouts
from skelblocks.augment import CentralSpatialMask
from skelblocks.encoders import STGCN, STGCNBlock, pool


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make(layout="ntu-rgb+d", *, edge_importance=True, dropout=0.0, dtype=torch.float64):
    """An encoder whose every number matters: random statistics, scales and edge importance."""
    encoder = STGCN(layout, base_channels=4, out_channels=8, dropout=dropout, edge_importance=edge_importance)
    with torch.no_grad():
        for name, value in encoder.state_dict().items():
            if name.endswith(("running_var", "norm.weight", "edge_importance")):
                value.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "norm.bias")):
                value.normal_(0, 0.3)
    return encoder.to(dtype)


def clips(n=2, t=12, v=25, m=2):
    return torch.randn(n, 3, t, v, m, dtype=torch.float64)


def reference(encoder, x, keep):
    """Normalize all joints, then run ten blocks made for a skeleton that has only the joints to keep."""
    n, _, _, _, m = x.shape
    keep = keep.tolist()
    norm, rows = encoder.data_norm, x.permute(0, 4, 3, 1, 2).flatten(2, 3).flatten(0, 1)
    h = F.batch_norm(rows, norm.running_mean.clone(), norm.running_var.clone(), norm.weight, norm.bias, norm.training)
    h = torch.stack([h[:, 3 * joint : 3 * joint + 3] for joint in keep], dim=3)
    adjacency = encoder.adjacency[:, keep][:, :, keep]
    for block in encoder.blocks:
        graph = block.graph
        small = STGCNBlock(
            graph.conv.in_channels,
            out_channels=graph.conv.out_channels // len(adjacency),
            subsets=len(adjacency),
            joints=len(keep),
            stride=block.temporal.stride[0],
            residual=block.has_residual,
            edge_importance=graph.edge_importance is not None,
        ).to(x.dtype)
        state = {k: v.clone() for k, v in block.state_dict().items()}
        if graph.edge_importance is not None:
            state["graph.edge_importance"] = graph.edge_importance.detach()[:, keep][:, :, keep]
        small.load_state_dict(state)
        h = small.train(encoder.training)(h, adjacency)
    return h.view(n, m, *h.shape[1:])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("layout", "keep", "edge_importance"),
    [
        ("ntu-rgb+d", [0, 1, 2, 4, 5, 8, 9, 11, 12, 13, 17, 18, 19, 20, 21, 23, 24], True),
        ("ntu-rgb+d", [20], True),
        ("ntu-rgb+d", [24, 3, 10], False),  # no bone is left, and the order is the caller's
        ("sbu", [0, 2, 3, 8], True),
    ],
)
def test_equals_an_encoder_of_the_skeleton_that_is_left(training, layout, keep, edge_importance):
    encoder = make(layout, edge_importance=edge_importance).train(training)
    x, keep = clips(v=layouts.get(layout).num_joints), torch.tensor(keep)
    expected = reference(encoder, x, keep)
    y = encoder(x, keep_joints=keep)
    assert y.shape == (2, 2, 8, 3, len(keep))
    torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-10)


def test_all_joints_give_the_plain_map_and_their_order_is_kept():
    encoder, x = make().eval(), clips()
    order = torch.randperm(25)
    plain = encoder(x)
    torch.testing.assert_close(encoder(x, keep_joints=torch.arange(25)), plain, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(encoder(x, keep_joints=order), plain[..., order], rtol=1e-9, atol=1e-10)
    each = torch.stack([order, order.flip(0)])
    torch.testing.assert_close(encoder(x, keep_joints=each)[1], plain[1][..., order.flip(0)], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("edge_importance", [False, True])
@pytest.mark.parametrize("m", [1, 3])
def test_a_set_a_sample_equals_each_sample_alone(m, edge_importance):
    encoder, x = make(edge_importance=edge_importance).eval(), clips(4, m=m)
    keep = CentralSpatialMask("ntu-rgb+d")(x, generator=torch.Generator().manual_seed(0))
    y = encoder(x, keep_joints=keep)
    assert y.shape == (4, m, 8, 3, 17)
    for i in range(4):
        torch.testing.assert_close(y[i], encoder(x[i : i + 1], keep_joints=keep[i])[0], rtol=1e-9, atol=1e-10)


def test_the_same_set_for_every_sample_equals_the_set_of_the_batch_with_its_gradients():
    encoder, x = make().train(), clips(3)
    keep = torch.tensor([0, 1, 4, 20, 21, 24])
    seen = []
    for joints in (keep, keep.expand(3, -1)):
        twin, clip = copy.deepcopy(encoder), x.clone().requires_grad_()
        y = twin(clip, keep_joints=joints)
        pool(y).square().sum().backward()
        seen.append((y, clip.grad, [p.grad for p in twin.parameters()], list(twin.buffers())))
    torch.testing.assert_close(*seen, rtol=1e-9, atol=1e-10)


def test_gradients_reach_the_kept_joints_and_their_bones_alone():
    encoder, x = make().eval(), clips().requires_grad_()
    keep = torch.tensor([[0, 1, 12, 20], [3, 4, 5, 20]])
    encoder(x, keep_joints=keep).square().sum().backward()
    seen = x.grad.abs().sum(dim=(1, 2, 4)) > 0
    assert seen.equal(torch.zeros(2, 25, dtype=torch.bool).scatter(1, keep, True))
    bones = torch.zeros(25, 25, dtype=torch.bool)
    for joints in keep:
        bones[joints[:, None], joints] = True
    touched = encoder.blocks[3].graph.edge_importance.grad != 0
    assert touched.equal(bones & (encoder.adjacency != 0))


def test_gradcheck():
    encoder, x = make("sbu").eval(), clips(2, 2, 15, 1).requires_grad_()
    keep = torch.tensor([[0, 2, 3], [1, 2, 14]])
    assert torch.autograd.gradcheck(lambda x: encoder(x, keep_joints=keep), (x,), fast_mode=True)


def test_hidden_joints_do_not_matter_in_evaluation():
    encoder, x = make().eval(), clips()
    keep = torch.tensor([0, 1, 2, 20])
    changed = torch.full_like(x, 1e3)
    changed[:, :, :, keep] = x[:, :, :, keep]
    assert encoder(changed, keep_joints=keep).equal(encoder(x, keep_joints=keep))


def test_hidden_joints_count_in_the_statistics_of_the_clip():
    encoder, x = make().train(), clips()
    plain = copy.deepcopy(encoder)
    plain(x)
    encoder(x, keep_joints=torch.tensor([0, 1]))
    assert encoder.data_norm.running_mean.equal(plain.data_norm.running_mean)
    assert not encoder.blocks[0].graph_norm.running_mean.equal(plain.blocks[0].graph_norm.running_mean)


@pytest.mark.parametrize(
    ("keep", "error", "message"),
    [
        (torch.tensor([0, 25]), ValueError, r"keep_joints: expected different joints in 0\.\.24, got \[0, 25\]"),
        (torch.tensor([-1, 3]), ValueError, r"expected different joints in 0\.\.24"),
        (torch.tensor([4, 2, 4]), ValueError, r"expected different joints in 0\.\.24, got \[4, 2, 4\]"),
        (torch.tensor([[0, 1], [2, 2]]), ValueError, "expected different joints"),
        (torch.tensor([], dtype=torch.long), ValueError, "keep_joints: expected 1 to 25 different joints, got 0"),
        (torch.zeros(2, 0, dtype=torch.long), ValueError, "expected 1 to 25 different joints, got 0"),
        (torch.arange(26), ValueError, "expected 1 to 25 different joints, got 26"),
        (torch.tensor([[0, 1]]), ValueError, "keep_joints: .* axis 'n' is 1, not 2"),
        (torch.zeros(2, 2, 2, dtype=torch.long), ValueError, "keep_joints: expected 2 axes"),
        (torch.tensor(3), ValueError, "keep_joints: expected 2 axes"),
        (torch.ones(25, dtype=torch.bool), TypeError, "keep_joints: expected a torch.int64 tensor .* got torch.bool"),
        (torch.tensor([0, 1], dtype=torch.int32), TypeError, r"got torch\.int32; .* keep_joints\.long\(\)"),
        ([0, 1], TypeError, r"got list; pass torch\.tensor\(keep_joints\)"),
    ],
)
def test_wrong_joints_are_refused_before_anything_is_touched(keep, error, message):
    encoder = make().train()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    with pytest.raises(error, match=message):
        encoder(clips(), keep_joints=keep)
    assert all(v.equal(before[k]) for k, v in encoder.state_dict().items())


def test_the_mend_that_the_error_names_works():
    encoder, x = make().eval(), clips()
    keep = torch.tensor([0, 1, 20])
    same, each = torch.zeros(25, dtype=torch.bool), torch.zeros(2, 25, dtype=torch.bool)
    same[keep] = True
    each[0, keep], each[1, [7, 21, 22]] = True, True
    for wrong, right in (
        ([0, 1, 20], keep),
        (keep.int(), keep),
        (keep.float(), keep),
        (same, keep),
        (each, torch.tensor([[0, 1, 20], [7, 21, 22]])),
    ):
        with pytest.raises(TypeError, match="keep_joints: expected a torch") as error:
            encoder(x, keep_joints=wrong)
        mend = re.split("by |pass |with ", str(error.value))[-1]
        mended = eval(mend, {"torch": torch, "keep_joints": wrong, "mask": wrong})
        assert mended.equal(right)
        assert encoder(x, keep_joints=mended).shape[-1] == 3


@pytest.mark.parametrize("t", range(1, 6))
def test_one_joint_of_one_short_clip_cannot_train(t):
    encoder, x, keep = make().train(), clips(1, t, m=1), torch.tensor([3])
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    if t == 5:
        assert encoder(x, keep_joints=keep).shape == (1, 1, 8, 2, 1)
        return
    why = "the clip has one frame" if t == 1 else "its map has one frame and joint"
    with pytest.raises(
        ValueError, match=f"x: expected more than one number per channel, got .* one person, and {why};"
    ):
        encoder(x, keep_joints=keep)
    assert all(v.equal(before[k]) for k, v in encoder.state_dict().items())
    assert encoder.eval()(x, keep_joints=keep).isfinite().all()


@pytest.mark.parametrize("training", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_nor_can_it_where_only_some_normalizations_train(training):
    encoder = make().train()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.train(isinstance(module, training))
    with pytest.raises(ValueError, match="x: expected more than one number per channel"):
        encoder(clips(1, 1, m=1), keep_joints=torch.tensor([3]))


@pytest.mark.parametrize(("n", "t", "m", "keep"), [(2, 4, 1, [3]), (1, 4, 2, [3]), (1, 4, 1, [3, 8]), (1, 1, 2, [3])])
def test_two_numbers_a_channel_are_enough_to_train(n, t, m, keep):
    encoder, x, keep = make().train(), clips(n, t, m=m), torch.tensor(keep)
    expected = reference(encoder, x, keep)
    torch.testing.assert_close(encoder(x, keep_joints=keep.expand(n, -1)), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("keep", [torch.tensor([0, 1, 20]), torch.tensor([[0, 1, 20], [7, 21, 22]])])
def test_compiles_in_one_graph_and_trains_under_autocast(keep):
    encoder, x = make(dtype=torch.float32), clips().float()
    compiled = torch.compile(copy.deepcopy(encoder).eval(), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, keep_joints=keep), copy.deepcopy(encoder).eval()(x, keep_joints=keep))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = encoder(x, keep_joints=keep)
    y.float().sum().backward()
    assert y.isfinite().all()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu():
    encoder, x = make().eval(), clips()
    masking = CentralSpatialMask("ntu-rgb+d")
    for keep in (masking(x), masking(x)[0]):
        y = copy.deepcopy(encoder).cuda()(x.cuda(), keep_joints=keep.cuda())
        torch.testing.assert_close(y.cpu(), encoder(x, keep_joints=keep))
