import math

import pytest
import torch
from torch import nn

from skelblocks.encoders import DSTABlock, decoupled_attention

DOUBLE = {"dtype": torch.float64}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def block_of(inputs, outputs, *, joints=4, frames=5, subsets=2, **options):
    block = DSTABlock(
        inputs, out_channels=outputs, inner_channels=3, joints=joints, frames=frames, num_subsets=subsets, **options
    ).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    return block


def slow_attention(x, query, key, alpha, table):
    """Over joints, one number after another."""
    b, c, t, v = x.shape
    _, s, inner, _, _ = query.shape
    y = torch.zeros(b, s * c, t, v, **DOUBLE)
    for i in range(b):
        for j in range(s):
            for source in range(v):
                for target in range(v):
                    score = sum(
                        query[i, j, d, f, source] * key[i, j, d, f, target] for d in range(inner) for f in range(t)
                    )
                    weight = alpha[j] * math.tanh(score / (inner * t))
                    weight += table[j, source, target] if table is not None else 0.0
                    y[i, j * c : (j + 1) * c, :, target] += x[i, :, :, source] * weight
    return y


def attention_inputs(b=2, c=2, s=2, inner=3, t=3, v=4):
    query, key = torch.randn(2, b, s, inner, t, v, **DOUBLE)
    return torch.randn(b, c, t, v, **DOUBLE), query, key, torch.randn(s, **DOUBLE)


@pytest.mark.parametrize("with_table", [False, True])
def test_attention_equals_the_slow_reference_over_joints_and_over_frames(with_table):
    x, query, key, alpha = attention_inputs()
    table = torch.randn(2, 4, 4, **DOUBLE) if with_table else None
    slow = slow_attention(x, query, key, alpha, table)
    torch.testing.assert_close(decoupled_attention(x, query, key, alpha=alpha, table=table), slow)
    turned = decoupled_attention(x.mT, query.mT, key.mT, alpha=alpha, table=table, over="frames")
    torch.testing.assert_close(turned, slow.mT)


def test_attention_gradients():
    x, query, key, alpha = attention_inputs(b=1, t=2, v=3)
    table = torch.randn(2, 2, 2, **DOUBLE)
    inputs = tuple(a.requires_grad_() for a in (x, query, key, alpha, table))
    call = lambda x, q, k, a, g: decoupled_attention(x, q, k, alpha=a, table=g, over="frames")  # noqa: E731
    assert torch.autograd.gradcheck(call, inputs)


def test_long_sums_do_not_overflow_in_half_precision():
    query = torch.full((1, 1, 64, 2000, 3), 0.75, dtype=torch.float16)  # 128,000 products, which sum to 72,000
    x = torch.randn(1, 2, 2000, 3).half()
    y = decoupled_attention(x, query, -query, alpha=torch.ones(1))
    assert y.dtype == torch.float16
    expected = math.tanh(-(0.75**2)) * x.float().sum(-1, keepdim=True).expand_as(x)
    torch.testing.assert_close(y.float(), expected, rtol=1e-2, atol=1e-2)


def test_attention_refuses_what_does_not_fit():
    x, query, key, alpha = attention_inputs()
    with pytest.raises(ValueError, match="over: expected one of 'joints', 'frames', got 'persons'"):
        decoupled_attention(x, query, key, alpha=alpha, over="persons")
    with pytest.raises(ValueError, match=r"x: expected 4 axes \(b, c, t, v\)"):
        decoupled_attention(x[0], query, key, alpha=alpha)
    with pytest.raises(ValueError, match=r"query: .* axis 'v' is 3, not 4"):
        decoupled_attention(x, query[..., :3], key, alpha=alpha)
    with pytest.raises(ValueError, match=r"key: .* axis .c'. is 2, not 3"):
        decoupled_attention(x, query, key[:, :, :2], alpha=alpha)
    with pytest.raises(ValueError, match=r"alpha: .* axis 's' is 1, not 2"):
        decoupled_attention(x, query, key, alpha=alpha[:1])
    with pytest.raises(ValueError, match=r"table: .* axis 't' is 4, not 3"):
        decoupled_attention(x, query, key, alpha=alpha, table=torch.zeros(2, 4, 4, **DOUBLE), over="frames")


def convolved(pair, x, stride=1):
    """A 1 x 1 convolution and batch normalization in training."""
    convolution, norm = pair
    y = torch.einsum("oi,bitv->botv", convolution.weight[:, :, 0, 0], x[:, :, ::stride])
    y = y + convolution.bias[:, None, None]
    mean, var = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), keepdim=True, unbiased=False)
    return (y - mean) / (var + 1e-5).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]


