import copy
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from skelblocks import layouts
from skelblocks.attention import MsMAttention, motion_attention, motion_difference

GOLDEN = Path(__file__).parents[1] / "golden"
DOUBLE = {"dtype": torch.float64}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def standardized(values):
    mean = values.mean()
    return (values - mean) / ((values - mean).square().mean() + 1e-5).sqrt()


def reference_attention(z, motion, segment, normalization):
    """Token by token, frame by frame, as section 3.2.2 reads, or in groups of rows, as the released code runs."""
    zn = torch.empty_like(z)
    for b in range(z.shape[0]):
        if normalization == "token" and segment:
            zn[b] = standardized(z[b])
        for t in range(z.shape[2]):
            if normalization == "token" and not segment:
                zn[b, :, t] = standardized(z[b, :, t])
            for r in range(z.shape[1]):
                if normalization == "node":
                    zn[b, r, t] = standardized(z[b, r, t])
    m = motion_difference(zn, motion=motion)
    a = torch.zeros_like(z)
    for b in range(z.shape[0]):
        if segment:
            group = range(b - b % segment, b - b % segment + segment)
            scores = torch.stack([(m[b] * m[other]).sum() for other in group]) / math.sqrt(m[b].numel())
            weights = scores.exp() / scores.exp().sum()
            a[b] = sum(w * m[other] for w, other in zip(weights, group, strict=True))
            continue
        for t in range(z.shape[2]):
            scores = torch.stack([(m[b, :, t] * m[b, :, u]).sum() for u in range(z.shape[2])])
            scores = scores / math.sqrt(m[b, :, t].numel())
            weights = scores.exp() / scores.exp().sum()
            a[b, :, t] = sum(w * m[b, :, u] for u, w in enumerate(weights))
    return a


def reference(attend, x, scale):
    """One scale of the whole block: group means, and both convolutions as matrices at every frame and node."""
    groups = attend.layout.groups(scale)
    x = torch.stack([sum(x[..., j] for j in g.joints) / len(g.joints) for g in groups], dim=-1)
    down, up = (c.weight[:, :, 0, 0] for c in (attend.conv_down, attend.conv_up))
    z = torch.einsum("rc,bctv->brtv", down, x) + attend.conv_down.bias.view(-1, 1, 1)
    a = reference_attention(z, attend.motion, attend.segment, attend.normalization)
    u = torch.einsum("cr,brtv->bctv", up, a + z) + attend.conv_up.bias.view(-1, 1, 1)
    return x / (1 + (-u).exp()) + x


@pytest.mark.parametrize("motion", ["both", "frame", "node"])
@pytest.mark.parametrize("segment", [None, 2, 4])
@pytest.mark.parametrize("normalization", ["node", "token"])
def test_equals_the_slow_reference(motion, segment, normalization):
    attend = MsMAttention(16, layout="ntu-rgb+d", motion=motion, segment=segment, normalization=normalization).double()
    x = torch.randn(2, 2, 16, 3, 25, **DOUBLE)
    for scale, y in zip(("joint", "part", "body"), attend(x), strict=True):
        torch.testing.assert_close(y.flatten(0, 1), reference(attend, x.flatten(0, 1), scale))


def test_without_reduction_equals_the_slow_reference():
    attend = MsMAttention(4, layout="sbu", reduction=1).double()
    assert attend.conv_down.weight.shape == (4, 4, 1, 1)
    x = torch.randn(2, 4, 3, 15, **DOUBLE)
    for scale, y in zip(("joint", "part", "body"), attend(x), strict=True):
        torch.testing.assert_close(y, reference(attend, x, scale))


def golden():
    with np.load(GOLDEN / "m2a_official_both_nseg4_f64.npz") as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


@pytest.mark.parametrize("nodes", [25, 10, 5])
def test_equals_the_released_code(nodes):
    """Its module ran on maps of parts and bodies as they are: here as the joints of layouts with that many."""
    joints = [str(j) for j in range(nodes)]
    layout = layouts.SkeletonLayout.from_dict(
        {
            "name": f"chain-{nodes}",
            "joints": joints,
            "edges": [[j, j - 1] for j in range(1, nodes)],
            "center": 0,
            "swap": list(range(nodes)),
            "parts": {"all": list(range(nodes))},
            "bodies": {"all": list(range(nodes))},
        }
    )
    arrays = golden()
    attend = MsMAttention(16, layout=layout, segment=4, scales=("joint",)).double()
    attend.load_state_dict({key[3:]: value for key, value in arrays.items() if key.startswith("sd/")})
    x = arrays[f"V{nodes}/x"].requires_grad_()
    (y,), (weights,) = attend(x, return_attention=True)
    (y * arrays[f"V{nodes}/cot"]).sum().backward()
    for ours, name in ((y, "out"), (weights, "attn"), (x.grad, "grad_x")):
        torch.testing.assert_close(ours, arrays[f"V{nodes}/{name}"], rtol=1e-9, atol=1e-10)


