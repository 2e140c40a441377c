import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skelblocks.encoders import STGCN, pool
from skelblocks.evaluation import accuracy, extract_features, linear_probe
from skelblocks.testing import with_cuda


def blobs(n=300, d=16, classes=4, seed=0, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(classes, d, generator=torch.Generator().manual_seed(99))
    labels = torch.randint(0, classes, (n,), generator=generator)
    return centers[labels] + spread * torch.randn(n, d, generator=generator), labels


def plain_training(
    x, y, *, classes, epochs, learning_rate, milestones, gamma, batch_size, momentum, weight_decay, seed
):
    """The released training loop with SGD's update written out, on the same draws."""
    generator = torch.Generator().manual_seed(seed)
    weight, bias = (
        torch.empty(classes, x.shape[1], dtype=x.dtype).normal_(0, 0.02, generator=generator),
        torch.zeros(classes),
    )
    weight, bias = weight.to(x.dtype), bias.to(x.dtype)
    velocity = None
    for epoch in range(epochs):
        rate = learning_rate * gamma ** sum(epoch >= m for m in milestones)
        order = torch.randperm(len(x), generator=generator)
        for start in range(0, len(x) - batch_size + 1, batch_size):
            rows = order[start : start + batch_size]
            p = (x[rows] @ weight.T + bias).softmax(dim=1)
            p[torch.arange(len(rows)), y[rows]] -= 1
            gradient = [p.T @ x[rows] / len(rows) + weight_decay * weight, p.mean(dim=0) + weight_decay * bias]
            velocity = (
                gradient if velocity is None else [momentum * v + g for v, g in zip(velocity, gradient, strict=True)]
            )
            weight, bias = weight - rate * velocity[0], bias - rate * velocity[1]
    return weight, bias


@pytest.mark.parametrize("weight_decay", [0.0, 1e-3])
def test_equals_the_loop_written_out(weight_decay):
    x, y = blobs(n=70)
    options = {
        "epochs": 6,
        "learning_rate": 0.3,
        "milestones": (2, 4),
        "gamma": 0.1,
        "batch_size": 32,  # six of the 70 are left out, others in each epoch
        "momentum": 0.9,
        "weight_decay": weight_decay,
    }
    x = x.double()
    result = linear_probe(x, y, x, y, generator=torch.Generator().manual_seed(5), **options)
    weight, bias = plain_training(x, y, classes=4, seed=5, **options)
    torch.testing.assert_close(result.head.weight.detach(), weight)
    torch.testing.assert_close(result.head.bias.detach(), bias)


def test_the_defaults_are_those_of_the_released_codes():
    x, y = blobs(n=140, spread=2.0)  # such that the last epoch changes something
    x = x.double()
    result = linear_probe(x, y, x, y, generator=torch.Generator().manual_seed(5))
    optimizer = {"learning_rate": 3.0, "momentum": 0.9, "weight_decay": 0.0}
    schedule = {"epochs": 100, "milestones": (80,), "gamma": 0.1, "batch_size": 128}
    weight, bias = plain_training(x, y, classes=4, seed=5, **optimizer, **schedule)
    torch.testing.assert_close(result.head.weight.detach(), weight)
    torch.testing.assert_close(result.head.bias.detach(), bias)


def test_equals_running_the_encoder_every_epoch():
    torch.manual_seed(0)
    encoder = STGCN("nw-ucla", base_channels=4, out_channels=8, dropout=0.5).double()
    for buffer in encoder.buffers():  # running statistics that are not those of a fresh encoder
        if buffer.ndim == 1 and buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    y = torch.arange(26) % 3
    x = torch.randn(26, 3, 8, 20, 1, dtype=torch.float64) + y[:, None, None, None, None]
    train, test = slice(0, 18), slice(18, 26)
    options = {"epochs": 12, "learning_rate": 3.0, "milestones": (8,), "batch_size": 8, "evaluate_every": 4}

    features = extract_features(encoder.train(), x)
    result = linear_probe(
        features[train],
        y[train],
        features[test],
        y[test],
        select="test",
        generator=torch.Generator().manual_seed(3),
        **options,
    )

    generator = torch.Generator().manual_seed(3)
    head = nn.Linear(8, 3).double()
    with torch.no_grad():
        head.weight.normal_(0, 0.02, generator=generator)
        head.bias.zero_()
    encoder.eval()
    optimizer = torch.optim.SGD(head.parameters(), lr=3.0, momentum=0.9)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [8], 0.1)
    history, curve, logits = [], [], {}
    for epoch in range(1, 13):
        losses = []
        for rows in torch.randperm(18, generator=generator)[:16].split(8):
            with torch.no_grad():
                h = pool(encoder(x[train][rows]))
            loss = F.cross_entropy(head(h), y[train][rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        history.append(sum(losses) / 2)
        if epoch % 4 == 0:
            with torch.no_grad():
                logits[epoch] = head(pool(encoder(x[test])))
            curve.append((epoch, accuracy(logits[epoch], y[test])[1]))
    assert history[0] > 1.01 * history[-1]  # the probe learns something, or equal logits would say nothing
    torch.testing.assert_close(result.history, tuple(history), rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(result.logits, logits[result.epoch], rtol=1e-9, atol=1e-10)
    assert result.curves["test"] == tuple(curve)


def test_finds_what_can_be_found_and_reports_the_last_epoch():
    x, y = blobs()
    test_x, test_y = blobs(seed=1)
    result = linear_probe(x, y, test_x, test_y, generator=torch.Generator().manual_seed(0))
    assert result.accuracy > 0.9
    assert len(result.history) == 100
    assert result.history[-1] < result.history[0]
    assert result.logits.equal(result.head(test_x).detach())
    assert result.accuracy == accuracy(result.logits, test_y)[1]
    assert not result.logits.requires_grad


def noisy_sets():
    """Few samples of many overlapping classes, so that accuracies go up and down."""
    return [blobs(n=n, d=8, classes=6, seed=seed, spread=3.0) for seed, n in enumerate((60, 40, 50))]


def after(epochs, train, test, **options):
    """The honest result of a probe that has another number of epochs."""
    return linear_probe(*train, *test, epochs=epochs, generator=torch.Generator().manual_seed(0), **options)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("select", ["last", "validation", "test"])
def test_reports_the_epoch_that_was_asked_for_and_how_it_was_chosen(select, standardize):
    train, validation, test = noisy_sets()
    options = {"learning_rate": 0.3, "batch_size": 16, "standardize": standardize}
    result = after(23, train, test, validation=validation, select=select, **options)
    looks = (5, 10, 15, 20, 23)
    curves = {
        part: [after(e, train, s, **options).accuracy for e in looks] for part, s in (("v", validation), ("t", test))
    }
    assert len(set(curves["v"])) > 2  # a curve that does not move would show nothing
    assert len(set(curves["t"])) > 2
    expected = {
        "last": (23, "last epoch"),
        "validation": (best(looks, curves["v"]), "best on the validation set"),
        "test": (best(looks, curves["t"]), "best on the test set"),
    }[select]
    assert (result.epoch, result.selected) == expected
    assert result.curves["validation"] == tuple(zip(looks, curves["v"], strict=True))
    if select == "test":
        assert result.curves["test"] == tuple(zip(looks, curves["t"], strict=True))
    else:
        assert result.curves["test"] == ((result.epoch, result.accuracy),)
    assert dict(result.curves["test"])[result.epoch] == result.accuracy
    same = after(result.epoch, train, test, **options)
    torch.testing.assert_close(result.logits, same.logits)
    torch.testing.assert_close(result.head.weight, same.head.weight)
    assert len(result.history) == 23


def best(epochs, accuracies):
    """The later of equals."""
    return max(zip(accuracies, epochs, strict=True))[1]


def test_the_test_set_decides_nothing_unless_asked():
    train, validation, test = noisy_sets()
    options = {
        "validation": validation,
        "select": "validation",
        "learning_rate": 0.3,
        "batch_size": 16,
        "num_classes": 6,
    }
    results = [after(30, train, (test[0], labels), **options) for labels in (test[1], test[1].flip(0))]
    assert results[0].epoch == results[1].epoch
    assert results[0].logits.equal(results[1].logits)


def test_result_fields_keep_their_order_and_the_result_pickles():
    x, y = blobs(n=40)
    result = linear_probe(x, y, x, y, epochs=2)
    assert result._fields[:4] == ("accuracy", "logits", "head", "history")
    assert dict(result.curves) == {"test": ((2, result.accuracy),)}
    for copied in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert copied.logits.equal(result.logits)
        assert copied[4:] == result[4:]


def test_no_input_is_written_to():
    x, y = blobs(n=40)
    before = x.clone(), y.clone()
    linear_probe(x, y, x, y, epochs=2, batch_size=64)
    assert x.equal(before[0])
    assert y.equal(before[1])


def test_same_generator_same_result_and_the_global_one_is_untouched():
    x, y = blobs()
    before = torch.get_rng_state()

    def run(seed):
        return linear_probe(x, y, x, y, epochs=3, generator=torch.Generator().manual_seed(seed)).head.weight

    assert run(0).equal(run(0))
    assert not run(0).equal(run(1))
    assert torch.get_rng_state().equal(before)
    torch.manual_seed(4)
    first = linear_probe(x, y, x, y, epochs=3).head.weight
    torch.manual_seed(4)
    assert linear_probe(x, y, x, y, epochs=3).head.weight.equal(first)


def test_standardizing_makes_scale_and_shift_of_features_irrelevant_and_the_head_takes_raw_ones():
    x, y = blobs()
    x = x.double()
    scale, shift = torch.linspace(0.01, 100, 16), torch.linspace(-50, 50, 16)
    options = {"epochs": 20, "learning_rate": 0.1, "standardize": True}
    plain = linear_probe(x, y, x, y, generator=torch.Generator().manual_seed(0), **options)
    moved_x = x * scale + shift
    moved = linear_probe(moved_x, y, moved_x, y, generator=torch.Generator().manual_seed(0), **options)
    torch.testing.assert_close(moved.logits, plain.logits)
    constant = torch.cat((x, x.new_ones(300, 1)), dim=1)  # a feature that says nothing
    assert linear_probe(constant, y, constant, y, **options).logits.isfinite().all()


@pytest.mark.parametrize("noise", [0.0, 3e-8, 1e-7])
@pytest.mark.parametrize("value", [0.5, 1e-6, -3e4])
def test_a_deviation_below_rounding_is_a_constant(noise, value):
    x, y = blobs()
    generator = torch.Generator().manual_seed(1)
    constant = value * (1 + 2 * noise * torch.randn(300, 1, generator=generator))
    test = torch.cat((x, constant * (1 + 2e-4)), dim=1)
    options = {"epochs": 10, "learning_rate": 0.1, "standardize": True}
    plain = linear_probe(x, y, x, y, generator=torch.Generator().manual_seed(0), **options)
    result = linear_probe(torch.cat((x, constant), dim=1), y, test, y, **options)
    assert result.accuracy > plain.accuracy - 0.05


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_is_that_of_the_features_as_they_were_passed(dtype):
    constant = (0.5 + 1e-3 * torch.randn(300, 1)).to(dtype)
    x, y = blobs()
    x = torch.cat((x.to(dtype), torch.where(constant > 0.5, 0.5 + 0.5 * torch.finfo(dtype).eps, 0.5).to(dtype)), dim=1)
    weight = linear_probe(x, y, x, y, epochs=3, learning_rate=0.1, standardize=True).head.weight
    assert weight[:, -1].abs().max() < 1  # not divided by a deviation of rounding


def test_features_with_a_history_of_gradients_stay_out_of_it():
    x, y = blobs(n=40)
    x.requires_grad_()
    with torch.no_grad():  # as evaluation code may be called
        result = linear_probe(x * 1, y, x, y, epochs=2)
    assert x.grad is None
    assert result.history[-1] > 0


def test_few_samples_make_one_batch_and_classes_may_be_missing():
    x, y = blobs(n=5, classes=3)
    result = linear_probe(x[:1], y[:1], x, y, epochs=2, num_classes=7)
    assert result.head.out_features == 7
    assert isinstance(result.head, nn.Linear)


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_class_without_a_training_clip_has_an_output(part):
    x, y = blobs(n=40)
    known = x[y < 3], y[y < 3]
    sets = {"test": known, "validation": known, part: (x, y)}
    result = linear_probe(*known, *sets["test"], validation=sets["validation"], select="validation", epochs=2)
    assert result.head.out_features == 4
    assert result.accuracy == accuracy(result.logits, sets["test"][1])[1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_features_are_trained_on_in_single_precision(dtype):
    x, y = blobs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = linear_probe(x.to(dtype), y, x.to(dtype), y, epochs=5, learning_rate=0.1)
    assert result.head.weight.dtype == result.logits.dtype == torch.float32


def test_a_loss_that_explodes_says_what_to_do():
    x, y = blobs()
    with pytest.raises(ValueError, match=r"learning_rate: with 1e\+30 the loss is .* lower it"):
        linear_probe(x * 1e6, y, x, y, learning_rate=1e30, epochs=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_features": torch.zeros(3, 4, 1)}, "train_features: expected 2 axes"),
        ({"test_features": torch.zeros(3, 5)}, "test_features: .* axis 'd' is 5, not 4"),
        ({"train_features": torch.full((3, 4), torch.nan)}, "train_features: expected finite numbers"),
        ({"test_features": torch.full((3, 4), torch.inf)}, "test_features: expected finite numbers"),
        ({"train_labels": torch.tensor([0, 1])}, "train_labels: .* axis 'n' is 2, not 3"),
        ({"test_labels": torch.tensor([0, 1, -1])}, "test_labels: expected classes from 0"),
        ({"num_classes": 2}, r"train_labels: expected classes in 0..1, got 0..2"),
        ({"epochs": 0}, "epochs: expected an integer >= 1"),
        ({"learning_rate": -1.0}, "learning_rate: expected a number > 0"),
        ({"momentum": float("nan")}, "momentum: expected a finite number >= 0, got nan"),
        ({"weight_decay": -1.0}, "weight_decay: expected a finite number >= 0, got -1.0"),
        ({"gamma": float("inf")}, "gamma: expected a finite number >= 0, got inf"),
        ({"milestones": (-1,)}, "milestones: expected an integer >= 0, got -1"),
        ({"num_classes": 0}, "num_classes: expected an integer >= 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected an integer >= 1"),
        ({"evaluate_every": 0}, "evaluate_every: expected an integer >= 1"),
        ({"select": "best"}, "select: expected one of 'last', 'validation', 'test', got 'best'"),
        ({"select": "validation"}, r"select: 'validation' needs validation=\(features, labels\), got none"),
        ({"validation": (torch.zeros(3, 5), torch.arange(3))}, "validation_features: .* axis 'd' is 5, not 4"),
        ({"validation": (torch.zeros(3, 4), torch.arange(2))}, "validation_labels: .* axis 'n' is 2, not 3"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, message):
    features, labels = torch.zeros(3, 4), torch.arange(3)
    arguments = {
        "train_features": features,
        "train_labels": labels,
        "test_features": features,
        "test_labels": labels,
        **change,
    }
    with pytest.raises(ValueError, match=message):
        linear_probe(**arguments)


def test_integers_are_no_features():
    with pytest.raises(TypeError, match="test_features: expected a floating-point tensor"):
        linear_probe(torch.zeros(3, 4), torch.arange(3), torch.zeros(3, 4, dtype=torch.long), torch.arange(3))


@with_cuda
def test_on_cuda_with_a_generator_of_the_cpu():
    x, y = blobs()
    options = {"epochs": 3, "learning_rate": 0.1}
    expected = linear_probe(x, y, x, y, generator=torch.Generator().manual_seed(0), **options)
    got = linear_probe(x.cuda(), y, x, y, generator=torch.Generator().manual_seed(0), **options)
    torch.testing.assert_close(got.logits.cpu(), expected.logits, rtol=1e-4, atol=1e-4)
