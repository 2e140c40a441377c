import copy
import dataclasses
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import train_crossmoco
import train_skeletonclr
from checkpoints import load_run
from datasets import DataOptions, load_sets, match_joints
from engine import NonFiniteLossError, RunFolder, derive_seed
from finetune import FinetuneOptions, finetune
from method import MethodOptions, make_encoder
from small_run import SMALL, save_run, write_set
from torch import nn

from skelblocks import layouts, streams
from skelblocks.data import find_clips, prepare, write_pyskl
from skelblocks.encoders import STGCN, pool

TREE = ["shoulder_center", "shoulder_left", "elbow_left", "hip_center", "hip_left", "head"]


def options(**changes):
    return FinetuneOptions(**{"epochs": 2, "batch_size": 4, "learning_rate": 0.01, **changes})


def small_sets(**changes):
    synthetic = {"classes": 3, "subjects": 4, "views": 2, "frames": 16, "seed": 0}
    return load_sets(DataOptions(**{"layout": "sbu", "frames": 16, "synthetic": synthetic, **changes}))


def small_encoder(seed=0, **changes):
    torch.manual_seed(seed)
    return STGCN("sbu", **{"base_channels": 4, "out_channels": 16, "dropout": 0.5, **changes})


# --- the encoder of a folder


@pytest.mark.parametrize(
    ("name", "changes", "place"),
    [
        ("skeletonclr", {}, "contrast.query_branch.0"),
        ("skeletonclr", {"encoder": "dsta", "stream": "bone"}, "contrast.query_branch.0"),
        ("skeletonclr", {"encoder": "bigru", "persons": 2}, "contrast.query_branch.0"),
        ("msmclr", {"graph": "agcn"}, "contrast.query_branch.0"),
        ("aimclr", {}, "contrast.query_branch.0"),
        ("aimclr", {"cross_stream": True, "stream": "motion"}, "streams.motion.contrast.query_branch.0"),
        ("skeattnclr", {"heads": 2}, "contrast.query_branch.0"),
        ("crossmoco", {"streams": ["bone", "joint"]}, "methods.joint.query.encoder"),
    ],
)
def test_a_run_gives_its_encoder(tmp_path, name, changes, place):
    persons = changes.pop("persons", 1)
    method = save_run(tmp_path, importlib.import_module(f"train_{name}"), persons=persons, **changes)
    run = load_run(tmp_path)
    assert not run.encoder.training
    assert run.layout == layouts.get("sbu")
    assert run.stream == run.options["stream"] == changes.get("stream", "joint")
    x = torch.randn(2, 3, 16, 15, persons)
    with torch.no_grad():
        assert run.encoder(x).equal(method.get_submodule(place)(x))


def test_of_several_streams_each_can_be_had(tmp_path):
    method = save_run(tmp_path, train_crossmoco, streams=["bone", "joint"], share_backbone=False)
    x = torch.randn(2, 3, 16, 15, 1)
    for stream in ("bone", "joint"):
        run = load_run(tmp_path, stream=stream)
        assert run.stream == stream
        with torch.no_grad():
            assert run.encoder(x).equal(method.encoders()[stream](x))
    with pytest.raises(ValueError, match="has no encoder of the stream 'motion'; it has bone, joint"):
        load_run(tmp_path, stream="motion")


def test_precision_is_kept(tmp_path):
    made = train_skeletonclr.Options(**SMALL)
    method = train_skeletonclr.build(made, layout=layouts.get("sbu"), persons=1).double()
    RunFolder(tmp_path, options=vars(made)).save({"method": method.state_dict()})
    (tmp_path / "layout.json").write_text(json.dumps(layouts.get("sbu").to_dict()))
    weight = load_run(tmp_path).encoder.state_dict()["blocks.0.temporal.weight"]
    assert weight.equal(method.contrast.query_branch[0].blocks[0].temporal.weight)


