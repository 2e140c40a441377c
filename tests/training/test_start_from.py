"""Starting from weights: what is taken, at which rate it learns, and what is refused."""

import json

import numpy as np
import pytest
import torch
from official_states import official_state
from small_run import METHODS, small_method, small_options, write_set
from torch import nn

from skelblocks.contrast import MomentumEncoder
from skelblocks.encoders import DSTA, STGCN, SideBySide
from skelblocks.interop import from_pretrained, load_official, save_pretrained
from skelblocks.training import StartWeights, load_page, make_optimizer, open_start, set_rate, start_from

PLAIN = load_page("skeletonclr")
NARROW = {"base_channels": 2, "out_channels": 32, "embedding": 16}  # of the narrow official states


@pytest.fixture
def official(tmp_path):
    """Writes an official checkpoint with an eighth of the channels: ``official("AimCLR_linear_eval")``."""

    def write(model, **changes):
        path = tmp_path / f"{changes.get('seed', '')}{model}.pt"
        state = official_state(model, narrow=True, **changes)
        torch.save({name: value.abs() if "running_var" in name else value for name, value in state.items()}, path)
        return str(path)

    return write


def method_of(name="skeletonclr", *, layout="ntu-rgb+d", **changes):
    torch.manual_seed(1)
    return small_method(load_page(name), layout=layout, **{**NARROW, **changes})


def equal(one, other):
    one_state, other_state = one.state_dict(), other.state_dict()
    return one_state.keys() == other_state.keys() and all(
        value.equal(other_state[name]) for name, value in one_state.items()
    )


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_the_encoder_and_its_copies(official, name):
    path = official("AimCLR_linear_eval")
    method = method_of(name, graph="spatial")
    started = start_from(method, path)
    source = load_official(path).encoder
    for encoder in method.encoders().values():
        assert equal(encoder, source)
    for key in (module for module in method.modules() if isinstance(module, MomentumEncoder)):
        copies = [module for module in key.modules() if isinstance(module, STGCN)]
        assert copies or name == "isc"  # whose other encoder is a BiGRU
        assert all(equal(each, source) for each in copies)
    assert started.record["parts"] == ["encoder"]
    assert started.names == {
        name
        for name, _ in method.named_parameters()
        if ".key" not in name
        and not name.startswith("sequence.")
        and (".query_branch.0." in name or ".query.encoder." in name or name.startswith("encoder."))
    }
    fresh = {"pstl": "BarlowProjector", "isc": "MomentumContrast"}.get(name, "head")
    assert f"New weights: {fresh}" in started.message


def test_head_and_queue_of_the_same_sizes_are_taken(official):
    path = official("AimCLR", queue=8)
    found, method = load_official(path), method_of(queue_size=8)
    started = start_from(method, path)
    _, _, head = method.contrast.query_branch.children()
    *_, key_head = method.contrast.key_branch.encoder.children()
    assert equal(head, found.head)
    assert equal(key_head, found.head)
    assert method.contrast.queue.bank.equal(found.queue.bank)
    assert method.contrast.queue.ids.unique().tolist() == [-1]
    assert started.record["parts"] == ["encoder", "head", "queue"]
    assert started.message.endswith("encoder, head and queue. No part has new weights.")


def test_a_queue_is_not_taken_without_its_head(official):
    method = method_of(queue_size=8, head_norm=True)
    before = method.contrast.queue.bank.clone()
    assert start_from(method, official("AimCLR", queue=8)).record["parts"] == ["encoder"]
    assert method.contrast.queue.bank.equal(before)


def test_attention_is_taken(official):
    path = official("MsMCLR", queue=8)
    method = method_of("msmclr")
    started = start_from(method, path)
    assert equal(method.attention, load_official(path).attention)
    assert set(started.record["parts"]) == {"encoder", "head", "queue", "attention"}


def test_a_run_gives_all_that_its_method_shares(small, tmp_path):
    page = load_page("msmclr")
    page.train(small(page, epochs=1))
    run = tmp_path / "run"
    state = torch.load(run / "checkpoint.pt", weights_only=True)["method"]
    twin, other = (small_method(load_page(name), layout="ntu-rgb+d") for name in ("msmclr", "aimclr"))
    assert set(start_from(twin, run).record["parts"]) == {"encoder", "head", "queue", "attention"}
    own = twin.state_dict()
    for name, value in state.items():
        if "key_branch" not in name and "queue.ids" not in name:
            assert own[name].equal(value), name
        elif "key_branch" in name:
            assert own[name].equal(state[name.replace("key_branch.encoder", "query_branch")]), name
    assert own["contrast.queue.ids"].unique().tolist() == [-1]
    assert start_from(other, run).record["parts"] == ["encoder", "head", "queue"]
    (run / "checkpoint.pt").unlink()
    weights = open_start(run)
    assert (weights.kind, weights.name) == ("run", "msmclr")
    assert start_from(twin, weights).record["parts"] == ["encoder"]


