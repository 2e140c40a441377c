import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.encoders import GraphConvolution, graph_convolution


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def reference(x, weight, bias, adjacency):
    """Weights first, neighbors after, target by target: the order in which ST-GCN prints it."""
    subsets = len(adjacency)
    y = torch.zeros(x.shape[0], len(weight) // subsets, x.shape[2], adjacency.shape[2], dtype=x.dtype)
    for k in range(subsets):
        rows = slice(k * y.shape[1], (k + 1) * y.shape[1])
        for target in range(adjacency.shape[2]):
            for source in range(adjacency.shape[1]):
                for frame in range(x.shape[2]):
                    message = x[:, :, frame, source] @ weight[rows].T
                    if bias is not None:
                        message = message + bias[rows]
                    y[:, :, frame, target] += adjacency[k, source, target] * message
    return y


def arguments(b, c, t, v, s, o, w=None, bias=True):
    double = {"dtype": torch.float64}
    return (
        torch.randn(b, c, t, v, **double),
        torch.randn(s * o, c, **double),
        torch.randn(s * o, **double) if bias else None,
        torch.randn(s, v, w or v, **double),
    )


@pytest.mark.parametrize(
    "sizes",
    [
        {"b": 2, "c": 3, "t": 4, "v": 5, "s": 3, "o": 6},
        {"b": 1, "c": 1, "t": 1, "v": 3, "s": 1, "o": 1},
        {"b": 2, "c": 6, "t": 2, "v": 4, "s": 2, "o": 3, "bias": False},
        {"b": 2, "c": 2, "t": 3, "v": 4, "s": 2, "o": 3, "w": 2},
    ],
)
@pytest.mark.parametrize("strides", [torch.contiguous_format, torch.channels_last])
def test_equals_the_slow_reference_for_any_strides(sizes, strides):
    x, *rest = arguments(**sizes)
    x = x.contiguous(memory_format=strides)
    torch.testing.assert_close(graph_convolution(x, *rest), reference(x, *rest))


def test_output_is_channels_last_for_the_convolution_that_follows():
    y = graph_convolution(*arguments(2, 3, 4, 5, 3, 6))
    assert y.is_contiguous(memory_format=torch.channels_last)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(1, 4), st.integers(1, 5))
def test_frames_and_rows_do_not_see_each_other(b, c, t, v, s, o):
    x, *rest = arguments(b, c, t, v, s, o)
    whole = graph_convolution(x, *rest)
    for row in range(b):
        for frame in range(t):
            alone = graph_convolution(x[row : row + 1, :, frame : frame + 1], *rest)
            torch.testing.assert_close(whole[row : row + 1, :, frame : frame + 1], alone)


def test_a_graph_a_row_equals_each_row_with_its_graph():
    x, weight, bias, _ = arguments(3, 2, 4, 5, 2, 3)
    graphs = torch.randn(3, 2, 5, 4, dtype=torch.float64)
    for strides in (torch.contiguous_format, torch.channels_last):
        whole = graph_convolution(x.contiguous(memory_format=strides), weight, bias, graphs)
        assert whole.is_contiguous(memory_format=torch.channels_last)
        for row in range(3):
            torch.testing.assert_close(
                whole[row : row + 1], reference(x[row : row + 1], weight, bias, graphs[row]), rtol=1e-9, atol=1e-10
            )
    inputs = tuple(a.requires_grad_() for a in (x, weight, bias, graphs))
    assert torch.autograd.gradcheck(graph_convolution, inputs)


