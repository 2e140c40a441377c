import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skelblocks.contrast import MomentumEncoder, MomentumQueue, contrastive_logits, unit_rows
from skelblocks.encoders import ProjectionHead
from skelblocks.losses import CrossMomentumContrastLoss, cross_momentum_contrast, info_nce

GOLDEN = Path(__file__).parents[1] / "golden" / "isc_inter_f64.npz"
FORMS = [("ratio", "neg"), ("ratio", "pos+neg"), ("sum_ce", "pos+neg")]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def case(n=4, d=6, k=9, seed=0, dtype=torch.float64):
    """q, r, k, l of any length, and two banks of unit rows."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(4, n, d, generator=generator, dtype=dtype)
    banks = (unit_rows(torch.randn(k, d, generator=generator, dtype=dtype)) for _ in range(2))
    return (*embeddings, *banks)


def reference(q, r, k, l, bank_k, bank_l, *, temperature, positive, negative, form, crossed=True, exclude=None):  # noqa: E741
    """Equations 3 to 5 clip by clip, one exponential at a time, in Python floats."""

    def exponential(a, b):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        return math.exp(dot / math.hypot(*a) / math.hypot(*b) / temperature)

    q, r, k, l, bank_k, bank_l = (x.tolist() for x in (q, r, k, l, bank_k, bank_l))  # noqa: E741
    total = 0.0
    for n in range(len(q)):
        left = [j for j in range(len(bank_k)) if exclude is None or not exclude[n, j]]
        own, other = ((l, bank_l), (k, bank_k)) if crossed else ((k, bank_k), (l, bank_l))
        p_q, p_r = positive[0] * exponential(q[n], own[0][n]), positive[1] * exponential(r[n], other[0][n])
        n_q = negative[0] * sum(exponential(q[n], own[1][j]) for j in left)
        n_r = negative[1] * sum(exponential(r[n], other[1][j]) for j in left)
        if form == ("sum_ce", "pos+neg"):
            total -= math.log(p_q / (p_q + n_q)) + math.log(p_r / (p_r + n_r))
        else:
            total -= math.log((p_q + p_r) / (n_q + n_r + (p_q + p_r) * (form[1] == "pos+neg")))
    return total / len(q)


def options(form, **more):
    return {"combine": form[0], "denominator": form[1], **more}


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 4),
    k=st.integers(1, 8),
    form=st.sampled_from(FORMS),
    crossed=st.booleans(),
    with_exclude=st.booleans(),
    temperature=st.sampled_from([0.07, 0.5]),
    weights=st.lists(st.floats(0.01, 3), min_size=4, max_size=4),
    seed=st.integers(0, 2**31),
)
def test_equals_the_slow_reference(n, k, form, crossed, with_exclude, temperature, weights, seed):
    inputs = case(n, 5, k, seed)
    exclude = None
    if with_exclude:
        exclude = torch.rand(n, k, generator=torch.Generator().manual_seed(seed)) < 0.5
        exclude[:, -1] = False
    pairs = {"positive_weights": tuple(weights[:2]), "negative_weights": tuple(weights[2:])}
    loss = cross_momentum_contrast(
        *inputs, temperature=temperature, crossed=crossed, exclude=exclude, **options(form, **pairs)
    )
    expected = reference(
        *inputs,
        temperature=temperature,
        positive=weights[:2],
        negative=weights[2:],
        form=form,
        crossed=crossed,
        exclude=exclude,
    )
    assert loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-11)
    module = CrossMomentumContrastLoss(temperature=temperature, crossed=crossed, **options(form, **pairs))
    assert module(*inputs, exclude=exclude).equal(loss)


@pytest.mark.parametrize("pairs", [((1.0, 0.0), (0.0, 2.0)), ((0.0, 0.3), (0.7, 0.0))])
@pytest.mark.parametrize("form", FORMS[:2])
def test_a_weight_of_zero_takes_its_term_away_and_leaves_finite_gradients(form, pairs):
    q, r, *rest = case()
    q.requires_grad_(), r.requires_grad_()
    loss = cross_momentum_contrast(q, r, *rest, **options(form, positive_weights=pairs[0], negative_weights=pairs[1]))
    expected = reference(
        q.detach(), r.detach(), *rest, temperature=0.07, positive=pairs[0], negative=pairs[1], form=form
    )
    assert loss.item() == pytest.approx(expected, rel=1e-10)
    loss.backward()
    assert q.grad.isfinite().all()
    assert r.grad.isfinite().all()


def test_the_defaults_are_the_papers_ratio_and_may_be_negative():
    inputs = case()
    expected = reference(*inputs, temperature=0.07, positive=(0.5, 0.5), negative=(0.5, 0.5), form=FORMS[0])
    assert cross_momentum_contrast(*inputs).item() == pytest.approx(expected, rel=1e-10)
    q, r, *_, bank_k, bank_l = case()
    assert cross_momentum_contrast(q, r, r, q, bank_k, bank_l) < 0
    assert cross_momentum_contrast(q, r, r, q, bank_k, bank_l, denominator="pos+neg") > 0
    assert cross_momentum_contrast(*inputs, combine="sum_ce") == cross_momentum_contrast(*inputs, **options(FORMS[2]))


def test_the_two_denominators_differ_by_one_in_the_exponent():
    clip = case(n=1)
    decoupled, coupled = (cross_momentum_contrast(*clip, **options(form)) for form in FORMS[:2])
    torch.testing.assert_close(coupled.exp(), decoupled.exp() + 1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("crossed", [True, False])
def test_symmetric_in_the_two_encoders(form, crossed):
    q, r, k, l, bank_k, bank_l = case()  # noqa: E741
    loss = cross_momentum_contrast(
        *(q, r, k, l, bank_k, bank_l),
        **options(form, crossed=crossed, positive_weights=(0.2, 0.9), negative_weights=(0.4, 0.1)),
    )
    swapped = cross_momentum_contrast(
        *(r, q, l, k, bank_l, bank_k),
        **options(form, crossed=crossed, positive_weights=(0.9, 0.2), negative_weights=(0.1, 0.4)),
    )
    torch.testing.assert_close(loss, swapped)


@pytest.mark.parametrize("form", FORMS)
def test_what_a_common_factor_of_the_weights_does(form):
    q, r, *rest = case()
    q.requires_grad_(), r.requires_grad_()

    def loss_and_gradients(positive, negative):
        loss = cross_momentum_contrast(
            q, r, *rest, **options(form, positive_weights=(positive,) * 2, negative_weights=(negative,) * 2)
        )
        return loss, torch.autograd.grad(loss, (q, r))

    loss, gradients = loss_and_gradients(0.5, 0.5)
    again, same = loss_and_gradients(0.9, 0.9)
    torch.testing.assert_close(again, loss)
    torch.testing.assert_close(same, gradients)
    lopsided, others = loss_and_gradients(0.9, 0.3)
    if form[1] == "neg":
        torch.testing.assert_close(lopsided, loss - math.log(3))
        torch.testing.assert_close(others, gradients)
    else:
        assert not torch.allclose(others[0], gradients[0])


def test_uncrossed_each_query_keeps_to_its_own_keys():
    q, r, k, l, bank_k, bank_l = case()  # noqa: E741
    loss = cross_momentum_contrast(q, r, k, l, bank_k, bank_l, combine="sum_ce", crossed=False)
    pairs = ((q, k, bank_k), (r, l, bank_l))
    torch.testing.assert_close(loss, sum(info_nce(contrastive_logits(*pair, temperature=0.07)) for pair in pairs))
    torch.testing.assert_close(
        cross_momentum_contrast(q, r, k, l, bank_k, bank_l, crossed=False),
        cross_momentum_contrast(q, r, l, k, bank_l, bank_k),
    )


def test_banks_may_differ_in_size_and_a_third_one_joins_either():
    q, r, k, l, bank_k, bank_l = case()  # noqa: E741
    third = unit_rows(torch.randn(5, 6, dtype=torch.float64))
    excluded = torch.zeros(4, 14, dtype=torch.bool)
    excluded[:, 9:] = True
    wide = (torch.cat((bank_k, third)), torch.cat((bank_l, third)))
    torch.testing.assert_close(
        cross_momentum_contrast(q, r, k, l, *wide, exclude=excluded),
        cross_momentum_contrast(q, r, k, l, bank_k, bank_l),
    )
    more = cross_momentum_contrast(q, r, k, l, bank_k, wide[1])
    assert cross_momentum_contrast(q, r, k, l, bank_k, bank_l) < more < cross_momentum_contrast(q, r, k, l, *wide)


@pytest.mark.parametrize("form", FORMS)
def test_gradient_reaches_the_queries_alone(form):
    inputs = [x.requires_grad_() for x in case(n=3, d=4, k=5)]
    q, r, *constant = inputs
    cross_momentum_contrast(*inputs, **options(form)).backward()
    assert all(x.grad is None for x in constant)
    assert (q.grad != 0).all()
    assert (r.grad != 0).all()
    exclude = torch.zeros(3, 5, dtype=torch.bool)
    exclude[0] = form[1] == "pos+neg"  # a clip without negatives
    exclude[1, 2:] = True

    def loss(q, r):
        return cross_momentum_contrast(
            q, r, *constant, **options(form, temperature=0.3, positive_weights=(0.2, 0.9), exclude=exclude)
        )

    assert torch.autograd.gradcheck(loss, (q, r))


def test_a_clip_without_negatives_says_so_and_poisons_no_gradient():
    q, r, *rest = case()
    q.requires_grad_(), r.requires_grad_()
    exclude = torch.zeros(4, 9, dtype=torch.bool)
    exclude[1] = True
    loss = cross_momentum_contrast(q, r, *rest, exclude=exclude)
    assert loss == -math.inf
    loss.backward()
    assert q.grad.isfinite().all()
    assert r.grad.isfinite().all()


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}


def official_head(golden, name):
    head = ProjectionHead(12, hidden_features=12, out_features=16).double()
    keys = ("0.weight", "0.bias", "2.weight", "2.bias")
    head.layers.load_state_dict({key: golden[f"sd0/encoder_{name}.fc.{key}"] for key in keys})
    return head


def test_a_step_equals_the_official_two_bank_crossing(golden):
    def same(ours, name):
        torch.testing.assert_close(ours.detach(), golden[name], rtol=1e-9, atol=1e-10)

    encoders = {name: official_head(golden, name) for name in "qr"}
    key_encoders = {name: MomentumEncoder(encoders[of]) for name, of in zip("kl", "qr", strict=True)}
    for name, encoder in key_encoders.items():
        encoder.encoder.load_state_dict(official_head(golden, name).state_dict())
        encoder.update(encoders["q" if name == "k" else "r"])
    same(key_encoders["k"].encoder.layers[0].weight, "k_fc0_after_ema")
    queues = [MomentumQueue(16, size=48).double() for _ in range(2)]
    for queue, name in zip(queues, ("S1", "S2"), strict=True):
        queue.bank.copy_(golden[f"sd0/Queue_{name}"].T)

    q, r = encoders["q"](golden["s1_v1"]), encoders["r"](golden["s2_v1"])
    k, l = key_encoders["k"](golden["s1_v2"]), key_encoders["l"](golden["s2_v2"])  # noqa: E741
    for query, key, queue, name in ((q, l, queues[1], "seq"), (r, k, queues[0], "graph")):
        logits = contrastive_logits(query, key, queue.bank, temperature=0.07)
        same(logits, f"logits_{name}")
        same(info_nce(logits), f"loss_{name}")
    loss = cross_momentum_contrast(q, r, k, l, queues[0].bank, queues[1].bank, combine="sum_ce")
    torch.testing.assert_close(loss.detach(), golden["loss_seq"] + golden["loss_graph"], rtol=1e-9, atol=1e-10)
    loss.backward()
    same(encoders["q"].layers[0].weight.grad, "grad_q_fc0")
    same(encoders["r"].layers[0].weight.grad, "grad_r_fc0")
    queues[0].enqueue(k)
    queues[1].enqueue(l)
    same(queues[0].bank.T, "Q1_after")
    same(queues[1].bank.T, "Q2_after")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("form", FORMS)
def test_half_precision_is_summed_in_float32_and_cannot_overflow(form, dtype):
    q = torch.eye(4).to(dtype).requires_grad_()
    bank = torch.cat((torch.eye(4), -torch.eye(4))).repeat(5000, 1).to(dtype)  # e^(1 / 0.01) is beyond float32 too
    for key in (q.detach(), -q.detach()):
        loss = cross_momentum_contrast(q, q, key, key, bank, bank, **options(form, temperature=0.01))
        assert loss.dtype == torch.float32
        exact = cross_momentum_contrast(
            *(x.detach().double() for x in (q, q, key, key, bank, bank)), **options(form, temperature=0.01)
        )
        torch.testing.assert_close(loss, exact.float(), rtol=1e-5, atol=1e-5)
        (grad,) = torch.autograd.grad(loss, q)
        assert grad.isfinite().all()


def test_both_ways_to_build_the_second_encoder_train_it():
    """A backbone of its own for ST-MLP, and one for both: the feature is pooled once and given to two heads."""
    clips, *_ = torch.randn(2, 4, 10)
    rest = case(n=4, d=6, dtype=torch.float32)[2:]
    for shared in (True, False):
        backbone = nn.Linear(10, 8)
        heads = [ProjectionHead(8, hidden_features=8, out_features=6, hidden_layers=i, batch_norm=True) for i in (0, 1)]
        own = backbone if shared else nn.Linear(10, 8)
        cross_momentum_contrast(heads[0](backbone(clips)), heads[1](own(clips)), *rest).backward()
        parameters = [p for m in (backbone, own, *heads) for p in m.parameters()]
        assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({0: (4, 6, 1)}, ValueError, "query_base: expected 2 axes"),
        ({1: (3, 6)}, ValueError, "query_mlp: .* axis 'n' is 3, not 4"),
        ({2: (4, 5)}, ValueError, "key_base: .* axis 'd' is 5, not 6"),
        ({3: (5, 6)}, ValueError, "key_mlp: .* axis 'n' is 5, not 4"),
        ({4: (9, 7)}, ValueError, "base_bank: .* axis 'd' is 7, not 6"),
        ({5: (9,)}, ValueError, "mlp_bank: expected 2 axes"),
        ({"exclude": torch.zeros(4, 8).bool()}, ValueError, "exclude: .* axis 'k' is 8, not 9"),
        ({"exclude": torch.zeros(4, 9)}, TypeError, "exclude: expected a torch.bool"),
        ({5: (8, 6), "exclude": torch.zeros(4, 9).bool()}, ValueError, "exclude: .* axis 'k' is 9, not 8"),
    ],
)
def test_wrong_shapes_say_what_was_expected(changed, error, message):
    shapes = [(4, 6)] * 4 + [(9, 6)] * 2
    exclude = changed.pop("exclude", None)
    for place, shape in changed.items():
        shapes[place] = shape
    with pytest.raises(error, match=message):
        cross_momentum_contrast(*(torch.zeros(shape) for shape in shapes), exclude=exclude)


@pytest.mark.parametrize("place", range(6))
def test_integers_are_refused(place):
    inputs = list(case())
    inputs[place] = inputs[place].long()
    name = ("query_base", "query_mlp", "key_base", "key_mlp", "base_bank", "mlp_bank")[place]
    with pytest.raises(TypeError, match=f"{name}: expected a floating-point"):
        cross_momentum_contrast(*inputs)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": 0.0}, "temperature: expected a number > 0"),
        ({"combine": "product"}, "combine: expected one of 'ratio', 'sum_ce', got 'product'"),
        ({"denominator": "pos"}, "denominator: expected one of None, 'neg', 'pos\\+neg', got 'pos'"),
        ({"denominator": "neg", "combine": "sum_ce"}, "denominator: .* positive in the denominator"),
        ({"positive_weights": (0.0, 0.0)}, r"positive_weights: .* at least one of them > 0, got \(0.0, 0.0\)"),
        ({"negative_weights": (0.5, -0.1)}, "negative_weights: expected two finite numbers >= 0"),
        ({"negative_weights": (math.inf, 1.0)}, "negative_weights: expected two finite numbers"),
        ({"positive_weights": (math.nan, 1.0)}, "positive_weights: expected two finite numbers"),
        ({"positive_weights": (0.5,)}, "positive_weights: expected two finite numbers"),
        ({"negative_weights": (0.0, 1.0), "combine": "sum_ce"}, "negative_weights: expected two numbers > 0 with"),
    ],
)
def test_wrong_settings_are_refused_by_function_and_module(wrong, message):
    with pytest.raises(ValueError, match=message):
        cross_momentum_contrast(*case(), **wrong)
    with pytest.raises(ValueError, match=message):
        CrossMomentumContrastLoss(**wrong)
