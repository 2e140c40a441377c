import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from skelblocks import layouts
from skelblocks.encoders import BiGRU, pool
from skelblocks.layouts import JointGroup, SkeletonLayout

GOLDEN = Path(__file__).parents[1] / "golden" / "backbone_bigru_f64.npz"
BONE = SkeletonLayout("bone", ("a", "b"), ((1, 0),), 0, (0, 1), (JointGroup("p", (0, 1)),), (JointGroup("p", (0, 1)),))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def small(*, causal, **options):
    return BiGRU(BONE, hidden_features=options.pop("hidden_features", 3), causal=causal, **options).double()


def clips(n=3, t=5, m=2):
    return torch.randn(n, 3, t, 2, m, dtype=torch.float64)


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def as_vectors(x):
    """Each frame spelled out: joint by joint, coordinate by coordinate, person by person."""
    n, c, t, v, m = x.shape
    values = [x[:, k, :, j, p] for j in range(v) for k in range(c) for p in range(m)]
    return torch.stack(values, dim=-1).reshape(n, t, v * c * m)


def standard(x):
    """Batch normalization in training, at its first weights."""
    return (x - x.mean(dim=(0, 1))) / (x.var(dim=(0, 1), unbiased=False) + 1e-5).sqrt()


def direction(gru, x, layer, suffix, frames):
    """One direction of one layer from the equations of a GRU, over the frames in the order given."""
    w_ih, w_hh, b_ih, b_hh = (
        getattr(gru, f"{name}_l{layer}{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h = x.new_zeros(len(x), gru.hidden_size)
    states = {}
    for t in frames:
        reset_x, update_x, new_x = (x[:, t] @ w_ih.T + b_ih).chunk(3, dim=-1)
        reset_h, update_h, new_h = (h @ w_hh.T + b_hh).chunk(3, dim=-1)
        update = torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        h = (1 - update) * new + update * h
        states[t] = h
    return torch.stack([states[t] for t in range(x.shape[1])], dim=1)


def reference(encoder, x):
    x = standard(as_vectors(x))
    frames = list(range(x.shape[1]))
    for layer in range(encoder.num_layers):
        forward = direction(encoder.gru, x, layer, "", frames)
        backward = direction(encoder.gru, x, layer, "_reverse", frames if encoder.causal else frames[::-1])
        x = torch.cat([forward, backward], dim=-1)
    return x.transpose(1, 2)[:, None, :, :, None]


def frame_by_frame(encoder, x):
    """The released way: calls of one frame, with both directions' states carried on."""
    x = encoder.data_norm(as_vectors(x).transpose(1, 2)).transpose(1, 2)
    state, outputs = None, []
    for t in range(x.shape[1]):
        y, state = encoder.gru(x[:, t : t + 1], state)
        outputs.append(y)
    return torch.cat(outputs, dim=1).transpose(1, 2)[:, None, :, :, None]


@pytest.fixture
def official():
    """The golden arrays, the released encoder's weights in ours, and its classifier."""
    with np.load(GOLDEN) as arrays:
        golden = {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}
    state = {key[3:]: value for key, value in golden.items() if key.startswith("sd/")}
    fc = nn.Linear(16, 5).double()
    fc.load_state_dict({name: state.pop(f"fc.{name}") for name in ("weight", "bias")})
    state = {
        key.replace("encoder.gru.", "gru.").replace("input_norm.", "data_norm."): value for key, value in state.items()
    }
    encoder = small(causal=True, hidden_features=8, num_layers=2)
    encoder.load_state_dict(state)
    x = golden["x"].view(3, 7, 2, 3, 2).permute(0, 3, 1, 2, 4)
    return golden, encoder.eval(), fc, x


def test_causal_equals_the_released_encoder(official):
    golden, encoder, fc, x = official
    feature_map = encoder(x)
    assert feature_map.shape == (3, 1, 16, 7, 1)
    close(feature_map[:, 0, :, :, 0].transpose(1, 2), golden["feat"])
    close(fc(pool(feature_map[..., -1:, :])), golden["out"])


def test_the_default_is_another_function_of_the_released_weights(official):
    golden, encoder, _, x = official
    encoder.causal = False
    difference = (encoder(x)[:, 0, :, :, 0].transpose(1, 2) - golden["feat"]).abs()
    assert difference[:, 0, 8:].max() > 1e-3
    assert difference[:, -1].max() > 1e-3


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_equals_the_formula_with_its_gradients(causal, layers):
    encoder = small(causal=causal, num_layers=layers)
    results = []
    x = clips().requires_grad_()
    weights = torch.randn(3, 1, 6, 5, 1, dtype=torch.float64)
    for y in (encoder(x), reference(encoder, x)):
        inputs = {"x": x, **dict(encoder.gru.named_parameters())}
        gradients = torch.autograd.grad((y * weights).sum(), list(inputs.values()))
        results.append((y, *gradients))
    assert len(results[0]) == 2 + 8 * layers
    for mine, expected in zip(*results, strict=True):
        close(mine, expected)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 3), t=st.integers(1, 6), m=st.integers(1, 3), layers=st.integers(1, 3), seed=st.integers(0, 99))
