import copy

import numpy as np
import pytest
import torch
from torch import nn

from skelblocks import layouts
from skelblocks.attention import MHSAM, MsMAttention
from skelblocks.encoders import DSTA, STGCN, BarlowProjector, BiGRU, ProjectionHead, SideBySide
from skelblocks.interop.pretrained.module_config import PretrainedFormatError, build_module, describe_module

LAYOUT = layouts.get("coco-17")
# Every argument differs from its default, so that none can be lost.
MODULES = {
    "STGCN": (
        "encoder",
        lambda: STGCN(
            LAYOUT, in_channels=2, base_channels=2, out_channels=8, dropout=0.25, strategy="distance", max_hop=4,
            dilation=2, edge_importance=False, absent="skip",
        ),
    ),
    "DSTA": (
        "encoder",
        lambda: DSTA(
            LAYOUT, frames=9, in_channels=2, layers=[(4, 4, 2, 1), (4, 8, 2, 2)], num_subsets=2, dropout=0.25,
            absent="skip",
        ),
    ),
    "BiGRU": (
        "encoder",
        lambda: BiGRU(LAYOUT, in_channels=2, persons=1, hidden_features=3, num_layers=2, causal=True),
    ),
    "SideBySide": (
        "encoder",
        lambda: SideBySide(
            STGCN(LAYOUT, base_channels=2, out_channels=8, dropout=0.25),
            STGCN(LAYOUT, base_channels=2, out_channels=4, dropout=0.5),
        ),
    ),
    "ProjectionHead": (
        "head",
        lambda: ProjectionHead(8, hidden_features=5, out_features=3, batch_norm=True, hidden_layers=2),
    ),
    "BarlowProjector": ("head", lambda: BarlowProjector(8, hidden_features=5, out_features=3)),
    "MsMAttention": (
        "attention",
        lambda: MsMAttention(
            8, layout=LAYOUT, reduction=2, motion="frame", scales=("part",), segment=4, normalization="token",
            boundary="replicate", scale=0.5, similarity="cosine",
        ),
    ),
    "MHSAM": ("attention", lambda: MHSAM(8, num_heads=4, sharpness=3.0, absent="skip")),
}  # fmt: skip


def test_msm_attention_that_skips_absent_persons_comes_back():
    config = describe_module(MsMAttention(8, layout=LAYOUT, absent="skip"), role="attention")
    assert build_module(config, role="attention", layout=LAYOUT).absent == "skip"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_comes_back_with_every_argument(name):
    role, make = MODULES[name]
    module = make()
    config = describe_module(module, role=role)
    again = build_module(config, role=role, layout=LAYOUT)
    assert repr(again) == repr(module)
    kept = {key: value for key, value in vars(module).items() if not key.startswith("_") and key != "training"}
    assert {key: vars(again)[key] for key in kept} == kept
    again.load_state_dict(module.state_dict())
    assert describe_module(again, role=role) == config


@pytest.mark.parametrize("name", MODULES)
def test_building_leaves_the_random_numbers_alone(name):
    role, make = MODULES[name]
    config = describe_module(make(), role=role)
    before = torch.get_rng_state()
    build_module(config, role=role, layout=LAYOUT)
    build_module(config, role=role, layout=LAYOUT, device="meta")
    assert torch.get_rng_state().equal(before)


class Mine(STGCN):
    pass


@pytest.mark.parametrize("module", [Mine(LAYOUT, base_channels=2), nn.Linear(2, 2), ProjectionHead(8)])
def test_other_classes_are_refused_with_what_to_do(module):
    with pytest.raises(TypeError, match=r"encoder: expected STGCN or DSTA or BiGRU or SideBySide, got .*safetensors"):
        describe_module(module, role="encoder")


def test_a_changed_module_is_refused():
    mask = MHSAM(8)
    mask.norm = nn.Identity()
    with pytest.raises(ValueError, match=r"attention: .* got others at norm\.bias, norm\.weight; a layer was replaced"):
        describe_module(mask, role="attention")
    head = ProjectionHead(8)
    head.hidden_features = 0
    with pytest.raises(ValueError, match="head: expected a module that its attributes describe"):
        describe_module(head, role="head")
    head = ProjectionHead(8)
    head.layers[1] = nn.GELU()
    with pytest.raises(ValueError, match="head: expected the layers that the arguments of ProjectionHead give"):
        describe_module(head, role="head")
    encoder = STGCN("sbu", base_channels=4, out_channels=8)
    encoder.data_norm.eps = 1.0
    with pytest.raises(
        ValueError, match=r"encoder: expected the layers .* another setting of one; save the state dict"
    ):
        describe_module(encoder, role="encoder")


def test_numpys_numbers_are_written_as_numbers():
    encoder = STGCN("sbu", base_channels=np.int64(4), out_channels=8, dropout=np.float64(0.25))
    arguments = describe_module(encoder, role="encoder")["arguments"]
    assert [type(arguments[name]) for name in ("base_channels", "dropout")] == [int, float]