@pytest.mark.parametrize("edge_importance", [False, True])
def test_keeping_joints_takes_their_rows_and_columns(edge_importance):
    convolution = GraphConvolution(2, out_channels=3, subsets=3, joints=25, edge_importance=edge_importance).double()
    if edge_importance:
        torch.nn.init.uniform_(convolution.edge_importance)
    adjacency = layouts.adjacency("ntu-rgb+d", dtype=torch.float64)
    weighted = adjacency * convolution.edge_importance if edge_importance else adjacency
    weight, bias = convolution.conv.weight.flatten(1), convolution.conv.bias
    x, keep = torch.randn(2, 2, 3, 4, dtype=torch.float64), torch.tensor([[0, 1, 12, 20], [24, 7, 3, 2]])
    whole = convolution(x, adjacency, keep)
    for row, joints in enumerate(keep.tolist()):
        expected = reference(x[row : row + 1], weight, bias, weighted[:, joints][:, :, joints])
        torch.testing.assert_close(whole[row : row + 1], expected, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(convolution(x, adjacency, keep[row])[row : row + 1], expected, rtol=1e-9, atol=1e-10)


def test_a_joint_is_reached_from_its_neighbors_only():
    adjacency = layouts.adjacency("ntu-rgb+d", dtype=torch.float64)
    x, weight, bias, _ = arguments(1, 2, 1, 25, 3, 4)
    x.requires_grad_()
    for target in range(25):
        (grad,) = torch.autograd.grad(graph_convolution(x, weight, bias, adjacency)[..., target].sum(), x)
        assert grad[0, :, 0].any(dim=0).equal(adjacency[:, :, target].any(dim=0))


def test_gradients_of_every_argument():
    inputs = tuple(a.requires_grad_() for a in arguments(2, 2, 2, 3, 2, 2))
    assert torch.autograd.gradcheck(graph_convolution, inputs)


def test_edge_importance_fades_a_bone_and_makes_none():
    adjacency = layouts.adjacency("ntu-rgb+d", dtype=torch.float64)
    convolution = GraphConvolution(2, out_channels=3, subsets=3, joints=25).double()
    plain = GraphConvolution(2, out_channels=3, subsets=3, joints=25, edge_importance=False).double()
    plain.load_state_dict(convolution.state_dict(), strict=False)
    x = torch.randn(2, 2, 3, 25, dtype=torch.float64)
    torch.testing.assert_close(convolution(x, adjacency), plain(x, adjacency))
    torch.nn.init.uniform_(convolution.edge_importance)
    torch.testing.assert_close(convolution(x, adjacency), plain(x, adjacency * convolution.edge_importance))
    convolution(x, adjacency).square().sum().backward()
    assert (convolution.edge_importance.grad != 0).equal(adjacency != 0)
    assert plain.edge_importance is None


@pytest.mark.parametrize(
    ("x", "weight", "bias", "adjacency", "message"),
    [
        ((2, 3, 4), (6, 3), (6,), (2, 5, 5), "x: expected 4 axes"),
        ((2, 3, 4, 6), (6, 3), (6,), (2, 5, 5), "x: .* axis 'v' is 6, not 5"),
        ((2, 3, 4, 5), (6, 2), (6,), (2, 5, 5), "weight: .* axis 'c' is 2, not 3"),
        ((2, 3, 4, 5), (7, 3), (7,), (2, 5, 5), "weight: .* s=2 subsets"),
        ((2, 3, 4, 5), (6, 3), (3,), (2, 5, 5), "bias: .* is 3, not 6"),
        ((2, 3, 4, 5), (6, 3), (6,), (5, 5), "adjacency: expected 3 axes"),
        ((2, 3, 4, 5), (6, 3), (6,), (3, 2, 5, 5), "adjacency: .* axis 'b' is 3, not 2"),
    ],
)
def test_wrong_shapes_say_what_was_expected(x, weight, bias, adjacency, message):
    with pytest.raises(ValueError, match=message):
        graph_convolution(*map(torch.zeros, (x, weight, bias, adjacency)))


def test_an_adjacency_of_another_size_is_not_broadcast():
    x, one = torch.randn(2, 3, 4, 20), layouts.adjacency("nw-ucla", strategy="uniform")
    for edge_importance in (True, False):
        convolution = GraphConvolution(3, out_channels=8, subsets=3, joints=20, edge_importance=edge_importance)
        for adjacency in (one, one[0], one.expand(2, -1, -1)):
            with pytest.raises(ValueError, match="adjacency: expected"):
                convolution(x, adjacency)


def test_an_adjacency_of_another_dtype_is_taken_in_that_of_the_weights():
    adjacency = layouts.adjacency("sbu")
    x, weight, bias = (torch.randn(*sizes, dtype=torch.float64) for sizes in ((1, 4, 3, 15), (6, 4), (6,)))
    for each in (None, bias):
        found = graph_convolution(x, weight, each, adjacency)
        assert found.equal(graph_convolution(x, weight, each, adjacency.double()))