def test_causal_is_the_released_loop_over_frames(n, t, m, layers, seed):
    torch.manual_seed(seed)
    encoder = small(causal=True, persons=m, num_layers=layers).eval()
    x = clips(n, t, m)
    close(encoder(x), frame_by_frame(encoder, x))


def test_a_change_of_the_last_frame_reaches_earlier_ones_by_default_only():
    x = clips()
    changed = x.clone()
    changed[:, :, -1] += 1
    causal = small(causal=True).eval()
    before, after = causal(x), causal(changed)
    assert before[..., :-1, :].equal(after[..., :-1, :])
    assert not before[..., -1, :].equal(after[..., -1, :])
    both = BiGRU(BONE, hidden_features=3).double().eval()
    difference = (both(x) - both(changed)).abs()
    assert (difference.amax(dim=(0, 1, 2, 4)) > 1e-6).all()


def test_the_first_half_of_the_channels_goes_forward_in_one_layer():
    encoder = small(causal=False, num_layers=1).eval()
    x = clips().requires_grad_()
    (forward,) = torch.autograd.grad(encoder(x)[:, :, :3, 2].sum(), x)
    (backward,) = torch.autograd.grad(encoder(x)[:, :, 3:, 2].sum(), x)
    sees = lambda gradient: (gradient.abs().amax(dim=(0, 1, 3, 4)) > 0).tolist()  # noqa: E731
    assert sees(forward) == [True, True, True, False, False]
    assert sees(backward) == [False, False, True, True, True]


@pytest.mark.parametrize("causal", [False, True])
def test_samples_do_not_see_each_other_in_evaluation(causal):
    encoder = small(causal=causal).eval()
    x = clips()
    torch.testing.assert_close(encoder(x[1:2]), encoder(x)[1:2])
    torch.testing.assert_close(encoder(x.flip(0)), encoder(x).flip(0))
    assert encoder(x[:0]).shape == (0, 1, 6, 5, 1)


def test_statistics_are_those_of_all_frames():
    encoder = small(causal=False)
    x = clips()
    encoder(x)
    frames = as_vectors(x).flatten(0, 1)
    close(encoder.data_norm.running_mean, 0.1 * frames.mean(dim=0))
    close(encoder.data_norm.running_var, 0.9 + 0.1 * frames.var(dim=0))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", layouts.available())
@pytest.mark.parametrize(("frames", "persons"), [(9, 2), (1, 1)])
def test_any_layout_and_any_number_of_frames_and_persons(causal, name, frames, persons):
    encoder = BiGRU(name, persons=persons, hidden_features=2, num_layers=2, causal=causal)
    y = encoder(torch.randn(2, 3, frames, layouts.get(name).num_joints, persons))
    assert y.shape == (2, 1, encoder.out_channels, frames, 1)
    assert pool(y).shape == (2, 4)
    assert torch.isfinite(y).all()


def test_size_is_that_of_the_paper():
    with torch.device("meta"):
        encoder = BiGRU("ntu-rgb+d")
    assert encoder.out_channels == 2048
    shapes = {name: tuple(p.shape) for name, p in encoder.named_parameters()}
    assert len(shapes) == 2 + 3 * 8
    assert shapes["data_norm.weight"] == (150,)
    assert shapes["gru.weight_ih_l0"] == shapes["gru.weight_ih_l0_reverse"] == (3 * 1024, 150)
    assert shapes["gru.weight_ih_l2"] == shapes["gru.weight_ih_l1_reverse"] == (3 * 1024, 2048)
    assert sum(p.numel() for p in encoder.parameters()) == 44_998_956


