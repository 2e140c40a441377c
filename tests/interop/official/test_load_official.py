import copy
import pickle
import re
from functools import cache, partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from official_states import GOLDEN, MODELS, official_state, source_of
from torch import nn

from skelblocks import layouts
from skelblocks.attention import MHSAM, MsMAttention, soft_mask_pool
from skelblocks.clips import Preprocessing
from skelblocks.encoders import STGCN, pool
from skelblocks.interop import CheckpointError, load_official, to_official
from skelblocks.interop.official.official_keys import official_name
from skelblocks.interop.official.recognize_source import recognize_source
from skelblocks.layouts import SkeletonLayout

close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-10)


def arrays(name):
    with np.load(GOLDEN / name) as golden:
        return {key: torch.from_numpy(golden[key]) for key in golden.files if golden[key].dtype.kind != "U"}


def weights(golden, prefix=""):
    return {prefix + key[3:]: value for key, value in golden.items() if key.startswith("sd/")}


def same(one, other):
    assert set(one) == set(other)
    assert all(one[key].dtype == other[key].dtype and torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("model", MODELS)
def test_every_released_models_names_go_in_and_come_back(model):
    state = official_state(model, queue=64)
    before = {key: value.clone() for key, value in state.items()}
    draws = torch.get_rng_state()
    loaded = load_official(state)
    assert torch.equal(torch.get_rng_state(), draws)
    report = loaded.report
    assert source_of(model) in (report.source, *report.alternatives)
    assert report.complete
    assert set(report.mapped) | set(report.dropped) == set(state)
    assert not set(report.mapped) & set(report.dropped)
    same(to_official(loaded), state)
    same(state, before)
    small = small_state(model)
    explicit = load_official(small, source=source_of(model))
    assert explicit.report.alternatives == ()
    same(to_official(explicit), small)


def test_what_is_where_in_a_file_of_pretraining():
    state = official_state("MsMCLR", queue=8, narrow=True)
    state["queue_ptr"][0] = 3
    loaded = load_official(state)
    assert torch.equal(loaded.encoder.blocks[4].temporal.weight, state["encoder_q.st_gcn_networks.4.tcn.2.weight"])
    assert torch.equal(loaded.key_encoder.blocks[4].temporal.weight, state["encoder_k.st_gcn_networks.4.tcn.2.weight"])
    assert torch.equal(loaded.head.layers[2].weight, state["encoder_q.fc.2.weight"])
    assert torch.equal(loaded.key_head.layers[2].weight, state["encoder_k.fc.2.weight"])
    assert torch.equal(loaded.queue.bank, state["queue"].T)
    assert int(loaded.queue.pointer) == 3
    assert isinstance(loaded.attention, MsMAttention)
    assert (loaded.attention.reduction, loaded.attention.segment) == (8, 8)
    assert torch.equal(loaded.attention.conv_up.weight, state["encoder_q.m2a.conv_up.weight"])
    assert loaded.classifier is None
    assert loaded.report.mapped["queue_ptr"] == "queue.pointer"
    assert loaded.queue.ids.tolist() == [-1] * 8
    assert loaded.report.filled == {"queue.ids": "-1, clips are not known"}
    assert "never calls" in loaded.report.dropped["encoder_k.dropout.conv_t.bias"]
    assert not any(module.training for module in loaded.encoder.modules())


def test_what_is_where_in_other_methods_files():
    state = official_state("SkeAttnCLR", queue=8, narrow=True)
    skeattn = load_official(state, num_heads=4, sharpness=3.0)
    assert (skeattn.encoder.base_channels, skeattn.encoder.strategy) == (8, "agcn")
    assert isinstance(skeattn.attention, MHSAM)
    assert (skeattn.attention.num_heads, skeattn.attention.sharpness) == (4, 3.0)
    assert set(skeattn.side_queues) == {"salient", "non_salient"}
    queues = {"z": skeattn.queue, "s": skeattn.side_queues["salient"], "ns": skeattn.side_queues["non_salient"]}
    for suffix, queue in queues.items():
        assert queue.bank.equal(state[f"queue_{suffix}"].T)
        assert queue.ids.tolist() == [-1] * 8
    for predictor, name in zip(skeattn.predictors, ("predictor", "predictor_s", "predictor_ns"), strict=True):
        assert predictor.layers[0].weight.equal(state[f"{name}.mlp.0.weight"][..., 0])
    assert [layer.bias for layer in skeattn.head.layers if isinstance(layer, nn.Linear)] == [None, None]
    assert not skeattn.predictors[0].bias
    hiclr = official_state("HiCLR", queue=8, narrow=True)
    assert torch.equal(load_official(hiclr).joint_mask.fill, hiclr["mask_param"])
    assert load_official(official_state("SkeleMixCLR_plus", queue=8, narrow=True)).head.batch_norm
    linear = load_official(official_state("AimCLR_linear_eval", narrow=True))
    assert (linear.classifier.out_features, linear.head, linear.queue) == (60, None, None)
    assert linear.classifier(pool(linear.encoder(torch.randn(1, 3, 8, 25, 1)))).shape == (1, 60)


def test_crossed_streams_are_chosen_by_name():
    state = official_state("CrosSCLR_3views", queue=8, narrow=True)
    for stream, suffix in (("joint", ""), ("motion", "_motion"), ("bone", "_bone")):
        loaded = load_official(state, stream=stream)
        assert torch.equal(loaded.encoder.data_norm.weight, state[f"encoder_q{suffix}.data_bn.weight"])
        assert torch.equal(loaded.queue.bank, state[f"queue{suffix}"].T)
        last = "fc.2.2.bias" if suffix else "fc.2.bias"
        assert torch.equal(list(loaded.head.parameters())[-1], state[f"encoder_q{suffix}.{last}"])
    same(to_official(loaded), state)
    with pytest.raises(CheckpointError, match="expected stream to be one of its joint, motion, got 'bone'"):
        load_official(official_state("CrosSCLR_2views", queue=8, narrow=True), stream="bone")


def test_equals_the_released_encoder_in_float64():
    golden = arrays("stgcn_small_eval_f64.npz")
    loaded = load_official(weights(golden))
    assert loaded.encoder.data_norm.weight.dtype == torch.float64
    x = golden["x"].requires_grad_()
    feature_map = loaded.encoder(x)
    out = loaded.classifier(pool(feature_map))
    (out * golden["cot"]).sum().backward()
    close(feature_map.flatten(0, 1), golden["rec/layer9"])
    close(pool(feature_map), golden["rec/pooled"])
    close(out, golden["out"])
    close(x.grad, golden["grad_x"])
    close(loaded.classifier.weight.grad, golden["grad/fc.weight"])
    close(loaded.encoder.blocks[3].graph.edge_importance.grad, golden["grad/edge_importance.3"])
    same(to_official(loaded), weights(golden))


@pytest.fixture
def skeattn_small():
    """A linear evaluation's file, out of the released encoder's and the released neck's weights."""
    golden = arrays("skeattn_neck_f64.npz")
    encoder = weights(arrays("stgcn_small_eval_f64.npz"), "encoder_q.backbone.")
    return golden, {**encoder, **weights(golden, "encoder_q.neck.")}


def test_equals_the_released_neck_in_float64(skeattn_small):
    golden, state = skeattn_small
    loaded = load_official(state, num_heads=int(golden["num_heads"]), sharpness=float(golden["Lambda"]))
    n, c, t, v, m = golden["f"].shape
    feature_map = golden["f"].reshape(n, m, c, t, v)  # the released axes are a view of rows
    mask = loaded.attention(feature_map)
    close(mask.flatten(0, 1).flatten(2).transpose(1, 2), golden["mask_NMxTVxC"])
    salient, rest = soft_mask_pool(feature_map, mask)
    for feature, name in ((pool(feature_map), "z"), (salient, "z_salient"), (rest, "z_nonsalient")):
        close(loaded.head(feature), golden[name][..., 0])
    same(to_official(loaded), state)


def test_equals_the_released_attention_in_float64(skeattn_small):
    _, state = skeattn_small
    golden = arrays("skeattn_mhsam_f64.npz")
    state |= weights(golden, "encoder_q.neck.Attn.")
    loaded = load_official(state, num_heads=int(golden["num_heads"]), sharpness=float(golden["Lambda"]))
    loaded.attention.norm = nn.Identity()  # the released attention's caller has it
    mask = loaded.attention(golden["x"].transpose(1, 2)[..., None])
    close(mask[..., 0].transpose(1, 2), golden["mask"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes_stay(dtype):
    state = official_state("PSTL_encoder", dtype=dtype, narrow=True)
    loaded = load_official(state)
    assert {p.dtype for p in loaded.encoder.parameters()} == {dtype}
    assert loaded.encoder.data_norm.num_batches_tracked.dtype == torch.int64
    same(to_official(loaded), state)


def test_module_is_taken_out_of_names_and_aliases_are_known():
    state = official_state("SkeAttnCLR", queue=8, narrow=True)
    alias = {"predictor_s": "predictor_p", "predictor_ns": "predictor_c"}
    alias |= {
        f"queue{p}_{ours}": f"queue{p}_{theirs}" for p in ("", "_ptr") for ours, theirs in (("s", "p"), ("ns", "c"))
    }
    written = {}
    for key, value in state.items():
        first, _, rest = key.partition(".")
        written[".".join(filter(None, ("module", alias.get(first, first), "module" if rest else "", rest)))] = value
    loaded = load_official(written)
    assert loaded.report.complete
    assert set(loaded.report.mapped) | set(loaded.report.dropped) == set(written)
    same(to_official(loaded), state)
    with pytest.raises(CheckpointError, match=r"'queue_p' and 'queue_s' both mean 'queue_s'|both mean 'queue_s'"):
        load_official({**state, "queue_p": state["queue_s"]})


small_state = cache(partial(official_state, queue=8, narrow=True))


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_missing_and_unexpected_names_are_always_reported(data):
    model = data.draw(st.sampled_from(["PSTL_encoder", "AimCLR_linear_eval", "HiCLR", "MsMCLR", "CrosSCLR_2views"]))
    state = small_state(model)
    lost = data.draw(st.lists(st.sampled_from(sorted(state)), max_size=5, unique=True))
    more = data.draw(
        st.lists(st.text("abc.0_", min_size=1, max_size=6).map("extra_{}".format), max_size=3, unique=True)
    )
    broken = {key: value for key, value in state.items() if key not in lost} | dict.fromkeys(more, torch.ones(1))
    if not lost and not more:
        same(to_official(load_official(broken, source=source_of(model))), state)
        return
    with pytest.raises(CheckpointError) as caught:
        load_official(broken, source=source_of(model))
    report = caught.value.report
    assert set(report.missing) == set(lost)
    assert set(report.unexpected) == set(more)
    assert set(report.mapped) | set(report.dropped) | set(report.unexpected) == set(broken)
    assert (report.missing or report.unexpected)[0] in str(caught.value)


@pytest.mark.parametrize("model", ["PSTL_encoder", "AimCLR", "SkeAttnCLR_linear_eval"])
def test_without_strictness_the_rest_is_loaded_and_all_is_reported(model):
    state = official_state(model, queue=8, narrow=True)
    lost = sorted(state)[3::29]
    broken = {key: value for key, value in state.items() if key not in lost} | {"extra": torch.ones(1)}
    loaded = load_official(broken, source=source_of(model), strict=False)
    assert set(loaded.report.missing) == set(lost)
    assert loaded.report.unexpected == ("extra",)
    assert "missing: " in str(loaded.report)
    back = to_official(loaded)
    same({key: back[key] for key in state if key not in lost}, {key: state[key] for key in state if key not in lost})


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        ("MsMCLR", "encoder_q.dropout"),
        ("MsMCLR", "encoder_k.edge_importance"),
        ("SkeAttnCLR", "encoder_q.neck.proj_obj"),
    ],
)
def test_whole_modules_that_a_file_may_lack_are_noted(model, prefix):
    state = {
        key: value for key, value in official_state(model, queue=8, narrow=True).items() if not key.startswith(prefix)
    }
    loaded = load_official(state)
    assert loaded.report.complete
    assert any((note.startswith(prefix) and "not in the file" in note) or "none in the file" in note
               for note in loaded.report.notes)  # fmt: skip
    same(to_official(loaded), state)


@pytest.mark.parametrize("model", ["AimCLR", "SkeAttnCLR", "HiCLR", "CrosSCLR_2views"])
@pytest.mark.parametrize("prefix", ["encoder_k", "queue"])
def test_whole_modules_that_must_be_there_are_missed(model, prefix):
    state = {key: value for key, value in small_state(model).items() if not key.startswith(prefix)}
    with pytest.raises(CheckpointError, match=f"missing: {prefix}"):
        load_official(state)
    assert load_official(state, strict=False).encoder.out_channels == 32


def wrong(state, **changes):
    return {**state, **{f"encoder_q.{key.replace('__', '.')}": value for key, value in changes.items()}}


def test_a_graph_of_another_skeleton_is_refused():
    state = official_state("AimCLR_linear_eval", narrow=True)
    mirrored = state["encoder_q.A"].transpose(1, 2)
    with pytest.raises(CheckpointError, match=r"encoder_q.A: the file's graph .* 'ntu-rgb\+d'.* nearest, .* off by"):
        load_official(wrong(state, A=mirrored))
    loaded = load_official(wrong(state, A=mirrored), check_graph=False)
    assert torch.equal(loaded.encoder.adjacency, mirrored)
    assert "taken as it is" in str(loaded.report)
    with pytest.raises(CheckpointError, match="layout: the file's graph has 25 joints, 'nw-ucla' has 20"):
        load_official(state, layout="nw-ucla")


@pytest.mark.parametrize("strategy", ["spatial", "spatial_bfs", "agcn", "distance", "uniform"])
@pytest.mark.parametrize("name", ["ntu-rgb+d", "nw-ucla", "openpose-18"])
def test_the_graph_chooses_strategy_and_layout(name, strategy):
    state = to_official(make(name, strategy=strategy), source="AimCLR", classifier=nn.Linear(8, 5))
    loaded = load_official(state)
    assert loaded.encoder.strategy == strategy
    assert torch.equal(layouts.adjacency(loaded.encoder.layout, strategy=strategy), loaded.encoder.adjacency)
    assert load_official(state, layout=name).encoder.layout.name == name
    same(to_official(loaded), state)


def make(layout="ntu-rgb+d", **options):
    return STGCN(layout, base_channels=4, out_channels=8, **options)


def test_a_layout_of_ones_own_and_other_sizes():
    hand = SkeletonLayout.from_dict({
        "name": "hand", "joints": ["palm", "thumb", "tip"], "edges": [[1, 0], [2, 1]], "center": 0, "swap": [0, 1, 2],
        "parts": {"palm": [0], "finger": [1, 2]}, "bodies": {"hand": [0, 1, 2]},
    })  # fmt: skip
    encoder = make(hand, in_channels=2, max_hop=2, edge_importance=False)
    state = to_official(encoder, source="PSTL")
    with pytest.raises(CheckpointError, match="3 joints, as no registered layout has; pass yours as layout="):
        load_official(state)
    loaded = load_official(state, layout=hand).encoder
    assert (loaded.layout, loaded.in_channels, loaded.max_hop, loaded.base_channels) == (hand, 2, 2, 4)
    x = torch.randn(2, 2, 9, 3, 1)
    assert torch.equal(loaded(x), encoder.eval()(x))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fc__weight": torch.ones(60, 31)}, r"'encoder_q.fc.weight' is .*\(60, 31\), expected .*\(60, 32\)"),
        ({"data_bn__weight": torch.ones(76)}, r"'encoder_q.data_bn.weight' is torch.float32 of shape \(76,\)"),
        ({"st_gcn_networks__0__tcn__2__weight": torch.ones(5, 5, 9, 1)}, "expected torch.float32 of"),
        ({"st_gcn_networks__9__tcn__2__weight": torch.ones(1, 1, 1, 1)}, "expected torch.float32 of"),
        ({"A": torch.ones(3, 25)}, "'encoder_q.A' is|graph"),
        ({"A": torch.ones(3, 0, 0)}, "'encoder_q.A' is|graph"),
        ({"A": torch.ones(())}, "'encoder_q.A' is|graph"),
        ({"fc__weight": torch.ones(0, 32), "fc__bias": torch.ones(0)}, "'encoder_q.fc.weight' is"),
        ({"fc__bias": torch.ones(60, dtype=torch.float64)}, "one dtype"),
        ({"fc__bias": torch.ones(60, dtype=torch.int64)}, "expected one of float16"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(changes, message):
    state = wrong(official_state("AimCLR_linear_eval", narrow=True), **changes)
    for strict in (True, False):
        with pytest.raises(CheckpointError, match=message):
            load_official(state, strict=strict)


@pytest.mark.parametrize("pointer", [-1, 8])
def test_a_pointer_out_of_its_queue_is_refused(pointer):
    state = official_state("AimCLR", queue=8, narrow=True) | {"queue_ptr": torch.tensor([pointer])}
    with pytest.raises(CheckpointError, match=f"'queue_ptr' is {pointer}, outside of its queue"):
        load_official(state)


def test_small_files_cannot_ask_for_large_blocks():
    state = official_state("AimCLR_linear_eval", narrow=True)
    for name, shape in (
        ("st_gcn_networks.9.tcn.2.weight", (10**6, 1, 1, 1)),
        ("A", (3, 1, 10**6)),
        ("fc.weight", (10**6, 1)),
    ):
        with pytest.raises(CheckpointError):
            load_official(state | {f"encoder_q.{name}": torch.ones(shape)})


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"source: expected one of 'auto', 'SkeletonCLR', .*got 'MoCo'"):
        load_official({}, source="MoCo")
    with pytest.raises(ValueError, match="stream: expected one of 'joint', 'motion', 'bone', got 'depth'"):
        load_official({}, stream="depth")
    with pytest.raises(CheckpointError, match=r"expected an ST-GCN's names as one of .*, got layer.0"):
        load_official({"layer.0": torch.ones(1)})
    with pytest.raises(CheckpointError, match="num_heads: expected a divisor of channels=32, got 3"):
        load_official(official_state("SkeAttnCLR", queue=8, narrow=True), num_heads=3)


def test_a_single_linear_layer_as_head():
    state = official_state("AimCLR", queue=8, narrow=True)
    for letter in "qk":
        for i in (0, 2):
            for kind in ("weight", "bias"):
                value = state.pop(f"encoder_{letter}.fc.{i}.{kind}")
        state[f"encoder_{letter}.fc.weight"] = torch.randn(16, 32)
        state[f"encoder_{letter}.fc.bias"] = value
    loaded = load_official(state)
    assert loaded.head(torch.randn(2, 32)).shape == (2, 16)
    assert loaded.classifier is None
    same(to_official(loaded), state)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_recognized(model):
    source = recognize_source(official_state(model, queue=2, narrow=True))
    assert source == {"AimCLR": "SkeletonCLR", "PSTL": "encoder"}.get(source_of(model), source_of(model))


def test_linear_evaluations_that_have_the_same_names_are_told():
    state = small_state("AimCLR_linear_eval")
    assert load_official(state).report.alternatives == ("AimCLR", "CrosNNCLR", "SkeleMixCLR")
    turned = wrong(state, A=layouts.adjacency("ntu-rgb+d", strategy="agcn"))
    loaded = load_official(turned)
    assert (loaded.encoder.strategy, loaded.report.alternatives) == ("agcn", ("AimCLR", "CrosNNCLR", "SkeleMixCLR"))
    assert load_official(turned, source="SkeleMixCLR").report.complete
    assert load_official(small_state("AimCLR")).report.alternatives == ("AimCLR", "CrosNNCLR", "ActCLR")


def as_convolutions(state, axes=2):
    """The same file with heads and classifiers as convolutions of size one."""
    heads = re.compile(r"encoder_[qk]\w*\.(backbone\.)?fc\.([\d.]+)?weight|.*mlp\.[03]\.weight")
    return {
        key: value.flatten(1)[(...,) + (None,) * axes] if heads.fullmatch(key) and value.ndim > 1 else value
        for key, value in state.items()
    }


@pytest.mark.parametrize("axes", [0, 1, 2])
@pytest.mark.parametrize("model", MODELS)
def test_heads_and_classifiers_may_be_convolutions_and_come_back_so(model, axes):
    state = as_convolutions(small_state(model), axes)
    loaded = load_official(state)
    same(to_official(loaded), state)
    plain = load_official(small_state(model))
    for name in ("head", "classifier"):
        ours, theirs = getattr(loaded, name), getattr(plain, name)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            same(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize("model", ["AimCLR", "AimCLR_linear_eval"])
def test_convolutions_tell_actclr(model):
    report = load_official(as_convolutions(small_state(model))).report
    assert (report.source, report.alternatives) == ("ActCLR", ("AimCLR", "DoGCLR"))


@pytest.mark.parametrize("source", ["ActCLR", "CrosNNCLR", "DoGCLR", "AimCLR", "SkeletonCLR"])
@pytest.mark.parametrize("axes", [0, 2])
def test_the_form_does_not_depend_on_the_source_that_is_named(source, axes):
    state = as_convolutions(small_state("AimCLR_linear_eval"), axes)
    loaded = load_official(state, source=source)
    assert (loaded.source, loaded.report.alternatives) == (source, ())
    same(to_official(loaded), state)


def test_doctored_convolutions_are_refused():
    state = small_state("AimCLR_linear_eval")
    for shape in ((60, 32, 1, 2), (60, 32, 3, 3), (60, 32, 1, 1, 1)):
        with pytest.raises(CheckpointError, match=r"'encoder_q.fc.weight' is .* expected torch.float32 of \(60, 32"):
            load_official(wrong(state, fc__weight=torch.ones(shape)))


def test_dogclr_registers_a_mean_pose_that_nothing_reads():
    state = as_convolutions(small_state("AimCLR")) | {"mean_pose": torch.zeros(1, 3, 25, 2)}
    loaded = load_official(state)
    assert loaded.source == "DoGCLR"
    assert list(loaded.report.dropped) == ["mean_pose"]
    same(to_official(loaded), state)


@pytest.mark.parametrize(
    "wrap",
    [
        "_orig_mod.{}",
        "module._orig_mod.{}",
        "_orig_mod.module.{}",
        "_fsdp_wrapped_module.{}",
        "{0}",
    ],
)
@pytest.mark.parametrize("inner", ["", "module", "_orig_mod", "_checkpoint_wrapped_module"])
def test_prefixes_of_wrappers_are_removed_wherever_they_stand(wrap, inner):
    state = small_state("AimCLR")
    written = {}
    for key, value in state.items():
        first, *rest = key.split(".")
        middle = [inner] if inner and rest else []
        written[wrap.format(".".join([first, *middle, *rest]))] = value
    loaded = load_official(written)
    assert loaded.report.complete
    same(to_official(loaded), state)


def test_a_prefix_inside_of_every_block_is_removed():
    state = small_state("PSTL_encoder")
    same(to_official(load_official({key.replace(".tcn.", "._orig_mod.tcn."): v for key, v in state.items()})), state)


def test_only_whole_words_are_prefixes():
    assert official_name("mymodule.A") == "mymodule.A"
    assert official_name("encoder_q.module") == "encoder_q.module"


def test_classes_have_names_by_their_number():
    state = small_state("AimCLR_linear_eval")
    assert load_official(state).class_names[42] == "falling"
    more = wrong(state, fc__weight=torch.zeros(120, 32), fc__bias=torch.zeros(120))
    assert load_official(more).class_names[111] == "high-five"
    assert load_official(wrong(state, fc__weight=torch.zeros(51, 32), fc__bias=torch.zeros(51))).class_names == ()
    assert load_official(small_state("AimCLR")).class_names == ()


@pytest.mark.parametrize("model", MODELS)
def test_the_preprocessing_is_that_of_the_released_configurations(model):
    frames = 64 if model.startswith(("SkeAttnCLR", "SkeleMixCLR")) else 50
    expected = Preprocessing(frames=frames, align="official", persons=2, unit="meters")
    assert load_official(small_state(model)).preprocessing == expected


def test_a_graph_tells_the_frames_of_a_linear_evaluation():
    turned = wrong(small_state("AimCLR_linear_eval"), A=layouts.adjacency("ntu-rgb+d", strategy="agcn"))
    assert load_official(turned).preprocessing.frames == 64
    assert load_official(turned, source="AimCLR").preprocessing.frames == 50


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["blocks.0.graph.conv.weight"], "an encoder of skelblocks itself"),
        (["encoder.blocks.0.graph.conv.weight"], "an encoder of skelblocks itself"),
        (["model.encoder_q.A"], r"names that begin with 'model.'; remove that: {key.removeprefix\('model.'\)"),
        (["net.st_gcn_networks.0.gcn.conv.weight"], "names that begin with 'net.'"),
        (["l1.gcn1.PA", "fc.weight"], "2s-AGCN"),
        (["l1.gcn1.convs.0.conv1.weight"], "CTR-GCN"),
        (["backbone.gcn.0.gcn.A"], "PYSKL or MMAction2"),
        (["encoder_q.gru.weight_ih_l0"], "a recurrent network"),
        (["layer1.0.conv1.weight"], "a ResNet"),
        (["joints_embed.weight"], "a transformer"),
        (["whatever"], "a class of yours"),
    ],
)
def test_files_of_others_are_told_what_they_seem_to_be(tmp_path, names, message):
    torch.save(dict.fromkeys(names, torch.ones(1)), tmp_path / "theirs.pt")
    with pytest.raises(CheckpointError, match=rf"theirs.pt: expected an ST-GCN.*{message}"):
        load_official(tmp_path / "theirs.pt")


