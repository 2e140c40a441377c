import copy

import numpy as np
import pytest
import torch
from saved_run import small_encoder, small_sets
from torch import nn

from skelblocks import streams
from skelblocks.encoders import ReadoutEncoder, build_encoder, pool
from skelblocks.evaluation import ridge_probe
from skelblocks.protocols import FinetuneOptions, SemiOptions, finetune
from skelblocks.training.errors import NonFiniteLossError
from skelblocks.training.order import derive_seed


def options(**changes):
    return FinetuneOptions(**{"epochs": 2, "batch_size": 4, "learning_rate": 0.01, **changes})


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


@pytest.mark.parametrize(("native", "same"), [(None, "32-true"), ("amx_bf16", "bf16-mixed")])
def test_auto_precision_is_the_machines(monkeypatch, native, same):
    monkeypatch.setattr("skelblocks.training.precision.native_bfloat16", lambda device: native)
    found, expected = (
        finetune(small_encoder(), small_sets(), options(epochs=1, precision=precision), accelerator="cpu").logits
        for precision in ("auto", same)
    )
    assert found.equal(expected)


def test_the_released_mode_freezes_batch_norms_and_dropout():
    sets, encoder = small_sets(), small_encoder(dropout=0.5)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    frozen, trained = (finetune(encoder, sets, options(mode=mode)).model for mode in ("eval", "train"))
    old, held, moved = buffers(encoder), buffers(frozen[0].encoder), buffers(trained[0].encoder)
    assert old
    assert all(held[name].equal(old[name]) for name in old)
    assert not any(moved[name].equal(old[name]) for name in old)
    for model in (frozen, trained):
        assert not model[0].encoder.blocks[0].temporal.weight.equal(encoder.blocks[0].temporal.weight)
    assert all(value.equal(before[name]) for name, value in encoder.state_dict().items())  # a copy was trained
    # Without dropout, its rate does not matter.
    other = finetune(small_encoder(dropout=0.0), sets, options(mode="eval")).model
    assert other[0].encoder.blocks[0].temporal.weight.equal(frozen[0].encoder.blocks[0].temporal.weight)


@pytest.mark.parametrize("encoder", ["dsta", "bigru"])
def test_other_encoders(encoder):
    torch.manual_seed(0)
    sets = small_sets()
    model = build_encoder(encoder, layout=sets.layout, persons=sets.persons, frames=16, out_channels=16)
    for _ in range(50):  # for frozen batch norms, statistics of something
        model.train()(sets.train.as_tensor())
    for mode in ("train", "eval"):
        assert finetune(model, sets, options(epochs=1, mode=mode)).logits.isfinite().all()


def test_draws_are_the_seeds_and_nobody_elses():
    sets, encoder = small_sets(), small_encoder()
    results = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        results.append(finetune(encoder, sets, options(augment="weak"), seed=seed).logits)
        assert torch.get_rng_state().equal(state)
    assert results[0].equal(results[1])
    assert not results[0].equal(results[2])
    assert not results[0].equal(finetune(encoder, sets, options(augment="none")).logits)


def test_only_the_labeled_rows_are_seen():
    sets, encoder = small_sets(), small_encoder()
    rows = [0, 3, 5, 7, 8]
    one = finetune(encoder, sets, options(), rows=rows)
    spoilt = copy.copy(sets.train)
    spoilt.labels = spoilt.labels.clone()
    spoilt.labels[[1, 2, 4, 6]] = -1
    assert finetune(encoder, sets._replace(train=spoilt), options(), rows=torch.tensor(rows)).logits.equal(one.logits)
    with pytest.raises(ValueError, match=f"expected labeled clips, but {sets.train.names[1]!r} has no label"):
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


def test_the_rate_falls_where_the_loss_stalls():
    stalled = options(epochs=14, batch_size=64, learning_rate=1e-6, weight_decay=0.0, schedule="plateau")
    rates = [row["learning_rate"] for row in finetune(small_encoder(dropout=0.0), small_sets(), stalled).history]
    assert rates == pytest.approx([1e-6] * 12 + [1e-7] * 2)  # torch's patience is 10 epochs after the best one


