"""The convolution by frequencies equals the usual one, in all orders of gradients, and steps back where it must."""

import copy
import pickle

import pytest
import torch
from torch.nn import functional as F

from skelblocks.encoders import frame_convolution as module
from skelblocks.encoders.frame_convolution import FrameConvolution, frame_convolution


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def reference(x, weight):
    """One frame and one tap at a time."""
    taps = weight.shape[2]
    frames = []
    for center in range(x.shape[2]):
        frame = torch.zeros(len(x), len(weight), x.shape[3], dtype=x.dtype)
        for tap in range(taps):
            at = center + tap - taps // 2
            if 0 <= at < x.shape[2]:
                frame = frame + torch.einsum("oc,bcv->bov", weight[:, :, tap, 0], x[:, :, at])
        frames.append(frame)
    return torch.stack(frames, dim=2)


def arguments(b, c, o, t, v, k, dtype=torch.float64):
    return torch.randn(b, c, t, v, dtype=dtype), torch.randn(o, c, k, 1, dtype=dtype)


@pytest.mark.parametrize("frames", [1, 2, 5, 8, 13, 16])
@pytest.mark.parametrize("taps", [1, 3, 9])
def test_equals_the_slow_reference(frames, taps):
    x, weight = arguments(2, 3, 4, frames, 5, taps)
    for each in (x, x.contiguous(memory_format=torch.channels_last)):
        y = frame_convolution(each, weight)
        torch.testing.assert_close(y, reference(x, weight), rtol=1e-12, atol=1e-12)
        assert y.is_contiguous(memory_format=torch.channels_last)


# Products by bmm, by a convolution, and in two pieces.
@pytest.mark.parametrize(("rows", "joints"), [(2, 5), (16, 8), (33, 8)])
def test_float32_and_its_gradients_equal_the_usual_convolution(rows, joints):
    x, weight = (each.requires_grad_() for each in arguments(rows, 32, 16, 13, joints, 9, torch.float32))
    found, expected = frame_convolution(x, weight), F.conv2d(x.double(), weight.double(), padding=(4, 0))
    weights = torch.randn_like(found)
    gradients = torch.autograd.grad((found * weights).sum(), (x, weight))
    exact = torch.autograd.grad((expected * weights).sum(), (x, weight))
    for a, b in zip((found, *gradients), (expected, *exact), strict=True):
        torch.testing.assert_close(a.double(), b.double(), rtol=0, atol=2e-6 * b.abs().max().item())


def test_gradients_of_both_orders():
    inputs = [each.requires_grad_() for each in arguments(2, 2, 3, 5, 2, 3)]
    assert torch.autograd.gradcheck(frame_convolution, inputs)
    assert torch.autograd.gradgradcheck(frame_convolution, inputs)
    x, weight = inputs
    assert torch.autograd.gradcheck(lambda x: frame_convolution(x, weight.detach()), (x,))
    assert torch.autograd.gradcheck(lambda weight: frame_convolution(x.detach(), weight), (weight,))


def test_bfloat16_is_close_and_weights_keep_their_precision():
    x, weight = arguments(4, 64, 64, 13, 25, 9, torch.float32)
    weight.requires_grad_()
    expected = F.conv2d(x, weight, padding=(4, 0))
    y = frame_convolution(x.bfloat16(), weight)
    assert y.dtype == torch.bfloat16
    assert ((y - expected).std() / expected.std()).item() < 0.01
    y.sum().backward()
    assert weight.grad.dtype == torch.float32


def twin_of(layer):
    """The usual convolution with the same weights."""
    channels = layer.in_channels
    twin = torch.nn.Conv2d(channels, channels, layer.kernel_size, stride=layer.stride, padding=layer.padding)
    twin.load_state_dict(layer.state_dict())
    return twin


@pytest.fixture
def called(monkeypatch):
    """The number of calls of the convolution by frequencies."""
    calls = []
    monkeypatch.setattr(module, "frame_convolution", lambda *args: calls.append(1) or frame_convolution(*args))
    return calls


@pytest.mark.parametrize(
    ("channels", "stride", "shape", "fast"),
    [
        (128, 1, (6, 13, 25), True),
        (128, 1, (6, 32, 25), True),
        (64, 1, (6, 13, 25), False),  # few channels
        (128, 2, (6, 13, 25), False),
        (128, 1, (6, 8, 25), False),  # fewer frames than taps
        (128, 1, (6, 33, 25), False),  # many frames
        (128, 1, (5, 13, 25), False),  # few positions
    ],
)
def test_layer_chooses_by_shape_and_equals_the_usual_convolution(called, channels, stride, shape, fast):
    rows, frames, joints = shape
    layer = FrameConvolution(channels, kernel_size=9, stride=stride)
    x = torch.randn(rows, channels, frames, joints)
    torch.testing.assert_close(layer(x), twin_of(layer)(x), rtol=1e-4, atol=1e-5)
    assert bool(called) is fast


def test_layer_steps_back_in_graphs_in_transforms_and_without_onednn(called):
    layer = FrameConvolution(128, kernel_size=9)
    x = torch.randn(6, 128, 13, 25)
    expected = twin_of(layer)(x)
    with torch.backends.mkldnn.flags(enabled=False):
        torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.func.vmap(layer)(x[None])[0], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.jit.trace(layer, x, check_trace=False)(x), expected, rtol=1e-4, atol=1e-5)
    tangent = torch.func.jvp(lambda x: layer(x).sum(), (x,), (torch.ones_like(x),))[1]
    assert tangent.isfinite()
    assert not called
    layer(x)
    assert called


def test_layer_follows_autocast_and_copies_with_its_weights(called):
    layer = FrameConvolution(128, kernel_size=9)
    x = torch.randn(6, 128, 13, 25)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), twin_of(layer)(x), rtol=0.05, atol=0.02)
    y.float().square().mean().backward()
    assert layer.bias.grad.dtype == layer.weight.grad.dtype == torch.float32
    assert called
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert copied(x).equal(layer(x))


@pytest.mark.slow
def test_layer_compiles():
    layer = FrameConvolution(128, kernel_size=9)
    x = torch.randn(6, 128, 13, 25)
    torch.testing.assert_close(torch.compile(layer, fullgraph=True)(x), layer(x), rtol=1e-4, atol=1e-5)