def test_a_pretrained_folder_is_taken_with_its_head(tmp_path):
    source, method = method_of(), method_of(seed=3)
    encoder, _, head = source.contrast.query_branch.children()
    save_pretrained(tmp_path / "encoder", encoder=encoder, head=head)
    assert start_from(method, tmp_path / "encoder").record["parts"] == ["encoder", "head"]
    assert equal(method.contrast.query_branch, source.contrast.query_branch)
    with pytest.raises(ValueError, match=r"trained on the stream 'joint'.*--data\.stream joint"):
        open_start(tmp_path / "encoder", streams=["bone"])


def test_two_backbones_both_start_from_one(official):
    method = method_of("crossmoco", share_backbone=False, streams=["joint"])
    path = official("AimCLR_linear_eval")
    start_from(method, path)
    (encoder,) = method.encoders().values()
    assert isinstance(encoder, SideBySide)
    assert all(equal(each, load_official(path).encoder) for each in encoder.encoders)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out_channels": 16}, r"out_channels is 32 there and 16 here; pass --encoder\.out_channels 32"),
        ({"base_channels": 4}, r"base_channels is 2 there and 4 here; pass --encoder\.base_channels 2"),
        ({"graph": "agcn"}, r"strategy is spatial there and agcn here; pass --encoder\.graph spatial"),
        ({"coordinates": 2}, r"in_channels is 3 there and 2 here; start from another encoder"),
        ({"layout": "sbu"}, r"'ntu-rgb\+d', got 'sbu'.* --data\.to ntu-rgb\+d"),
        ({"kind": "dsta"}, r"has the encoder STGCN, but this run has DSTA; pass --encoder\.kind stgcn"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(official, changes, message):
    method = method_of(**changes)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        start_from(method, official("AimCLR_linear_eval"))
    assert all(value.equal(before[name]) for name, value in method.state_dict().items())


def test_layers_that_were_replaced_are_refused():
    own = STGCN("sbu", base_channels=2, out_channels=4)
    other = STGCN("sbu", base_channels=2, out_channels=4)
    other.data_norm = nn.BatchNorm1d(7)
    weights = StartWeights(path="w", kind="pretrained", name=None, sha256="", encoders={"joint": other})
    with pytest.raises(ValueError, match=r"data_norm.* has shape \(7,\) there and \(45,\) here"):
        start_from(own, weights, encoders={"joint": own})


def test_what_is_no_weights_is_refused(tmp_path):
    (tmp_path / "notes.pt").write_text("no weights")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"train\.start: .*notes\.pt"):
        open_start(tmp_path / "notes.pt")
    with pytest.raises(FileNotFoundError, match="no encoder of the stream 'joint'; it has no encoder at all"):
        open_start(tmp_path / "empty")


def test_started_parts_have_a_rate_of_their_own():
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    module[0].bias.requires_grad_(False)
    for kind in ("sgd", "adam"):
        optimizer = make_optimizer(module, rate=1.0, started=["0.weight", "0.bias"], share=0.25, kind=kind)
        assert [len(group["params"]) for group in optimizer.param_groups] == [2, 1]
        set_rate(optimizer, 0.5)
        assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.125]
    assert len(make_optimizer(module, rate=1.0).param_groups) == 1


def test_a_rate_of_zero_keeps_the_started_weights(official):
    path = official("AimCLR_linear_eval")
    method = method_of(dropout=0.0)
    names = start_from(method, path).names
    before = {name: value.clone() for name, value in method.named_parameters()}
    optimizer = make_optimizer(method, rate=0.1, started=names, share=0.0, weight_decay=1e-2)
    views = [torch.randn(4, 3, 16, 25, 1) for _ in range(2)]
    method(*views, ids=torch.arange(4)).loss.backward()
    optimizer.step()
    moved = {name for name, value in method.named_parameters() if not value.equal(before[name])}
    assert moved
    assert not moved & names


def start_options(small, official, **changes):
    return small(PLAIN, **{**NARROW, "start": official("AimCLR_linear_eval"), "start_rate": 0.001, **changes})


def test_a_run_that_starts_from_weights_resumes_to_the_same_bits(small, official, tmp_path):
    whole = start_options(small, official, epochs=2, folder=str(tmp_path / "whole"))
    PLAIN.train(whole)
    cut = start_options(small, official, epochs=1, folder=str(tmp_path / "cut"))
    PLAIN.train(cut)
    PLAIN.train(start_options(small, official, epochs=2, folder=str(tmp_path / "cut")))
    states = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "cut")]
    for name, value in states[0]["method"].items():
        assert states[1]["method"][name].equal(value), name
    rates = [[group["lr"] for group in state["optimizer"]["param_groups"]] for state in states]
    assert rates == [[0.01, 0.001]] * 2