def test_matrices_start_xavier_uniform():
    gru = BiGRU("sbu", hidden_features=64, num_layers=2).gru
    for name, parameter in gru.named_parameters():
        bound = (6 / sum(parameter.shape)) ** 0.5 if parameter.ndim == 2 else 64**-0.5
        assert 0.95 * bound < parameter.abs().max() <= bound, name


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 5, 15), r"x: expected 5 axes \(n, c=3, t, v=15, m\), got shape \(2, 3, 5, 15\)"),
        ((2, 2, 5, 15, 2), "axis 'c' is 2, not 3"),
        ((2, 3, 5, 20, 2), "axis 'v' is 20, not 15"),
        ((2, 3, 5, 15, 1), r"m=2\), got m=1; .*functional\.pad\(x, \(0, 1\)\), or make the encoder with persons=1"),
        ((2, 3, 5, 15, 3), r"m=2\), got m=3; .*x\[\.\.\., :2\], or make the encoder with persons=3"),
        ((2, 3, 0, 15, 2), "x: expected .* with t of at least 1, got shape"),
        ((1, 3, 1, 15, 2), "x: expected at least 2 frames in the batch, got 1"),
    ],
)
def test_wrong_shapes_say_what_was_expected(shape, message):
    with pytest.raises(ValueError, match=message):
        BiGRU("sbu", hidden_features=2)(torch.zeros(shape))


def test_the_advice_of_the_messages_works():
    encoder = BiGRU("sbu", hidden_features=2)
    x = torch.randn(2, 3, 5, 15, 3)
    encoder(F.pad(x[..., :1], (0, 1)))
    encoder(x[..., :2])
    encoder.eval()(x[:1, :, :1, :, :2])


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match=r"x: expected a floating-point tensor, got torch\.int64"):
        BiGRU("sbu", hidden_features=2)(torch.zeros(1, 3, 4, 15, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="no layout is named 'ntu'"):
        BiGRU("ntu")
    for name in ("in_channels", "persons", "hidden_features", "num_layers"):
        with pytest.raises(ValueError, match=f"{name}: expected an integer >= 1, got 0"):
            BiGRU("sbu", **{name: 0})
    with pytest.raises(TypeError):
        BiGRU("sbu", 3)


@pytest.mark.parametrize("causal", [False, True])
def test_compiles_and_in_one_graph_where_torch_is_told_to(causal):
    encoder = BiGRU("sbu", hidden_features=2, num_layers=2, causal=causal).eval()
    x = torch.randn(2, 3, 4, 15, 2)
    torch.testing.assert_close(torch.compile(encoder, backend="eager")(x), encoder(x))
    torch._dynamo.reset()
    with torch._dynamo.config.patch(allow_rnn=True):
        torch.testing.assert_close(torch.compile(encoder, backend="eager", fullgraph=True)(x), encoder(x))
    torch._dynamo.reset()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_trains(dtype, causal):
    encoder = BiGRU("sbu", hidden_features=4, causal=causal)
    x = torch.randn(2, 3, 8, 15, 2)
    with torch.autocast("cpu", dtype=dtype):
        y = encoder(x)
        torch.testing.assert_close(encoder(x.to(dtype)).float(), y.float(), rtol=0, atol=0.1)
    y.float().sum().backward()
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(p.grad).all() and p.grad.dtype == torch.float32 for p in encoder.parameters())
    torch.testing.assert_close(y.float(), encoder(x), rtol=0, atol=0.1)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("causal", [False, True])
def test_cuda_equals_cpu(causal):
    encoder = small(causal=causal).eval()
    x = clips()
    torch.testing.assert_close(copy.deepcopy(encoder).cuda()(x.cuda()).cpu(), encoder(x))
    encoder.cuda().train()
    with torch.autocast("cuda", dtype=torch.float16):
        y = encoder.float()(x.float().cuda())
    y.float().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters())
