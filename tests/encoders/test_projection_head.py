import pytest
import torch
from torch.nn import functional as F

from skelblocks.encoders import ProjectionHead


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_equals_the_formula(batch_norm):
    head = ProjectionHead(6, hidden_features=10, out_features=4, batch_norm=batch_norm).double()
    x = torch.randn(5, 6, dtype=torch.float64)
    first, last = head.layers[0], head.layers[-1]
    hidden = x @ first.weight.T + first.bias
    if batch_norm:
        hidden = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(head(x), F.relu(hidden) @ last.weight.T + last.bias)


def test_layers_are_numbered_as_in_the_released_checkpoints():
    shapes = {name: tuple(p.shape) for name, p in ProjectionHead().named_parameters()}
    assert shapes == {
        "layers.0.weight": (256, 256),
        "layers.0.bias": (256,),
        "layers.2.weight": (128, 256),
        "layers.2.bias": (128,),
    }
    assert set(ProjectionHead(batch_norm=True).state_dict()) >= {"layers.1.running_mean", "layers.3.weight"}
    assert sum(p.numel() for p in ProjectionHead().parameters()) == 98_688


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("hidden_layers", [0, 1, 2, 3])
def test_hidden_layers_are_linear_norm_relu_and_one_linear_layer_follows(hidden_layers, batch_norm):
    head = ProjectionHead(6, hidden_features=10, out_features=4, batch_norm=batch_norm, hidden_layers=hidden_layers)
    block = ["Linear", "BatchNorm1d", "ReLU"] if batch_norm else ["Linear", "ReLU"]
    assert [type(layer).__name__ for layer in head.layers] == block * hidden_layers + ["Linear"]
    linear = [(layer.in_features, layer.out_features) for layer in head.layers if isinstance(layer, torch.nn.Linear)]
    assert linear == [*[(6, 10), (10, 10), (10, 10)][:hidden_layers], (10 if hidden_layers else 6, 4)]
    x = y = torch.randn(5, 6)
    for layer in head.layers:
        y = layer(y)
    torch.testing.assert_close(head(x), y)


def test_no_hidden_layer_leaves_nothing_to_normalize():
    assert ProjectionHead(6, out_features=4, batch_norm=True, hidden_layers=0)(torch.randn(1, 6)).shape == (1, 4)
    with pytest.raises(ValueError, match="hidden_layers: expected an integer >= 0, got -1"):
        ProjectionHead(hidden_layers=-1)


def test_a_training_batch_of_one_is_refused_with_batch_norm_alone():
    x = torch.randn(1, 256)
    head = ProjectionHead(batch_norm=True)
    with pytest.raises(ValueError, match="x: expected at least 2 samples, got 1"):
        head(x)
    assert head.eval()(x).shape == ProjectionHead()(x).shape == (1, 128)


@pytest.mark.parametrize(
    ("shape", "message"), [((2, 3, 256), "expected 2 axes"), ((2, 128), "axis 'c' is 128, not 256")]
)
def test_wrong_shapes_say_what_was_expected(shape, message):
    with pytest.raises(ValueError, match=message):
        ProjectionHead()(torch.zeros(shape))


@pytest.mark.parametrize("name", ["in_features", "hidden_features", "out_features"])
def test_sizes_that_cannot_be_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}: expected an integer >= 1, got 0"):
        ProjectionHead(**{name: 0})
    with pytest.raises(TypeError, match=f"{name}: expected an integer >= 1, got 8.0"):
        ProjectionHead(**{name: 8.0})


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"x: expected a floating-point tensor, got torch\.int64"):
        ProjectionHead()(torch.zeros(2, 256, dtype=torch.long))