CHANGES = {
    "unknown class": (lambda config: config | {"class": "os.system"}, "as its class, got os.system"),
    "class of another role": (lambda config: config | {"class": "MHSAM"}, "as its class"),
    "class is a list": (lambda config: config | {"class": []}, "as its class"),
    "another key": (lambda config: config | {"code": ""}, "an object of 'class' and 'arguments'"),
    "no object": (lambda config: [config], "an object of 'class' and 'arguments'"),
    "missing argument": (lambda config: _argument(config, "dropout"), "expected the arguments"),
    "unknown argument": (lambda config: _argument(config, "device", "cuda"), "expected the arguments"),
    "layout as argument": (lambda config: _argument(config, "layout", "coco-17"), "expected the arguments"),
    "arguments are null": (lambda config: config | {"arguments": None}, "expected the arguments"),
    "string for a size": (lambda config: _argument(config, "in_channels", "3"), "expected an integer in"),
    "boolean for a size": (lambda config: _argument(config, "in_channels", True), "expected an integer in"),
    "huge size": (lambda config: _argument(config, "out_channels", 10**30), "expected an integer in 0..1048576"),
    "huge hops": (lambda config: _argument(config, "max_hop", 10**6), "expected an integer in 0..1024"),
    "zero": (lambda config: _argument(config, "base_channels", 0), "refuses its arguments"),
    "string for a number": (lambda config: _argument(config, "dropout", "0.5"), "expected a number"),
    "number for a flag": (lambda config: _argument(config, "edge_importance", 1), "expected true or false"),
    "list for a word": (lambda config: _argument(config, "strategy", ["spatial"]), "expected a string"),
    "unknown word": (lambda config: _argument(config, "strategy", "x" * 9999), "refuses its arguments"),
}


def _argument(config, name, *value):
    config = copy.deepcopy(config)
    config["arguments"].pop(name, None)
    config["arguments"].update(zip([name], value, strict=False))
    return config


@pytest.mark.parametrize("change", CHANGES)
def test_descriptions_that_are_wrong(change):
    alter, message = CHANGES[change]
    config = describe_module(STGCN(LAYOUT, base_channels=2), role="encoder")
    with pytest.raises(PretrainedFormatError, match=message) as caught:
        build_module(alter(config), role="encoder", layout=LAYOUT, device="meta")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "layers", ["abc", None, [[1, 2, 3]], [[4, 4, 2, 0.5]], [[4, 4, 2, True]], [[4, 4, 2, 1]] * 2000, [[4, 4, 2, -1]]]
)
def test_layers_that_are_wrong(layers):
    config = describe_module(DSTA(LAYOUT, frames=8, layers=[(4, 4, 2, 1)]), role="encoder")
    with pytest.raises(PretrainedFormatError, match="layers of DSTA: expected up to 64 rows of 4 integers"):
        build_module(_argument(config, "layers", layers), role="encoder", layout=LAYOUT, device="meta")


@pytest.mark.parametrize("sharpness", [float("nan"), float("inf"), 10**400, -1, True])
def test_numbers_that_are_wrong(sharpness):
    config = describe_module(MHSAM(8), role="attention")
    with pytest.raises(PretrainedFormatError, match=r"sharpness of MHSAM: expected a number in 0\.\.1048576"):
        build_module(_argument(config, "sharpness", sharpness), role="attention", layout=LAYOUT, device="meta")


@pytest.mark.parametrize("scales", ["joint", ["joint", 1], [[]], None, ["joint"] * 9])
def test_scales_that_are_wrong(scales):
    config = describe_module(MsMAttention(8, layout=LAYOUT), role="attention")
    with pytest.raises(PretrainedFormatError, match="scales of MsMAttention: expected up to 3 strings"):
        build_module(_argument(config, "scales", scales), role="attention", layout=LAYOUT, device="meta")


def test_descriptions_of_earlier_versions_are_read():
    config = describe_module(ProjectionHead(8, hidden_features=4, out_features=2), role="head")
    del config["arguments"]["bias"]
    assert build_module(config, role="head", layout=None).layers[0].bias is not None
    for name in ("STGCN", "DSTA", "MsMAttention", "MHSAM"):
        role, make = MODULES[name]
        config = describe_module(make(), role=role)
        del config["arguments"]["absent"]
        assert build_module(config, role=role, layout=LAYOUT).absent == "compute"


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        ([], "encoders of SideBySide: expected 1 to 8 single encoders"),
        ({}, "expected 1 to 8 single encoders"),
        ([{"class": "SideBySide", "arguments": {"encoders": []}}], "expected 1 to 8 single encoders"),
        ([{"class": "MHSAM", "arguments": {"channels": 8, "num_heads": 1, "sharpness": 1.0}}], "as its class"),
    ],
)
def test_encoders_side_by_side_that_are_wrong(encoders, message):
    config = {"class": "SideBySide", "arguments": {"encoders": encoders}}
    with pytest.raises(PretrainedFormatError, match=message):
        build_module(config, role="encoder", layout=LAYOUT, device="meta")


def test_too_many_encoders_side_by_side():
    one = describe_module(STGCN(LAYOUT, base_channels=2), role="encoder")
    config = {"class": "SideBySide", "arguments": {"encoders": [one] * 9}}
    with pytest.raises(PretrainedFormatError, match="expected 1 to 8 single encoders"):
        build_module(config, role="encoder", layout=LAYOUT, device="meta")


def test_a_changed_encoder_beside_another_is_refused():
    first, second = (STGCN(LAYOUT, base_channels=2, out_channels=8) for _ in range(2))
    second.data_norm.eps = 1.0
    with pytest.raises(ValueError, match="encoder: expected the layers that the arguments of STGCN give"):
        describe_module(SideBySide(first, second), role="encoder")
