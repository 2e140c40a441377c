import copy

import pytest
import torch
from torch.nn import functional as F

from skelblocks import layouts
from skelblocks.encoders import STGCNBlock
from skelblocks.encoders.drop_add_relu import keep_mask

DOUBLE = {"dtype": torch.float64}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def block_and_graph(inputs, outputs, **options):
    adjacency = layouts.adjacency("sbu", **DOUBLE)
    block = STGCNBlock(inputs, out_channels=outputs, subsets=3, joints=15, **options).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    return block, adjacency


def normalized(y, norm):
    """Batch normalization in training, channel by channel."""
    mean, var = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), keepdim=True, unbiased=False)
    return (y - mean) / (var + 1e-5).sqrt() * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)


def reference(block, x, adjacency, stride, dropout=1.0):
    """The printed block in training: 1 x 1 convolution, sum over subsets, then one frame and one tap at a time."""
    a = adjacency * block.graph.edge_importance
    out = block.temporal.out_channels
    y = F.conv2d(x, block.graph.conv.weight, block.graph.conv.bias)
    y = torch.einsum("nkctv,kvw->nctw", y.unflatten(1, (len(a), out)), a)
    y = normalized(y, block.graph_norm).clamp(min=0)
    frames = []
    for center in range(0, y.shape[2], stride):
        frame = block.temporal.bias.view(1, -1, 1).expand(len(x), -1, y.shape[3])
        for tap in range(9):
            at = center + tap - 4
            if 0 <= at < y.shape[2]:
                frame = frame + torch.einsum("oi,niv->nov", block.temporal.weight[:, :, tap, 0], y[:, :, at])
        frames.append(frame)
    y = normalized(torch.stack(frames, dim=2), block.temporal_norm) * dropout
    if isinstance(block.residual, torch.nn.Sequential):
        convolution, norm = block.residual
        strided = torch.einsum("oi,nitv->notv", convolution.weight[:, :, 0, 0], x[:, :, ::stride])
        y = y + normalized(strided + convolution.bias.view(-1, 1, 1), norm)
    elif block.has_residual:
        y = y + x
    return y.clamp(min=0)


@pytest.mark.parametrize(
    ("inputs", "outputs", "stride", "residual"),
    [(4, 4, 1, True), (4, 4, 1, False), (4, 6, 1, True), (4, 8, 2, True), (4, 4, 2, True)],
)
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_equals_the_slow_reference(inputs, outputs, stride, residual, frames):
    block, adjacency = block_and_graph(inputs, outputs, stride=stride, residual=residual)
    x = torch.randn(3, inputs, frames, 15, **DOUBLE)
    y = block(x, adjacency)
    torch.testing.assert_close(y, reference(block, x, adjacency, stride))
    assert y.shape == (3, outputs, -(-frames // stride), 15)
    assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("outputs", "stride", "residual"), [(4, 1, True), (4, 1, False), (8, 2, True)])
def test_dropout_is_of_the_normalized_branch_alone(outputs, stride, residual):
    block, adjacency = block_and_graph(4, outputs, stride=stride, residual=residual, dropout=0.3)
    x = torch.randn(3, 4, 7, 15, **DOUBLE)
    torch.manual_seed(1)
    y = block(x, adjacency)
    torch.manual_seed(1)
    mask, keep = keep_mask(y, 0.3)  # in the same strides, and so of the same draws
    torch.testing.assert_close(y, reference(block, x, adjacency, stride, mask / keep))


def test_branch_is_dropped_at_one_and_kept_at_zero():
    x = torch.randn(2, 4, 3, 15, **DOUBLE)
    block, adjacency = block_and_graph(4, 4, dropout=1.0)
    assert block(x, adjacency).equal(x.clamp(min=0))
    block.dropout.p = 0.0
    torch.testing.assert_close(block(x, adjacency), reference(block, x, adjacency, 1))


@pytest.mark.parametrize(("inputs", "outputs", "frames"), [(4, 8, 64), (8, 16, 100), (2, 12, 150)])
def test_few_channels_and_many_frames_train(inputs, outputs, frames):
    # oneDNN's backward of a strided 1 x 1 convolution writes outside its memory at these sizes.
    adjacency = layouts.adjacency("ntu-rgb+d")
    block = STGCNBlock(inputs, out_channels=outputs, subsets=3, joints=25, stride=2)
    twin = copy.deepcopy(block).double()
    x = torch.randn(4, inputs, frames, 25)
    for _ in range(3):
        for each, values, edges in ((block, x, adjacency), (twin, x.double(), adjacency.double())):
            each.zero_grad()
            each(values, edges).square().mean().backward()
    for name in ("residual.0.weight", "residual.1.weight", "graph.conv.weight"):
        expected = twin.get_parameter(name).grad
        found = block.get_parameter(name).grad.double()
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * expected.abs().max().item())


def test_even_kernel_is_refused():
    with pytest.raises(ValueError, match="kernel_size: expected an odd number of frames, got 8"):
        STGCNBlock(3, out_channels=4, subsets=3, joints=25, kernel_size=8)