def test_it_learns():
    sets = small_sets()
    settled = options(epochs=120, batch_size=12, learning_rate=0.1, schedule="cosine")
    result = finetune(small_encoder(dropout=0.0), sets._replace(test=sets.train), settled)
    assert result.accuracy > 90
    assert result.history[-1]["loss"] < 0.1 < 1 < result.history[0]["loss"]


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({}, {"rows": []}, "rows: expected at least one index in 0..11, without repeats"),
        ({}, {"rows": [0, 0]}, "rows: expected at least one index"),
        ({}, {"rows": [12]}, "rows: expected at least one index"),
        ({}, {"rows": [-1]}, "rows: expected at least one index"),
        ({}, {"rows": [0.5]}, "rows: expected at least one index"),
        ({}, {"rows": [True, False]}, "rows: expected at least one index"),
        ({}, {"select": "best"}, "select: expected one of"),
        ({}, {"select": "validation"}, "validation: expected indices of training clips with select='validation'"),
        ({}, {"validation": [1]}, "validation: expected indices of training clips with select='validation'"),
        ({}, {"select": "validation", "validation": [99]}, "validation: expected at least one index in 0..11"),
        (
            {},
            {"select": "validation", "validation": [1], "rows": [0, 1]},
            "some but not all training clips, and none of rows",
        ),
        ({}, {"select": "validation", "validation": range(12)}, "some but not all training clips, and none of rows"),
        ({"learning_rate": 1e30, "epochs": 9}, {}, "at epoch .*, on the samples .*; look at these samples, or lower"),
    ],
)
def test_what_is_wrong_is_said(changes, arguments, message):
    error = NonFiniteLossError if "learning_rate" in changes else ValueError
    with pytest.raises(error, match=message):
        finetune(small_encoder(), small_sets(), options(**changes), **arguments)


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (FinetuneOptions, {"epochs": 0}, "finetune.epochs: expected an integer >= 1, got 0"),
        (FinetuneOptions, {"epochs": 1.5}, "finetune.epochs: expected an integer >= 1, got 1.5"),
        (FinetuneOptions, {"batch_size": -4}, "finetune.batch_size: expected an integer >= 1, got -4"),
        (FinetuneOptions, {"milestones": [0]}, "finetune.milestones: expected an integer >= 1, got 0"),
        (FinetuneOptions, {"learning_rate": float("nan")}, "finetune.learning_rate: expected a finite number, got nan"),
        (FinetuneOptions, {"learning_rate": 0.0}, "finetune.learning_rate: expected a finite number > 0, got 0.0"),
        (FinetuneOptions, {"weight_decay": -1.0}, "finetune.weight_decay: expected a finite number >= 0, got -1.0"),
        (FinetuneOptions, {"sgd_momentum": 1.0}, "finetune.sgd_momentum: expected a finite number >= 0 and < 1"),
        (FinetuneOptions, {"warmup_epochs": float("inf")}, "finetune.warmup_epochs: expected a finite number, got inf"),
        (FinetuneOptions, {"nesterov": True, "sgd_momentum": 0.0}, "finetune.nesterov: expected sgd_momentum > 0"),
        (FinetuneOptions, {"schedule": "stairs"}, "finetune.schedule: expected one of 'step', 'cosine', 'plateau'"),
        (
            FinetuneOptions,
            {"schedule": "plateau", "warmup_epochs": 2.0},
            "finetune.warmup_epochs: expected 0 with schedule='plateau', which has no warm-up",
        ),
        (SemiOptions, {"epochs": 0}, "semi.epochs: expected an integer >= 1, got 0"),
        (SemiOptions, {"draws": 0}, "semi.draws: expected an integer >= 1, got 0"),
        (SemiOptions, {"fractions": []}, "semi.fractions: expected at least one fraction"),
        (SemiOptions, {"fractions": [0.1, 10.0]}, r"semi.fractions: expected at least one fraction in \(0, 1\]"),
        (SemiOptions, {"fractions": [0.1, 0.1]}, "semi.fractions: expected at least one fraction"),
        (SemiOptions, {"fractions": [float("nan")]}, "semi.fractions: expected a finite number, got nan"),
        (SemiOptions, {"protocol": "knn"}, "semi.protocol: expected one of 'finetune', 'linear'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(kind, wrong, message):
    with pytest.raises(ValueError, match=message):
        kind(**wrong)


def test_more_processes_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="finetune: expected one process"):
        finetune(small_encoder(), small_sets(), options())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda():
    result = finetune(small_encoder().cuda(), small_sets(), options(precision="bf16-mixed"), accelerator="cuda")
    assert result.logits.device.type == next(result.model.parameters()).device.type == "cpu"
    assert result.logits.isfinite().all()


