import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skelblocks import layouts
from skelblocks.encoders import DSTA, pool

GOLDEN = Path(__file__).parents[1] / "golden" / "backbone_dsta_ske_f64.npz"
SMALL = ((4, 4, 2, 1), (4, 8, 2, 2))
NAMES = {
    "proj.": "input.0.",
    "input_map.0.": "input.1.",
    "graph_layers.": "blocks.",
    "alpha@": "@.alpha",
    "attention0@": "@.table",
    "in_net@": "@.query_key",
    "out_net@": "@.out",
    "ff_net@": "@.feed_forward",
    "down@1": "@.attention_shortcut",
    "down@2": "@.shortcut",
    "pe@.pe": "@.encoding",
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def small(layout="sbu", **options):
    return DSTA(layout, **{"frames": 8, "layers": SMALL, **options})


def ours(name, value):
    """One of the released network's tensors here."""
    for released, mine in NAMES.items():
        for letter, half in (("s", "spatial"), ("t", "temporal")):
            name = name.replace(released.replace("@", letter), mine.replace("@", half))
    if name.endswith("spatial.encoding"):  # written out for every frame
        value = value[0, :, :1]
    elif name.endswith("temporal.encoding"):
        value = value[0, ..., :1]
    elif name.endswith("alpha"):
        value = value.flatten()
    return name, value[0] if name.endswith("table") else value


@pytest.fixture
def official():
    """The golden numbers, the released network's weights in ours, and its classifier."""
    with np.load(GOLDEN) as arrays:
        golden = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    state = {k[3:]: v for k, v in golden.items() if k.startswith("sd/")}
    fc = nn.Linear(16, 5).double()
    fc.load_state_dict({k[3:]: state.pop(k) for k in ("fc.weight", "fc.bias")})
    unused = [k for k in state if k.endswith((".atts", ".attt"))]  # zeros to which the maps are added
    assert not any(state.pop(k).any() for k in unused)
    encoder = DSTA("ntu-rgb+d", frames=16, layers=[(8, 8, 4, 1), (8, 16, 4, 2)], num_subsets=2).double().eval()
    encodings = {k: v.clone() for k, v in encoder.state_dict().items() if k.endswith("encoding")}
    encoder.load_state_dict(dict(ours(name, value) for name, value in state.items()))
    return golden, encoder, fc, encodings


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_equals_the_released_network(official):
    golden, encoder, fc, _ = official
    feature_map = encoder(golden["x"])
    close(feature_map, golden["feat_raw_view"].view(2, 2, 16, 8, 25))  # the memory's order, not the printed axes
    close(fc(pool(feature_map)), golden["out"])


def test_positional_encodings_are_the_released_ones_to_rounding(official):
    _, encoder, _, encodings = official
    assert len(encodings) == 4
    for name, encoding in encodings.items():
        torch.testing.assert_close(encoding, encoder.state_dict()[name], rtol=0, atol=2e-6)


def test_default_size_is_that_of_table_14():
    encoder = DSTA("ntu-rgb+d", frames=64)
    assert (encoder.out_channels, len(encoder.blocks)) == (256, 5)
    assert [block.frames for block in encoder.blocks] == [64, 64, 32, 32, 16]
    assert [block.temporal.dropout.p for block in encoder.blocks] == [0.5] * 5

    def size(i, o, inner, stride):
        convolution = lambda a, b: a * b + b + 2 * b  # noqa: E731
        shortcuts = 2 * (convolution(i, o) + convolution(o, o)) if i != o or stride != 1 else 0
        halves = [(c * 6 * inner + 6 * inner) + 3 + convolution(3 * c, o) + convolution(o, o) for c in (i, o)]
        return sum(halves) + 3 * 25 * 25 + shortcuts

    sizes = [sum(p.numel() for p in block.parameters()) for block in encoder.blocks]
    assert sizes == [size(*row) for row in encoder.layers]
    assert sum(p.numel() for p in encoder.parameters()) == 1_935_613
    with torch.no_grad():
        assert encoder.eval()(torch.randn(1, 3, 64, 25, 1)).shape == (1, 1, 256, 16, 25)


def test_weights_start_as_in_the_released_code():
    encoder = DSTA("sbu", frames=8, layers=[(64, 64, 16, 1)])
    convolution = encoder.blocks[0].temporal.feed_forward[0]
    assert convolution.weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    assert encoder.input[0].weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.2)


@pytest.mark.parametrize("name", layouts.available())
@pytest.mark.parametrize(("frames", "kept", "persons"), [(16, 8, 1), (5, 3, 2), (1, 1, 3)])
def test_any_layout_and_any_number_of_frames_and_persons(name, frames, kept, persons):
    encoder = small(name, frames=frames)
    joints = layouts.get(name).num_joints
    y = encoder(torch.randn(2, 3, frames, joints, persons))
    assert y.shape == (2, persons, 8, kept, joints)
    assert torch.isfinite(y).all()