def test_the_layout_of_a_run_that_saved_none_is_that_of_its_data(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    save_run(tmp_path / "run", train_skeletonclr, layout="utd-mhad", data=path, with_layout=False)
    assert load_run(tmp_path / "run").layout == layouts.get("utd-mhad")
    Path(path).unlink()
    with pytest.raises(FileNotFoundError, match=r"has no layout.json, and its data .* are not there"):
        load_run(tmp_path / "run")


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run's checkpoint.pt and no pretrained encoder in"):
        load_run(tmp_path)
    save_run(tmp_path, train_skeletonclr)
    with pytest.raises(ValueError, match="was trained on 'joint' alone, not on 'bone'"):
        load_run(tmp_path, stream="bone")
    RunFolder(tmp_path, options={"stream": "joint"}).save({"method": {"other.weight": torch.zeros(1)}})
    with pytest.raises(ValueError, match="has no encoder of a method of these examples"):
        load_run(tmp_path)


def test_a_pretrained_folder_will_do(tmp_path):
    pytest.importorskip("safetensors")
    from skelblocks.interop import InputDescription, save_pretrained

    encoder = small_encoder().eval()
    given = InputDescription(stream="bone", frames=16, persons=1)
    save_pretrained(tmp_path / "mine", encoder=encoder, input=given)
    run = load_run(tmp_path / "mine")
    assert (run.layout, run.stream) == (layouts.get("sbu"), "bone")
    assert run.options == {"stream": "bone", "frames": 16, "center": "layout", "align": None}
    x = torch.randn(2, 3, 16, 15, 1)
    with torch.no_grad():
        assert run.encoder(x).equal(encoder(x))
    with pytest.raises(ValueError, match="was trained on 'bone', not on 'joint'"):
        load_run(tmp_path / "mine", stream="joint")
    save_pretrained(tmp_path / "other", encoder=encoder, input=InputDescription(per="clip"))
    with pytest.raises(ValueError, match="are centred as in no example"):
        load_run(tmp_path / "other")


def test_a_run_keeps_its_layout_and_goes_on_with_no_other(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    settings = train_skeletonclr.Options(**{**SMALL, "data": path, "folder": str(tmp_path / "run"), "epochs": 1})
    train_skeletonclr.train(settings)
    assert json.loads((tmp_path / "run" / "layout.json").read_text()) == layouts.get("utd-mhad").to_dict()
    other = write_set(tmp_path / "other.npz", "nw-ucla")
    with pytest.raises(ValueError, match="was trained on clips of 'utd-mhad', these are of 'nw-ucla'"):
        train_skeletonclr.train(dataclasses.replace(settings, data=other, epochs=2))


# --- joints


def test_joints_are_chosen_after_centring(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    whole = load_sets(DataOptions(data=path, frames=16, align="clip"))
    some = load_sets(DataOptions(data=path, frames=16, align="clip", joints=TREE[1:]))  # without the centre
    places = [whole.layout.index(joint) for joint in TREE[1:]]
    assert some.layout == layouts.restrict("utd-mhad", TREE[1:])
    for part, mine in zip(whole, some, strict=True):
        assert mine.as_tensor().equal(part.as_tensor()[:, :, :, places])
        assert mine[1].clip.equal(part[1].clip[:, :, places])
        assert mine.names == part.names
    again = some.train.select_joints(TREE[4:0:-1])
    assert again.as_tensor().equal(some.train.as_tensor()[:, :, :, [3, 2, 1, 0]])
    assert "center='shoulder_center'" in repr(again)
    shared = load_sets(DataOptions(data=path, joints="sbu"))
    assert shared.layout.joints == layouts.shared_joints("utd-mhad", "sbu")
    synthetic = small_sets(joints="nw-ucla")
    assert synthetic.layout.joints == layouts.shared_joints("sbu", "nw-ucla")


def test_joints_that_are_not_there_are_named(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    with pytest.raises(ValueError, match="layout 'utd-mhad' has no 'tail'"):
        load_sets(DataOptions(data=path, joints=["tail"]))
    with pytest.raises(ValueError, match="no layout is named 'tail'"):
        load_sets(DataOptions(data=path, joints="tail"))
    two = {"joints": ["palm", "tip"], "edges": [[1, 0]], "center": 0, "swap": [0, 1]}
    layouts.register({"name": "two", "parts": {"all": [0, 1]}, "bodies": {"all": [0, 1]}, **two})
    with pytest.raises(ValueError, match="'utd-mhad' and 'two' share no joint by name"):
        load_sets(DataOptions(data=path, joints="two"))
    with pytest.raises(ValueError, match="has no palm, tip; they share no joint by name"):
        match_joints(load_sets(DataOptions(data=path)), layouts.get("two"))


def test_a_prepared_set_keeps_its_joints(tmp_path):
    write_pyskl(tmp_path / "raw", clips=12, seed=0)
    found = find_clips("pyskl", tmp_path / "raw", protocol="xsub")
    folder = str(tmp_path / "set")
    prepare(found.clips, out=folder, layout=found.layout, protocol="xsub", part=found.part, frames=16)
    with pytest.raises(ValueError, match=r"joints: the prepared set in .* has all joints of"):
        load_sets(DataOptions(data=folder, frames=16, joints=["head"]))
    sets = load_sets(DataOptions(data=folder, frames=16))
    assert match_joints(sets, sets.layout) == sets
    with pytest.raises(ValueError, match=r"choose joints of an .npz file instead"):
        match_joints(sets, layouts.restrict(sets.layout, sets.layout.joints[:3]))
    encoder = STGCN(sets.layout, base_channels=4, out_channels=16)
    result = finetune(encoder, sets, options(batch_size=2, epochs=1))
    assert result.logits.shape == (len(sets.test), sets.train.num_classes)


# --- the loop


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_it_is_plain_training_of_the_whole_model(optimizer):
    sets, encoder = small_sets(), small_encoder(dropout=0.0)
    chosen = options(optimizer=optimizer, batch_size=64, epochs=3, milestones=[2], nesterov=optimizer == "sgd")
    result = finetune(encoder, sets, chosen, stream="bone")

    model = copy.deepcopy(encoder)
    weight = torch.zeros(3, 16).normal_(0, 0.02, generator=torch.Generator().manual_seed(derive_seed(0, "classifier")))
    weight, bias = nn.Parameter(weight), nn.Parameter(torch.zeros(3))
    if optimizer == "adam":
        update = torch.optim.Adam([*model.parameters(), weight, bias], lr=0.01, weight_decay=1e-4)
    else:
        update = torch.optim.SGD([*model.parameters(), weight, bias], 0.01, 0.9, weight_decay=1e-4, nesterov=True)
    train, test = (streams.bone(part.as_tensor(), layout="sbu") for part in sets)
    losses = []
    for rate in (0.01, 0.01, 0.001):
        update.param_groups[0]["lr"] = rate
        model.train()
        loss = nn.functional.cross_entropy(pool(model(train)) @ weight.T + bias, sets.train.labels)
        update.zero_grad()
        loss.backward()
        update.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        logits = pool(model(test)) @ weight.T + bias
    assert [row["loss"] for row in result.history] == pytest.approx(losses, rel=1e-4)
    torch.testing.assert_close(result.logits, logits, rtol=1e-3, atol=1e-4)
    assert result.accuracy == pytest.approx(100 * (logits.argmax(1) == sets.test.labels).float().mean().item())
    assert (result.epoch, result.selected, result.names) == (3, "last epoch", sets.test.names)
    assert [row["learning_rate"] for row in result.history] == pytest.approx([0.01, 0.01, 0.001])
    with torch.no_grad():
        torch.testing.assert_close(result.model(test), result.logits)


def buffers(module):
    return {name: value.clone() for name, value in module.named_buffers() if "running" in name or "tracked" in name}


def test_the_released_mode_freezes_batch_norms_and_dropout():
    sets, encoder = small_sets(), small_encoder(dropout=0.5)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    frozen, trained = (finetune(encoder, sets, options(mode=mode)).model for mode in ("eval", "train"))
    old, held, moved = buffers(encoder), buffers(frozen[0]), buffers(trained[0])
    assert old
    assert all(held[name].equal(old[name]) for name in old)
    assert not any(moved[name].equal(old[name]) for name in old)
    for model in (frozen, trained):
        assert not model[0].blocks[0].temporal.weight.equal(encoder.blocks[0].temporal.weight)
    assert all(value.equal(before[name]) for name, value in encoder.state_dict().items())  # a copy was trained
    # Without dropout, its rate does not matter.
    other = finetune(small_encoder(dropout=0.0), sets, options(mode="eval")).model
    assert other[0].blocks[0].temporal.weight.equal(frozen[0].blocks[0].temporal.weight)


@pytest.mark.parametrize("encoder", ["dsta", "bigru"])
def test_other_encoders(encoder):
    torch.manual_seed(0)
    sets = small_sets()
    made = make_encoder(MethodOptions(**{**SMALL, "encoder": encoder}), layout=sets.layout, persons=sets.persons)
    for _ in range(50):  # for frozen batch norms, statistics of something
        made.train()(sets.train.as_tensor())
    for mode in ("train", "eval"):
        assert finetune(made, sets, options(epochs=1, mode=mode)).logits.isfinite().all()


def test_draws_are_the_seeds_and_nobody_elses():
    sets, encoder = small_sets(), small_encoder()
    results = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        results.append(finetune(encoder, sets, options(augment="normal"), seed=seed).logits)
        assert torch.get_rng_state().equal(state)
    assert results[0].equal(results[1])
    assert not results[0].equal(results[2])
    assert not results[0].equal(finetune(encoder, sets, options(augment="none")).logits)


def test_only_the_labelled_rows_are_seen():
    sets, encoder = small_sets(), small_encoder()
    rows = [0, 3, 5, 7, 8]
    one = finetune(encoder, sets, options(), rows=rows)
    spoilt = copy.copy(sets.train)
    spoilt.labels = spoilt.labels.clone()
    spoilt.labels[[1, 2, 4, 6]] = -1
    assert finetune(encoder, sets._replace(train=spoilt), options(), rows=torch.tensor(rows)).logits.equal(one.logits)
    with pytest.raises(ValueError, match=f"expected labelled clips, {sets.train.names[1]!r} has no label"):
        finetune(encoder, sets._replace(train=spoilt), options())
    part = sets._replace(train=sets.train.subset(rows))
    assert finetune(encoder, part, options()).logits.equal(one.logits)


@pytest.mark.parametrize("select", ["validation", "test"])
def test_a_chosen_epoch_is_that_epochs_model(select):
    sets, encoder = small_sets(), small_encoder()
    mask = np.isin(sets.train.subjects, sets.train.subjects[0]) & (select == "validation")
    apart = np.flatnonzero(mask).tolist() if select == "validation" else None
    chosen = options(epochs=6, learning_rate=0.3)
    result = finetune(encoder, sets, chosen, select=select, validation=apart)
    measured = [row[select] for row in result.history]
    assert result.epoch == measured.index(max(measured)) + 1
    assert result.selected == {"validation": "best on the validation set", "test": "best on the test set"}[select]
    rest = sets._replace(train=sets.train.subset(~mask)) if apart else sets
    alone = finetune(encoder, rest, options(epochs=result.epoch, learning_rate=0.3))
    assert alone.logits.equal(result.logits)
    if select == "test":
        assert result.accuracy == max(measured)
    else:
        held = sets.train.subset(mask)
        with torch.no_grad():
            right = result.model(held.as_tensor()).argmax(1) == held.labels
        assert max(measured) == pytest.approx(100 * right.float().mean().item())


def test_it_learns():
    sets = small_sets()
    settled = options(epochs=60, batch_size=12, learning_rate=0.1, schedule="cosine")
    result = finetune(small_encoder(dropout=0.0), sets._replace(test=sets.train), settled)
    assert result.accuracy > 90
    assert result.history[-1]["loss"] < 0.1 < 1 < result.history[0]["loss"]


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({"epochs": 0}, {}, "epochs: expected an integer >= 1, got 0"),
        ({}, {"rows": []}, "rows: expected different places in 0..11, at least one"),
        ({}, {"rows": [0, 0]}, "rows: expected different places"),
        ({}, {"rows": [12]}, "rows: expected different places"),
        ({}, {"rows": [-1]}, "rows: expected different places"),
        ({}, {"select": "best"}, "select: expected one of"),
        ({}, {"select": "validation"}, "validation: expected places of training clips with select='validation'"),
        ({}, {"validation": [1]}, "validation: expected places of training clips with select='validation'"),
        ({}, {"select": "validation", "validation": [99]}, "validation: expected different places in 0..11"),
        ({}, {"select": "validation", "validation": [1], "rows": [0, 1]}, "not all and none of rows"),
        ({}, {"select": "validation", "validation": range(12)}, "not all and none of rows"),
        ({"learning_rate": 1e30, "epochs": 9}, {}, "at epoch .*, on the samples .*; look at these samples, or lower"),
    ],
)
def test_what_is_wrong_is_said(changes, given, message):
    error = NonFiniteLossError if "learning_rate" in changes else ValueError
    with pytest.raises(error, match=message):
        finetune(small_encoder(), small_sets(), options(**changes), **given)


def test_more_processes_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="finetune runs in one process"):
        finetune(small_encoder(), small_sets(), options())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda():
    result = finetune(small_encoder().cuda(), small_sets(), options(precision="bf16-mixed"), accelerator="cuda")
    assert result.logits.device.type == next(result.model.parameters()).device.type == "cpu"
    assert result.logits.isfinite().all()
