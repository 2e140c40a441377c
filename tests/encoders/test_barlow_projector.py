from pathlib import Path

import numpy as np
import pytest
import torch

from skelblocks.encoders import BarlowProjector

GOLDEN = Path(__file__).parents[1] / "golden" / "pstl_f64.npz"


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def barlow(first, second, weight):
    """The loss as PSTL writes it, both views normalized over the batch."""

    def standard(z):
        return (z - z.mean(dim=0)) / (z.var(dim=0, unbiased=False) + 1e-5).sqrt()

    c = standard(first).T @ standard(second) / len(first)
    diagonal = torch.eye(len(c), dtype=torch.bool)
    return (c[diagonal] - 1).square().sum() + weight * c[~diagonal].square().sum()


def test_equals_the_official_code_with_its_gradients():
    with np.load(GOLDEN) as arrays:
        golden = {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}
    prefix = "sd/projector."
    state = {"layers." + k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}
    projector = BarlowProjector(16, hidden_features=12, out_features=12).double()
    projector.load_state_dict(state)
    f1, f2 = (golden[name].requires_grad_() for name in ("f1", "f2"))
    loss = barlow(projector(f1), projector(f2), float(golden["lambd"]))
    loss.backward()
    close = {"rtol": 1e-9, "atol": 1e-10}
    torch.testing.assert_close(loss, golden["loss"], **close)
    torch.testing.assert_close(f1.grad, golden["grad1"], **close)
    torch.testing.assert_close(f2.grad, golden["grad2"], **close)


def test_equals_the_formula():
    projector = BarlowProjector(6, hidden_features=10, out_features=4).double()
    x = torch.randn(5, 6, dtype=torch.float64)
    hidden = x
    for place in (0, 3):
        hidden = hidden @ projector.layers[place].weight.T
        hidden = (hidden - hidden.mean(dim=0)) / (hidden.var(dim=0, unbiased=False) + 1e-5).sqrt()
        hidden = hidden.clamp(min=0)
    torch.testing.assert_close(projector(x), hidden @ projector.layers[6].weight.T)


def test_size_is_that_of_the_released_code():
    with torch.device("meta"):
        projector = BarlowProjector()
    shapes = {name: tuple(p.shape) for name, p in projector.named_parameters()}
    assert shapes == {
        "layers.0.weight": (6144, 256),
        "layers.1.weight": (6144,),
        "layers.1.bias": (6144,),
        "layers.3.weight": (6144, 6144),
        "layers.4.weight": (6144,),
        "layers.4.bias": (6144,),
        "layers.6.weight": (6144, 6144),
    }
    assert sum(p.numel() for p in projector.parameters()) == 77_094_912


def test_a_training_batch_of_one_is_refused():
    projector = BarlowProjector(8, hidden_features=4, out_features=4)
    with pytest.raises(ValueError, match="x: expected at least 2 samples, got 1"):
        projector(torch.randn(1, 8))
    assert projector.eval()(torch.randn(1, 8)).shape == (1, 4)


@pytest.mark.parametrize(
    ("shape", "message"), [((2, 3, 8), "x: expected 2 axes"), ((2, 7), "x: .* axis 'c' is 7, not 8")]
)
def test_wrong_shapes_say_what_was_expected(shape, message):
    with pytest.raises(ValueError, match=message):
        BarlowProjector(8, hidden_features=4, out_features=4)(torch.zeros(shape))


@pytest.mark.parametrize("name", ["in_features", "hidden_features", "out_features"])
def test_a_size_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}: expected an integer >= 1, got 0"):
        BarlowProjector(**({"in_features": 4, "hidden_features": 4, "out_features": 4} | {name: 0}))


def test_whole_numbers_and_broken_sizes_are_refused():
    with pytest.raises(TypeError, match=r"x: expected a floating-point tensor, got torch\.int64"):
        BarlowProjector(8, hidden_features=4, out_features=4)(torch.zeros(2, 8, dtype=torch.long))
    with pytest.raises(TypeError, match=r"hidden_features: expected an integer >= 1, got 4\.5"):
        BarlowProjector(8, hidden_features=4.5)