@given(
    frames=st.integers(1, 9),
    strides=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    subsets=st.integers(1, 3),
    channels=st.integers(1, 5),
)
@settings(max_examples=15, deadline=None)
def test_any_depth_width_and_stride(frames, strides, subsets, channels):
    layers = [(2 + i, 3 + i, 2, stride) for i, stride in enumerate(strides)]
    encoder = DSTA("sbu", frames=frames, in_channels=channels, layers=layers, num_subsets=subsets).eval()
    for stride in strides:
        frames = -(-frames // stride)
    y = encoder(torch.randn(1, channels, encoder.frames, 15, 2))
    assert y.shape == (1, 2, encoder.out_channels, frames, 15)


def test_persons_and_samples_do_not_see_each_other_in_evaluation(official):
    encoder = official[1]
    x = torch.randn(3, 3, 16, 25, 2, dtype=torch.float64)
    whole = encoder(x)
    torch.testing.assert_close(encoder(x[1:2, ..., 1:])[0, 0], whole[1, 1])
    torch.testing.assert_close(encoder(x.flip(0).flip(4)), whole.flip(0).flip(1))
    other = x.clone()
    other[..., 1] = 0
    assert encoder(other)[:, 0].equal(whole[:, 0])


def test_gradients():
    encoder = DSTA("sbu", frames=2, layers=[(2, 2, 1, 1), (2, 3, 1, 2)], num_subsets=1).double().eval()
    x = torch.randn(1, 3, 2, 15, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(encoder, (x,))


def test_every_weight_learns():
    encoder = small(dropout=0.0)
    (encoder(torch.randn(2, 3, 8, 15, 2)) * torch.randn(2, 2, 8, 4, 15)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
    assert all(p.grad.any() for name, p in encoder.named_parameters() if name.endswith(("alpha", "table")))


def test_dropout_only_in_training():
    encoder = small()
    x = torch.randn(2, 3, 8, 15, 1)
    assert not encoder(x).equal(encoder(x))
    assert encoder.eval()(x).equal(encoder(x))
    still = small(dropout=0.0)
    assert still(x).equal(still(x))


def test_layout_and_layers_from_json():
    values, layers = json.loads(json.dumps([layouts.get("nw-ucla").to_dict(), SMALL]))
    encoder = small(values, layers=layers)
    assert encoder.layout == layouts.get("nw-ucla")
    assert (encoder.layers, encoder.frames, encoder.in_channels, encoder.out_channels) == (SMALL, 8, 3, 8)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 8, 15), r"x: expected 5 axes \(n, c=3, t, v=15, m\), got shape \(2, 3, 8, 15\)"),
        ((2, 2, 8, 15, 2), "axis 'c' is 2, not 3"),
        ((2, 3, 8, 20, 2), "axis 'v' is 20, not 15"),
        ((2, 3, 0, 15, 2), r"x: expected \(n, c, t, v, m\) with t of at least 1, got shape \(2, 3, 0, 15, 2\)"),
        ((2, 3, 9, 15, 2), "axis 't' is 9: this encoder is made for 8 frames; .* construct it with frames=9"),
    ],
)
def test_wrong_shapes_say_what_was_expected(shape, message):
    with pytest.raises(ValueError, match=message):
        small()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": []}, "layers: expected a row"),
        ({"layers": [(4, 4, 1)]}, r"layers: expected a row \(in, out, inner, stride\)"),
        ({"layers": [(4, 4, 2, 0)]}, r"layers\[0\], stride: expected an integer >= 1, got 0"),
        (
            {"layers": [(4, 4, 2, 1), (5, 8, 2, 1)]},
            "expected row 1 to begin with 4, the output channels of row 0, got 5",
        ),
        ({"frames": 0}, "frames: expected an integer >= 1, got 0"),
        ({"num_subsets": 0}, "num_subsets: expected an integer >= 1, got 0"),
        ({"dropout": 1.5}, "dropout: expected a probability"),
        ({"layout": "ntu"}, "no layout is named 'ntu'"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match=r"x: expected a floating-point tensor, got torch\.int64"):
        small()(torch.zeros(1, 3, 8, 15, 1, dtype=torch.long))
    with pytest.raises(TypeError, match=r"frames: expected an integer >= 1, got 4\.5"):
        DSTA("sbu", frames=4.5)
    with pytest.raises(TypeError):
        DSTA("sbu")
    with pytest.raises(TypeError):
        DSTA("sbu", 8)