def leaky(x):
    return torch.where(x > 0, x, 0.1 * x)


def slow_half(half, x, stride, subsets):
    """Over joints, as printed; over frames it is given the transposed clip."""
    encoding = half.encoding if half.over == "joints" else half.encoding.mT
    weight = half.query_key.weight[:, :, 0, 0]
    both = torch.einsum("oi,bitv->botv", weight, x + encoding) + half.query_key.bias[:, None, None]
    width = both.shape[1] // (2 * subsets)
    q, k = ([both[:, (h * subsets + s) * width :][:, :width] for s in range(subsets)] for h in (0, 1))
    mixed = []
    for s in range(subsets):
        scores = torch.stack([(q[s][..., u, None] * k[s]).mean((1, 2)) for u in range(x.shape[3])], dim=1)
        attention = half.alpha[s] * scores.tanh() + (half.table[s] if half.table is not None else 0)
        mixed.append(torch.einsum("bctu,buv->bctv", x, attention))
    projected = isinstance(half.shortcut, nn.Sequential)
    h = leaky((convolved(half.attention_shortcut, x) if projected else x) + convolved(half.out, torch.cat(mixed, 1)))
    if half.over == "joints":
        return leaky((convolved(half.shortcut, x) if projected else x) + convolved(half.feed_forward, h))
    x, h = x.mT, h.mT
    return leaky((convolved(half.shortcut, x, stride) if projected else x) + convolved(half.feed_forward, h, stride))


def reference(block, x, stride, subsets):
    return slow_half(block.temporal, slow_half(block.spatial, x, 1, subsets).mT, stride, subsets)


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(4, 4, 1), (4, 6, 1), (4, 8, 2), (4, 4, 2), (3, 4, 3)])
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_equals_the_slow_reference_with_gradients(inputs, outputs, stride, frames):
    block = block_of(inputs, outputs, frames=frames, stride=stride)
    x = torch.randn(3, inputs, frames, 4, **DOUBLE, requires_grad=True)
    y, slow = block(x), reference(block, x, stride, 2)
    assert y.shape == (3, outputs, -(-frames // stride), 4)
    torch.testing.assert_close(y, slow)
    wanted = [x, *block.parameters()]
    cotangent = torch.randn_like(y)
    ours, expected = (torch.autograd.grad((z * cotangent).sum(), wanted) for z in (y, slow))
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_the_map_of_all_clips_starts_as_the_mean_over_joints_and_frames_have_none():
    block = DSTABlock(4, out_channels=4, inner_channels=2, joints=5, frames=6)
    assert block.spatial.table.equal(torch.full((3, 5, 5), 0.2))
    assert block.temporal.table is None
    assert block.spatial.alpha.equal(torch.ones(3))


def test_joints_and_frames_are_known_by_their_place():
    block = block_of(4, 4).eval()
    with torch.no_grad():
        block.spatial.table.fill_(0.25)
    x = torch.randn(2, 4, 5, 4, **DOUBLE)
    assert not torch.allclose(block(x.flip(3)), block(x).flip(3))
    assert not torch.allclose(block(x.flip(2)), block(x).flip(2))
    block.spatial.encoding.zero_()
    torch.testing.assert_close(block(x.flip(3)), block(x).flip(3))
    block.temporal.encoding.zero_()
    torch.testing.assert_close(block(x.flip(2)), block(x).flip(2))


def test_dropout_is_on_the_last_shortcut_alone():
    block = block_of(4, 4, dropout=1.0)
    x = torch.randn(2, 4, 5, 4, **DOUBLE)
    with torch.no_grad():
        for parameter in block.temporal.feed_forward.parameters():
            parameter.zero_()
    assert not block(x).any()
    assert [name for name, m in block.named_modules() if isinstance(m, nn.Dropout) and m.p] == ["temporal.dropout"]
    assert block.eval()(x).any()


def test_wrong_arguments_are_refused():
    block = block_of(4, 4)
    with pytest.raises(ValueError, match=r"x: expected \(b, c=4, t=5, v=4\), got .* axis 't' is 6, not 5"):
        block(torch.zeros(2, 4, 6, 4, **DOUBLE))
    with pytest.raises(ValueError, match=r"x: .* axis 'v' is 3, not 4"):
        block(torch.zeros(2, 4, 5, 3, **DOUBLE))
    with pytest.raises(ValueError, match="stride: expected an integer >= 1, got 0"):
        block_of(4, 4, stride=0)
    with pytest.raises(ValueError, match="dropout: expected a probability"):
        block_of(4, 4, dropout=2.0)
