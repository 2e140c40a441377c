import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from skelblocks import layouts
from skelblocks.attention import MsMAttention
from skelblocks.encoders import STGCN, ProjectionHead, pool

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def arrays(name):
    with np.load(GOLDEN / name) as golden:
        return {key: torch.from_numpy(golden[key]) for key in golden.files if golden[key].dtype.kind != "U"}


def ours(name):
    """The name of one of the released encoder's tensors here."""
    for released, mine in {
        "data_bn.": "data_norm.",
        "st_gcn_networks.": "blocks.",
        "gcn.conv.": "graph.conv.",
        "tcn.0.": "graph_norm.",
        "tcn.2.": "temporal.",
        "tcn.3.": "temporal_norm.",
    }.items():
        name = name.replace(released, mine)
    if name.startswith("edge_importance."):
        return f"blocks.{name.rpartition('.')[2]}.graph.edge_importance"
    return "adjacency" if name == "A" else name


@pytest.fixture
def official():
    """The released encoder's weights in ours, and its classifier."""
    state = {k[3:]: v for k, v in arrays("stgcn_small_eval_f64.npz").items() if k.startswith("sd/")}
    fc = nn.Linear(16, 8).double()
    fc.load_state_dict({k[3:]: state.pop(k) for k in ("fc.weight", "fc.bias")})
    encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=16, dropout=0.0).double()
    encoder.load_state_dict({ours(name): value for name, value in state.items()})
    return encoder, fc


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_equals_the_released_encoder_in_evaluation(official):
    golden = arrays("stgcn_small_eval_f64.npz")
    encoder, fc = official
    encoder.eval()
    seen = {}
    encoder.blocks[4].graph.register_forward_hook(lambda module, args, out: seen.update(graph=out))
    x = golden["x"].requires_grad_()
    feature_map = encoder(x)
    out = fc(pool(feature_map))
    (out * golden["cot"]).sum().backward()
    close(seen["graph"], golden["rec/layer4_gcn_out"])
    close(feature_map.flatten(0, 1), golden["rec/layer9"])
    close(pool(feature_map), golden["rec/pooled"])
    close(out, golden["out"])
    close(x.grad, golden["grad_x"])
    parameters = {**dict(encoder.named_parameters()), **{"fc." + k: p for k, p in fc.named_parameters()}}
    gradients = {k[5:]: v for k, v in golden.items() if k.startswith("grad/")}
    assert len(gradients) == 6
    for name, gradient in gradients.items():
        close(parameters[ours(name)].grad, gradient)


def test_equals_the_released_encoder_in_training_with_its_statistics(official):
    golden = arrays("stgcn_small_train_nodrop_f64.npz")
    encoder, fc = official
    x = golden["x"].requires_grad_()
    out = fc(pool(encoder(x)))
    (out * golden["cot"]).sum().backward()
    close(out, golden["out"])
    close(x.grad, golden["grad_x"])
    buffers = dict(encoder.named_buffers())
    after = {k[6:]: v for k, v in golden.items() if k.startswith("after/")}
    assert len(after) == 3 * (1 + 2 * 10 + 2)
    for name, value in after.items():
        close(buffers[ours(name)], value)


def test_size_is_that_of_the_paper():
    count = lambda *modules: sum(p.numel() for module in modules for p in module.parameters())  # noqa: E731
    encoder = STGCN("ntu-rgb+d")
    assert [count(block) - 3 * 25 * 25 for block in encoder.blocks] == [
        *(2576, 3200, 3200, 3200, 11616, 12544, 12544, 45760, 49664, 658176),
    ]
    assert 2 * count(encoder, ProjectionHead(256, hidden_features=256, out_features=128)) == 1_840_136
    assert count(MsMAttention(256, layout="ntu-rgb+d")) == 16_672
    assert 2 * count(STGCN("ntu-rgb+d", base_channels=64), ProjectionHead()) == 6_364_200


def test_graph_and_dropout_are_those_of_the_released_configs():
    encoder = STGCN("ntu-rgb+d", base_channels=2, out_channels=4).double()
    close(encoder.adjacency, arrays("stgcn_small_eval_f64.npz")["sd/A"])
    assert [block.dropout.p for block in encoder.blocks] == [0.0] + [0.5] * 9


@pytest.mark.parametrize("name", layouts.available())
@pytest.mark.parametrize(("frames", "kept", "persons"), [(16, 4, 1), (50, 13, 2), (1, 1, 1)])
def test_any_layout_and_any_number_of_frames_and_persons(name, frames, kept, persons):
    encoder = STGCN(name, base_channels=2, out_channels=4)
    joints = layouts.get(name).num_joints
    y = encoder(torch.randn(2, 3, frames, joints, persons))
    assert y.shape == (2, persons, 4, kept, joints)
    assert torch.isfinite(y).all()
    encoder.eval()
    assert encoder(torch.randn(1, 3, frames, joints, persons)).shape == (1, persons, 4, kept, joints)


def test_the_frames_of_longer_clips():
    encoder = STGCN("sbu", base_channels=2, out_channels=4).eval()
    for frames, kept in ((64, 16), (120, 30)):
        assert encoder(torch.randn(1, 3, frames, 15, 2)).shape == (1, 2, 4, kept, 15)