def test_weight_gradients_of_the_released_code():
    arrays = golden()
    total = {}
    for nodes, scale in ((25, "joint"), (10, "part"), (5, "body")):
        attend = MsMAttention(16, layout="ntu-rgb+d", segment=4, scales=(scale,)).double()
        attend.load_state_dict({key[3:]: value for key, value in arrays.items() if key.startswith("sd/")})
        # The map of a scale, spread over the joints of its groups, comes back as itself by the mean.
        groups = attend.layout.groups(scale)
        owner = torch.tensor([next(i for i, g in enumerate(groups) if j in g.joints) for j in range(25)])
        (y,) = attend(arrays[f"V{nodes}/x"][..., owner])
        torch.testing.assert_close(y, arrays[f"V{nodes}/out"], rtol=1e-9, atol=1e-10)
        (y * arrays[f"V{nodes}/cot"]).sum().backward()
        for name in ("conv_down.weight", "conv_up.weight"):
            total[name] = total.get(name, 0) + attend.get_parameter(name).grad
    for name, gradient in total.items():
        torch.testing.assert_close(gradient, arrays[f"grad/{name}"], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", layouts.available())
@pytest.mark.parametrize(("n", "m", "t"), [(1, 1, 1), (2, 2, 16), (1, 2, 13)])
def test_any_layout_batch_and_length(name, n, m, t):
    layout = layouts.get(name)
    attend = MsMAttention(8, layout=layout)
    outputs, attentions = attend(torch.randn(n, m, 8, t, layout.num_joints), return_attention=True)
    nodes = (layout.num_joints, len(layout.parts), len(layout.bodies))
    assert [tuple(y.shape) for y in outputs] == [(n, m, 8, t, v) for v in nodes]
    for weights in attentions:
        assert weights.shape == (n, m, t, t)
        torch.testing.assert_close(weights.sum(-1), torch.ones(n, m, t))


def test_any_leading_axes():
    attend = MsMAttention(8, layout="sbu").double()
    x = torch.randn(2, 3, 2, 8, 4, 15, **DOUBLE)
    for flat, y in zip(attend(x.flatten(0, 2)), attend(x), strict=True):
        assert y.flatten(0, 2).equal(flat)
    for single, y in zip(attend(x[1, 2, 1]), attend(x), strict=True):
        torch.testing.assert_close(single, y[1, 2, 1])


def test_clips_see_each_other_only_with_segment():
    # Rows that resemble each other: only then does the released code's grouping mix them.
    x = torch.randn(1, 2, 8, 4, 25, **DOUBLE) + 0.01 * torch.randn(4, 2, 8, 4, 25, **DOUBLE)
    other = torch.cat((x[:1], x[1:] + 0.01 * torch.randn_like(x[1:])))
    paper = MsMAttention(8, layout="ntu-rgb+d").double()
    released = MsMAttention(8, layout="ntu-rgb+d", segment=8).double()
    for a, b in zip(paper(x), paper(other), strict=True):
        torch.testing.assert_close(a[0], b[0])
    assert any(not torch.equal(a[0], b[0]) for a, b in zip(released(x), released(other), strict=True))


def test_rows_that_segment_does_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"z: expected a multiple of segment=8 rows .*, got 6"):
        MsMAttention(8, layout="ntu-rgb+d", segment=8)(torch.zeros(3, 2, 8, 4, 25))


def test_scales_come_in_the_order_asked_for_with_the_same_weights():
    everything = MsMAttention(8, layout="nw-ucla")
    chosen = MsMAttention(8, layout="nw-ucla", scales=("body", "joint"))
    chosen.load_state_dict(everything.state_dict())
    x = torch.randn(2, 1, 8, 4, 20)
    joint, _, body = everything(x)
    assert [a.equal(b) for a, b in zip(chosen(x), (body, joint), strict=True)] == [True, True]