def test_a_run_records_its_start_and_resumes_from_no_other(small, official, tmp_path, capsys):
    PLAIN.train(start_options(small, official, epochs=1))
    shown = capsys.readouterr()
    assert "Started from" in shown.out + shown.err
    assert "frames=16, not 50; align=None, not 'official'" in shown.out + shown.err
    found = from_pretrained(tmp_path / "run" / "encoder").metadata["run"]["start"]
    assert (found["kind"], found["method"], found["parts"]) == ("official", "SkeletonCLR", ["encoder"])
    assert len(found["sha256"]) == 64
    json.dumps(found)
    moved = tmp_path / "moved.pt"
    moved.write_bytes((tmp_path / "AimCLR_linear_eval.pt").read_bytes())
    PLAIN.train(start_options(small, official, epochs=2, start=str(moved)))
    with pytest.raises(ValueError, match=r"started from .*moved.*this run starts from nothing"):
        PLAIN.train(start_options(small, official, epochs=2, start=None))
    with pytest.raises(ValueError, match=r"train\.resume: .*started from .* this run starts from .*5AimCLR"):
        PLAIN.train(start_options(small, official, epochs=2, start=official("AimCLR_linear_eval", seed=5)))


def test_the_encoder_of_another_kind_starts_too(tmp_path):
    method = method_of(kind="dsta", layout="sbu", out_channels=64)
    (encoder,) = method.encoders().values()
    assert isinstance(encoder, DSTA)
    save_pretrained(tmp_path / "dsta", encoder=encoder)
    other = method_of(kind="dsta", layout="sbu", out_channels=64, seed=4)
    start_from(other, tmp_path / "dsta")
    assert equal(*(each.encoders()["joint"] for each in (method, other)))


def test_the_command_has_a_short_option(official):
    from skelblocks.training import parse_options

    for argument in (["--start", "w.pt"], ["--start=w.pt"], ["--train.start", "w.pt"]):
        assert parse_options(PLAIN.options, argument).train.start == "w.pt"
    assert parse_options(PLAIN.options, ["--to", "ntu-rgb+d"]).data.to == "ntu-rgb+d"
    assert small_options(PLAIN).train.start_share == 0.5


def test_started_batch_norms_keep_their_statistics_or_adapt(small, official, tmp_path):
    source = load_official(official("AimCLR_linear_eval")).encoder.state_dict()
    statistics = [name for name in source if "running" in name]
    for choice in ("keep", "adapt"):
        folder = tmp_path / choice
        PLAIN.train(start_options(small, official, epochs=1, start_norm=choice, folder=str(folder)))
        state = torch.load(folder / "checkpoint.pt", weights_only=True)["method"]
        for branch in ("query_branch", "key_branch.encoder"):
            own = [state[f"contrast.{branch}.0.{name}"].equal(source[name]) for name in statistics]
            assert all(own) if choice == "keep" else not any(own)


def test_the_rule_takes_a_run_back_towards_its_start(small, official, tmp_path):
    page, folder = load_page("msmclr"), tmp_path / "far"
    path = official("AimCLR_linear_eval")
    result = page.train(small(page, **NARROW, start=path, stop="views", epochs=1, folder=str(folder)))
    found = from_pretrained(folder / "encoder")
    kept = found.metadata["run"]["kept"]
    last = torch.load(folder / "checkpoint.pt", weights_only=True)["method"]
    start = load_official(path).encoder.state_dict()
    for name, value in found.encoder.state_dict().items():
        if value.is_floating_point():
            expected = torch.lerp(start[name], last[f"contrast.query_branch.0.{name}"], kept["step"])
            torch.testing.assert_close(value, expected)
    assert kept["found"].keys() >= {"0.0", "0.5"}
    assert "knn" in result


def test_the_rule_needs_a_start(small):
    with pytest.raises(ValueError, match=r"train\.stop: .*pass --start PATH"):
        PLAIN.train(small(PLAIN, stop="views"))


def test_clips_in_another_unit_than_the_weights_are_refused(small, official, tmp_path):
    x = 150 * np.random.default_rng(0).standard_normal((24, 3, 20, 25, 1)).astype(np.float32)
    path = write_set(tmp_path / "clips.npz", "ntu-rgb+d", x=x)
    with pytest.raises(ValueError, match=r"expected meters, in which a torso is .* got torsos of"):
        PLAIN.train(start_options(small, official, path=path))