def test_every_error_names_the_file(tmp_path):
    state = small_state("AimCLR_linear_eval")
    broken = {
        "graph": wrong(state, A=state["encoder_q.A"].transpose(1, 2)),
        "shape": wrong(state, fc__bias=torch.ones(7)),
        "names": {**state, "more": torch.ones(1)},
        "subsets": wrong(state, A=torch.ones(9, 25, 25)),
        "joints": wrong(state, A=torch.ones(3, 13, 13)),
    }
    for name, changed in broken.items():
        torch.save(changed, tmp_path / f"{name}.pt")
        with pytest.raises(CheckpointError, match=f"{name}.pt: "):
            load_official(tmp_path / f"{name}.pt")


def test_names_cannot_write_on_the_terminal():
    state = small_state("PSTL_encoder")
    for name in ("evil\x1b[2J\nPSTL: 177 tensors loaded", "\ud800", "x" * 10**6):
        with pytest.raises(CheckpointError) as caught:
            load_official(state | {name: torch.ones(1)})
        for text in (str(caught.value), str(caught.value.report)):
            assert text.replace("\n  ", "").isprintable()
            assert len(text) < 2000


def test_pickles_and_copies():
    loaded = load_official(small_state("HiCLR"))
    for twin in (pickle.loads(pickle.dumps(loaded)), copy.deepcopy(loaded)):
        same(to_official(twin), to_official(loaded))
        assert twin.report == loaded.report


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_weights_on_a_cuda_device_come_to_the_cpu_and_blocks_go_there():
    state = official_state("AimCLR", queue=8, narrow=True)
    loaded = load_official({key: value.cuda() for key, value in state.items()})
    assert loaded.encoder.adjacency.device.type == "cpu"
    loaded.encoder.cuda()
    same(to_official(loaded), state)