def test_the_diagonal_problem_and_its_remedies():
    z = torch.randn(2, 32, 13, 25)
    diagonal = lambda **options: motion_attention(z, **options)[1].diagonal(dim1=1, dim2=2).mean().item()  # noqa: E731
    assert diagonal() > 0.999
    assert diagonal(scale=1e-3) < 0.9 * diagonal()
    assert diagonal(similarity="cosine") < 0.5
    assert diagonal(similarity="cosine", scale=50.0) > 0.99
    attended, _ = motion_attention(z)
    torch.testing.assert_close(attended, motion_difference(nn.functional.layer_norm(z, (25,))), rtol=1e-2, atol=1e-2)


def test_scale_replaces_the_default():
    z = torch.randn(2, 4, 5, 25, **DOUBLE)
    torch.testing.assert_close(motion_attention(z, scale=1 / math.sqrt(100)), motion_attention(z))
    torch.testing.assert_close(
        motion_attention(z, scale=1.0, similarity="cosine"), motion_attention(z, similarity="cosine")
    )
    tokens = motion_difference(nn.functional.layer_norm(z, (25,))).transpose(1, 2).flatten(2)
    cosine = nn.functional.cosine_similarity(tokens[:, :, None], tokens[:, None], dim=-1)
    torch.testing.assert_close(motion_attention(z, similarity="cosine", scale=3.0)[1], (3 * cosine).softmax(-1))


def test_groups_of_one_row_look_at_themselves_alone():
    z = torch.randn(3, 4, 5, 25, **DOUBLE)
    attended, weights = motion_attention(z, segment=1)
    assert weights.equal(torch.ones(3, 1, 1, **DOUBLE))
    torch.testing.assert_close(attended, motion_difference(nn.functional.layer_norm(z, (25,))))
    x = torch.randn(3, 8, 2, 15, **DOUBLE)
    attend = MsMAttention(8, layout="sbu", segment=1).double()
    for scale, y in zip(("joint", "part", "body"), attend(x), strict=True):
        torch.testing.assert_close(y, reference(attend, x, scale))


@pytest.mark.parametrize("boundary", ["zero_difference", "replicate"])
def test_boundary_reaches_the_difference(boundary):
    z = torch.randn(2, 4, 5, 25, **DOUBLE)
    assert not motion_attention(z, boundary=boundary)[0].allclose(motion_attention(z)[0])


@pytest.mark.parametrize(
    "option", [{"boundary": "zero_difference"}, {"boundary": "replicate"}, {"scale": 0.01}, {"similarity": "cosine"}]
)
def test_the_module_hands_its_options_on(option):
    attend = MsMAttention(8, layout="sbu", reduction=2, scales=("joint",), **option).double()
    x = torch.randn(2, 8, 5, 15, **DOUBLE)
    z = attend.conv_down(x)
    attended, expected = motion_attention(z, **option)
    (y,), (weights,) = attend(x, return_attention=True)
    assert weights.equal(expected)
    assert y.equal(x + x * attend.conv_up(attended + z).sigmoid())
    assert not attended.allclose(motion_attention(z)[0])


def test_state_is_the_two_convolutions_under_their_released_names():
    shapes = {key: tuple(value.shape) for key, value in MsMAttention(256, layout="ntu-rgb+d").state_dict().items()}
    assert shapes == {
        "conv_down.weight": (32, 256, 1, 1),
        "conv_down.bias": (32,),
        "conv_up.weight": (256, 32, 1, 1),
        "conv_up.bias": (256,),
    }