@pytest.mark.parametrize("strategy", ["uniform", "distance", "spatial", "spatial_bfs", "agcn"])
def test_every_strategy(strategy):
    encoder = STGCN("coco-17", base_channels=2, out_channels=4, strategy=strategy, edge_importance=False)
    torch.testing.assert_close(encoder.adjacency, layouts.adjacency("coco-17", strategy=strategy))
    assert encoder(torch.randn(2, 3, 8, 17, 1)).shape == (2, 1, 4, 2, 17)
    assert not [name for name, _ in encoder.named_parameters() if "importance" in name]


def test_farther_hops_and_dilation_reach_the_graph():
    encoder = STGCN("coco-17", base_channels=2, out_channels=4, max_hop=2, dilation=2, strategy="distance")
    torch.testing.assert_close(
        encoder.adjacency, layouts.adjacency("coco-17", max_hop=2, dilation=2, strategy="distance")
    )


def test_persons_and_samples_do_not_see_each_other_in_evaluation(official):
    encoder = official[0].eval()
    x = torch.randn(3, 3, 12, 25, 2, dtype=torch.float64)
    whole = encoder(x)
    torch.testing.assert_close(encoder(x[1:2, ..., 1:])[0, 0], whole[1, 1])
    torch.testing.assert_close(encoder(x.flip(0).flip(4)), whole.flip(0).flip(1))


def test_dropout_is_where_it_is_said_to_be():
    encoder = STGCN("sbu", base_channels=2, out_channels=4, dropout=0.5)
    assert [block.dropout.p for block in encoder.blocks] == [0.0] + [0.5] * 9
    x = torch.randn(2, 3, 16, 15, 1)
    assert not encoder(x).equal(encoder(x))
    encoder.eval()
    assert encoder(x).equal(encoder(x))


def test_layout_as_a_dict_from_json():
    values = json.loads(json.dumps(layouts.get("nw-ucla").to_dict()))
    encoder = STGCN(values, base_channels=2, out_channels=4)
    assert encoder.layout == layouts.get("nw-ucla")
    assert (encoder.in_channels, encoder.base_channels, encoder.out_channels) == (3, 2, 4)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 50, 25), r"x: expected 5 axes \(n, c=3, t, v=25, m\), got shape \(2, 3, 50, 25\)"),
        ((2, 2, 50, 25, 2), "axis 'c' is 2, not 3"),
        ((2, 3, 50, 20, 2), "axis 'v' is 20, not 25"),
    ],
)
def test_wrong_shapes_say_what_was_expected(shape, message):
    with pytest.raises(ValueError, match=message):
        STGCN("ntu-rgb+d", base_channels=2, out_channels=4)(torch.zeros(shape))


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match=r"x: expected a floating-point tensor, got torch\.int64"):
        STGCN("sbu", base_channels=2, out_channels=4)(torch.zeros(1, 3, 4, 15, 1, dtype=torch.long))
    with pytest.raises(ValueError, match="no layout is named 'ntu'"):
        STGCN("ntu")
    for name in ("in_channels", "base_channels", "out_channels"):
        with pytest.raises(ValueError, match=f"{name}: expected an integer >= 1, got 0"):
            STGCN("sbu", **{name: 0})
        with pytest.raises(TypeError, match=rf"{name}: expected an integer >= 1, got 2\.5"):
            STGCN("sbu", **{name: 2.5})
    with pytest.raises(ValueError, match="dropout: expected a probability"):
        STGCN("sbu", dropout=1.5)
    with pytest.raises(TypeError):
        STGCN("sbu", 3)


def test_one_frame_of_one_person_cannot_train_and_moves_no_statistic():
    encoder, x = STGCN("sbu", base_channels=2, out_channels=4, dropout=0.0), torch.randn(1, 3, 1, 15, 1)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    with pytest.raises(ValueError, match=r"x: expected more than one number per channel, .*drop_last=True"):
        encoder(x)
    assert all(v.equal(before[k]) for k, v in encoder.state_dict().items())
    assert encoder(x.expand(1, 3, 2, 15, 1)).isfinite().all()
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.eval()
    assert encoder(x).equal(encoder.eval()(x))


@pytest.mark.parametrize("training", [False, True])
def test_clips_without_frames_are_refused(training):
    encoder = STGCN("sbu", base_channels=2, out_channels=4).train(training)
    with pytest.raises(
        ValueError, match=r"x: expected \(n, c, t, v, m\) with t of at least 1, got shape \(2, 3, 0, 15"
    ):
        encoder(torch.zeros(2, 3, 0, 15, 2))


def test_sizes_that_its_description_names():
    sizes = [sum(p.numel() for p in STGCN("ntu-rgb+d", base_channels=h).parameters()) for h in (16, 64)]
    assert sizes == [821_380, 3_083_412]
    assert all(f"{size:,}" in STGCN.__doc__ for size in sizes)


def test_ensembles_by_vmap():
    models = [STGCN("sbu", base_channels=4, out_channels=8).eval() for _ in range(2)]
    x = torch.randn(2, 3, 8, 15, 2)
    parameters, buffers = torch.func.stack_module_state(models)

    def run(parameters, buffers):
        return torch.func.functional_call(models[0], (parameters, buffers), (x,))

    both = torch.func.vmap(run)(parameters, buffers)
    for got, model in zip(both, models, strict=True):
        assert torch.allclose(got, model(x), atol=1e-5)