def test_the_encoder_may_have_a_rate_of_its_own():
    sets, encoder = small_sets(), small_encoder(dropout=0.0)
    result = finetune(encoder, sets, options(start_rate=0.0, weight_decay=0.1), stream="joint")
    readout, head = result.model.children()
    body = readout.encoder
    for name, value in body.named_parameters():
        assert value.equal(encoder.get_parameter(name)), name
    assert head.bias.abs().max() > 0
    with pytest.raises(ValueError, match=r"finetune\.start_rate: expected a finite number >= 0, got -1"):
        options(start_rate=-1)


def test_a_ridge_classifier_takes_the_place_of_the_trained_layer():
    sets, encoder = small_sets(), small_encoder(dropout=0.0)
    subjects = np.arange(len(sets.train)) % 2
    found = finetune(encoder, sets, options(classifier="ridge", readout="mean"), readout="thirds", groups=subjects)
    body, head = found.model.children()
    trained = finetune(encoder, sets, options()).model[0].encoder
    for name, value in trained.state_dict().items():  # the training is the same
        assert value.equal(body.encoder.state_dict()[name]), name

    def described(part):
        with torch.no_grad():
            return ReadoutEncoder(trained, "thirds")(part.batch(range(len(part))))

    labels = sets.train.labels, sets.test.labels
    wanted = ridge_probe(described(sets.train), labels[0], described(sets.test), labels[1], groups=subjects)
    assert (100 * wanted.accuracy) == pytest.approx(found.accuracy)
    torch.testing.assert_close(found.logits, wanted.logits / wanted.temperature, rtol=1e-4, atol=1e-5)
    clips = sets.test.batch(range(len(sets.test)))
    torch.testing.assert_close(found.model(clips), found.logits, rtol=1e-4, atol=1e-4)
    assert head.in_features == 3 * trained.out_channels


def test_the_ridge_classifier_sees_the_labeled_rows_alone():
    sets, rows, subjects = small_sets(), [0, 3, 5, 7, 8, 10], np.arange(12) % 3
    spoilt = copy.copy(sets.train)
    spoilt.labels = spoilt.labels.clone()
    spoilt.labels[[1, 2, 4, 6]] = -1
    one, two = (
        finetune(small_encoder(), sets._replace(train=part), options(classifier="ridge"), rows=rows, groups=subjects)
        for part in (sets.train, spoilt)
    )
    assert one.logits.equal(two.logits)
    own = sets._replace(train=sets.train.subset(rows))
    assert finetune(small_encoder(), own, options(classifier="ridge"), groups=subjects[rows]).logits.equal(one.logits)


def test_a_readout_of_the_training_needs_a_classifier_fitted_afterwards():
    with pytest.raises(ValueError, match=r"finetune\.readout: expected 'mean'.*classifier ridge"):
        finetune(small_encoder(), small_sets(), options(readout="thirds"))
    with pytest.raises(ValueError, match=r"finetune\.readout: expected one of"):
        options(readout="middle")