@pytest.mark.parametrize("segment", [None, 2])
@pytest.mark.parametrize("normalization", ["node", "token"])
def test_gradients(segment, normalization):
    z = torch.randn(2, 2, 3, 4, **DOUBLE, requires_grad=True)
    attend = lambda z: motion_attention(z, segment=segment, normalization=normalization)  # noqa: E731
    assert torch.autograd.gradcheck(attend, (z,))
    module = MsMAttention(4, layout="sbu", reduction=2, segment=segment, normalization=normalization).double()
    x = torch.randn(2, 4, 2, 15, **DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,), fast_mode=True)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 25), r"feature_map: expected at least 3 axes \(\.\.\., c=8, t, v=25\)"),
        ((2, 16, 4, 25), "axis 'c' is 16, not 8"),
        ((2, 2, 8, 4, 20), "axis 'v' is 20, not 25"),
    ],
)
def test_wrong_shapes_say_what_was_expected(shape, message):
    with pytest.raises(ValueError, match=message):
        MsMAttention(8, layout="ntu-rgb+d")(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduction": 3}, "reduction: expected a divisor of channels=8, got 3"),
        ({"reduction": 0}, "reduction: expected an integer >= 1, got 0"),
        ({"motion": "time"}, "motion: expected one of"),
        ({"normalization": "batch"}, "normalization: expected one of 'node', 'token'"),
        ({"boundary": "wrap"}, "boundary: expected one of"),
        ({"similarity": "l2"}, "similarity: expected one of"),
        ({"segment": 0}, "segment: expected an integer >= 1, got 0"),
        ({"scale": -1.0}, "scale: expected a number > 0"),
        ({"scales": ()}, "scales: expected some of"),
        ({"scales": "joint"}, "scales: expected some of"),
        ({"scales": ("joint", "joint")}, "scales: expected some of"),
        ({"scales": ("limb",)}, "scales: expected one of"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MsMAttention(8, layout="ntu-rgb+d", **options)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 5, 25), {}, r"z: expected 4 axes \(b, r, t, v\), got shape \(4, 5, 25\)"),
        ((2, 4, 5, 25), {"motion": "time"}, "motion: expected one of 'both', 'frame', 'node', got 'time'"),
        ((2, 4, 5, 25), {"normalization": "batch"}, "normalization: expected one of 'node', 'token', got 'batch'"),
        ((2, 4, 5, 25), {"boundary": "wrap"}, "boundary: expected one of 'zero_pad', .* got 'wrap'"),
        ((2, 4, 5, 25), {"similarity": "l2"}, "similarity: expected one of 'dot', 'cosine', got 'l2'"),
        ((2, 4, 5, 25), {"scale": 0.0}, "scale: expected a number > 0, got 0.0"),
        ((2, 4, 5, 25), {"segment": 0}, "segment: expected an integer >= 1, got 0"),
        ((2, 4, 5, 25), {"segment": -1}, "segment: expected an integer >= 1, got -1"),
        ((3, 4, 5, 25), {"segment": 2}, "z: expected a multiple of segment=2 rows .*, got 3"),
    ],
)
def test_what_the_function_refuses(shape, options, message):
    with pytest.raises(ValueError, match=message):
        motion_attention(torch.zeros(shape), **options)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_stays_finite_where_features_are_large(dtype):
    attend = MsMAttention(64, layout="ntu-rgb+d", segment=8)
    x = 100 * torch.randn(8, 64, 16, 25)
    with torch.autocast("cpu", dtype=dtype):
        outputs = attend(x)
    for y, full in zip(outputs, attend(x), strict=True):
        assert torch.isfinite(y).all()
        assert (y - full).norm() < 0.02 * full.norm()


def test_all_scales_keep_the_dtype_of_the_map_under_autocast():
    attend = MsMAttention(8, layout="ntu-rgb+d")
    for dtype in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = attend(torch.randn(2, 8, 4, 25).to(dtype))
        assert [y.dtype for y in outputs] == [dtype] * 3


def test_groups_of_long_clips_stay_finite_in_float16():
    z = torch.randn(1, 64, 64, 25).half()  # 102,400 features a token: more than float16 can count
    attended, weights = motion_attention(z, segment=1)
    assert weights.equal(torch.ones_like(weights))
    torch.testing.assert_close(attended.float(), motion_attention(z.float(), segment=1)[0], rtol=0, atol=0.01)


@pytest.mark.parametrize("assign", [False, True])
def test_a_module_that_was_built_empty_has_its_groups_once_loaded(assign):
    module, x = MsMAttention(8, layout="ntu-rgb+d"), torch.randn(2, 8, 5, 25)
    with torch.device("meta"):
        empty = pickle.loads(pickle.dumps(copy.deepcopy(MsMAttention(8, layout="ntu-rgb+d"))))
    if not assign:
        empty.to_empty(device="cpu")
    empty.load_state_dict(module.state_dict(), assign=assign)
    for got, expected in zip(empty(x), module(x), strict=True):
        assert got.equal(expected)


def test_no_clip_and_no_frame():
    module = MsMAttention(8, layout="ntu-rgb+d")
    assert [len(y) for y in module(torch.zeros(0, 8, 5, 25))] == [0, 0, 0]
    with pytest.raises(ValueError, match=r"feature_map: expected \(\.\.\., c, t, v\) with t of at least 1"):
        module(torch.zeros(2, 8, 0, 25))
