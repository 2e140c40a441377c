import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.contrast import contrastive_logits
from skelblocks.losses import (
    CrossViewMiningLoss,
    cross_view_mining,
    cross_view_pair,
    nearest_neighbor_loss,
)
from skelblocks.streams import motion

GOLDEN = Path(__file__).parents[1] / "golden" / "crossclr_2views_f64.npz"


def reference(views, *, temperature, top_k, context, mean, exclude):
    """Clip by clip and row by row, from similarities, in Python floats."""
    total = 0.0
    for a, view in enumerate(views):
        for b, other in enumerate(views):
            if a == b:
                continue
            for n, (row, other_row) in enumerate(zip(view.tolist(), other.tolist(), strict=True)):
                s, t = ([logit * temperature for logit in each] for each in (row, other_row))
                left = [j for j in range(1, len(s)) if not exclude[n][j - 1]]
                named = set(sorted(left, key=lambda j, t=t: -t[j])[:top_k])
                scores = [(s[0], True)] + [(s[j], j in named) for j in left]
                if context:
                    scores += [(s[j] * t[j], j in named) for j in left]
                partition = sum(math.exp(score / temperature) for score, _ in scores)
                terms = [math.log(partition) - score / temperature for score, positive in scores if positive]
                total += sum(terms) / (len(terms) if mean else 1) / len(view) / (len(views) - 1)
    return total


def cosines(views, n, k, seed, temperature):
    generator = torch.Generator().manual_seed(seed)
    return list((torch.rand(views, n, 1 + k, generator=generator, dtype=torch.float64) * 2 - 1) / temperature)


@settings(deadline=None, max_examples=60)
@given(
    views=st.integers(2, 4),
    n=st.integers(1, 4),
    k=st.integers(1, 9),
    context=st.booleans(),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    temperature=st.sampled_from([0.07, 0.5]),
    data=st.data(),
    seed=st.integers(0, 2**31),
)
def test_equals_the_slow_reference(views, n, k, context, share, temperature, data, seed):
    logits = cosines(views, n, k, seed, temperature)
    options = {"temperature": temperature, "top_k": data.draw(st.integers(1, k)), "context": context}
    exclude = torch.rand(n, k, generator=torch.Generator().manual_seed(seed + 1)) < share
    for reduction in ("mean", "sum"):
        loss = cross_view_mining(logits, **options, exclude=exclude, reduction_over_positives=reduction)
        expected = reference(logits, **options, mean=reduction == "mean", exclude=exclude)
        assert loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-12)
        module = CrossViewMiningLoss(**options, reduction_over_positives=reduction)
        assert module(logits, exclude=exclude).equal(loss)


def test_the_defaults_are_the_released_configuration():
    views = cosines(3, 4, 9, 6, 0.07)
    options = {"temperature": 0.07, "top_k": 1, "context": True}
    expected = reference(views, **options, mean=True, exclude=[[False] * 9] * 4)
    for loss in (cross_view_mining, CrossViewMiningLoss()):
        assert loss(views).item() == pytest.approx(expected, rel=1e-10)
    for ours, wanted in zip(cross_view_pair(*views[:2]), cross_view_pair(*views[:2], **options), strict=True):
        assert ours.equal(wanted)


def test_the_order_of_views_and_of_the_bank_does_not_matter():
    a, b, c = cosines(3, 4, 9, 0, 0.07)
    expected = cross_view_mining([a, b, c])
    torch.testing.assert_close(cross_view_mining([c, a, b]), expected)
    shuffled = torch.cat((torch.tensor([0]), 1 + torch.randperm(9)))
    torch.testing.assert_close(cross_view_mining([x[:, shuffled] for x in (a, b, c)]), expected)


def test_positives_are_the_other_views_rows_and_never_the_views_own():
    mine, other = torch.tensor([[0.0, 9.0, 1.0, 2.0]]), torch.tensor([[9.0, 1.0, 2.0, 3.0]])
    assert cross_view_pair(mine, other, context=False).mask.tolist() == [[True, False, False, True]]
    assert cross_view_pair(other, mine, context=False).mask.tolist() == [[True, True, False, False]]
    pair = cross_view_pair(mine, other, top_k=2)
    assert pair.mask.tolist() == [[True, False, True, True, False, True, True]]
    torch.testing.assert_close(pair.logits[:, 4:], torch.tensor([[9.0, 2.0, 6.0]]) * 0.07)


def test_excluded_rows_are_as_good_as_absent_and_leave_no_nan_in_the_gradient():
    views = [x.requires_grad_() for x in cosines(3, 4, 9, 1, 0.07)]
    exclude = torch.zeros(4, 9, dtype=torch.bool)
    exclude[:, 5:] = True
    loss = cross_view_mining(views, top_k=2, exclude=exclude)
    torch.testing.assert_close(loss, cross_view_mining([x[:, :6] for x in views], top_k=2))
    loss.backward()
    for x in views:
        assert x.grad.isfinite().all()
        assert (x.grad[:, 6:] == 0).all()
        assert (x.grad[:, :6] != 0).any()
    nothing_left = cross_view_mining(views, exclude=torch.ones_like(exclude))
    assert nothing_left == 0  # the key alone, and no negative


def test_a_row_that_one_view_closed_is_closed_in_both():
    views = cosines(2, 4, 9, 2, 0.07)
    closed = torch.zeros(4, 10, dtype=torch.bool)
    closed[torch.arange(4), 1 + views[0][:, 1:].argmax(dim=1)] = True  # the row that the second would learn from
    expected = cross_view_mining(views, exclude=closed[:, 1:])
    cut = [views[0].requires_grad_(), views[1].masked_fill(closed, -torch.inf).requires_grad_()]
    for views in (cut, [cut[1], cut[0]], [x.masked_fill(closed, -torch.inf) for x in cut]):
        loss = cross_view_mining(views)
        torch.testing.assert_close(loss, expected)
        assert all(grad.isfinite().all() for grad in torch.autograd.grad(loss, cut))


def test_through_the_context_a_views_loss_trains_the_other_view_too():
    mine, other = (x.requires_grad_() for x in cosines(2, 3, 7, 4, 0.5))
    for context in (True, False):
        loss = nearest_neighbor_loss(*cross_view_pair(mine, other, temperature=0.5, context=context))
        to_mine, to_other = torch.autograd.grad(loss, (mine, other), allow_unused=True)
        assert (to_mine != 0).any()
        assert (to_other is not None) == context
        assert not context or (to_other[:, 1:] != 0).all()
    for context in (True, False):
        assert torch.autograd.gradcheck(
            lambda a, b, c=context: cross_view_mining([a, b], temperature=0.5, context=c), (mine, other)
        )


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}


def official_views(golden):
    """Joint and motion through the linear stub that stands for both encoders."""
    x = golden["x_q"].clone().requires_grad_()

    def logits(of, queue):
        query, key = (of(clip).flatten(1) @ golden["W"] for clip in (x, golden["x_k"]))
        return contrastive_logits(query, key, golden[queue].T, temperature=0.07)

    return x, [logits(lambda clip: clip, "queue"), logits(motion, "queue_motion")]


@pytest.mark.parametrize("top_k", [1, 2])
@pytest.mark.parametrize("context", [False, True])
def test_equals_the_official_two_views(golden, context, top_k):
    x, (joint, moved) = official_views(golden)
    options = {"rtol": 1e-9, "atol": 1e-10}
    torch.testing.assert_close(joint, golden["plain/out0"], **options)
    torch.testing.assert_close(moved, golden["plain/out1"], **options)
    case = f"cross_ctx{int(context)}_top{top_k}"
    for i, (mine, other) in enumerate([(joint, moved), (moved, joint)]):
        pair = cross_view_pair(mine, other, top_k=top_k, context=context)
        if top_k == 1:
            assert pair.mask.equal(golden[f"{case}/mask{i}"].bool())
        torch.testing.assert_close(nearest_neighbor_loss(*pair), golden[f"{case}/losses"][i], **options)
    loss = cross_view_mining([joint, moved], top_k=top_k, context=context)
    torch.testing.assert_close(loss, golden[f"{case}/losses"].sum(), **options)
    loss.backward()
    torch.testing.assert_close(x.grad, golden[f"{case}/grad_x_q_sum_of_losses"], **options)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_are_summed_in_float32(dtype):
    views = [torch.full((2, 1 + 20000), 2.0, dtype=dtype) for _ in range(2)]
    with torch.autocast("cpu", dtype=dtype):
        loss = cross_view_mining(views, temperature=0.5)  # every column is 2
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, torch.tensor(2 * math.log(40001)))
    widest = [(x / 0.02).to(dtype).requires_grad_() for x in torch.tensor([[[1.0, -1, 1]], [[-1.0, 1, -1]]])]
    loss = cross_view_mining(widest, temperature=0.02)
    loss.backward()
    assert loss.isfinite()
    assert all(x.grad.isfinite().all() for x in widest)


@pytest.mark.parametrize(
    ("views", "options", "error", "message"),
    [
        (
            [(2, 4)],
            {},
            ValueError,
            "logits_per_view: expected two views or more .for one, use nearest_neighbor_mining., got 1",
        ),
        ([(2, 4), (3, 4)], {}, ValueError, r"logits_per_view\[1\]: .* axis 'n' is 3, not 2"),
        ([(2, 4), (2, 5)], {}, ValueError, r"logits_per_view\[1\]: .* axis 'k' is 5, not 4"),
        ([(4,), (4,)], {}, ValueError, r"logits_per_view\[0\]: expected 2 axes \(n, k\)"),
        ([(2, 4, 1), (2, 4)], {}, ValueError, r"logits_per_view\[0\]: expected 2 axes \(n, k\)"),
        ([(2, 4), (2, 4)], {"top_k": 4}, ValueError, "top_k: expected at most the 3 rows"),
        ([(2, 4), (2, 4)], {"temperature": 0.0}, ValueError, "temperature: expected a number > 0"),
        ([(2, 4), (2, 4)], {"reduction_over_positives": "max"}, ValueError, "reduction_over_positives: expected one"),
        ([(2, 4), (2, 4)], {"exclude": torch.zeros(2, 3)}, TypeError, "exclude: expected a torch.bool"),
        ([(2, 4), (2, 4)], {"exclude": torch.zeros(2, 4).bool()}, ValueError, "exclude: .* axis 'k' is 4, not 3"),
    ],
)
def test_what_is_refused(views, options, error, message):
    with pytest.raises(error, match=message):
        cross_view_mining([torch.zeros(shape) for shape in views], **options)


def test_what_the_pair_and_the_module_refuse():
    with pytest.raises(TypeError, match=r"logits_per_view\[1\]: expected a floating-point"):
        cross_view_mining([torch.zeros(2, 4), torch.zeros(2, 4, dtype=torch.int64)])
    with pytest.raises(ValueError, match=r"other_logits: .* axis 'k' is 5, not 4"):
        cross_view_pair(torch.zeros(2, 4), torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"^logits: expected 2 axes \(n, k\)"):
        cross_view_pair(torch.zeros(4), torch.zeros(4))
    whole = torch.zeros(2, 4, dtype=torch.int64)
    for pair, name in (((whole, torch.zeros(2, 4)), "logits"), ((torch.zeros(2, 4), whole), "other_logits")):
        with pytest.raises(TypeError, match=f"^{name}: expected a floating-point"):
            cross_view_pair(*pair)
    with pytest.raises(ValueError, match=r"^temperature: expected a number > 0"):
        cross_view_pair(torch.zeros(2, 4), torch.zeros(2, 4), temperature=0.0)
    for options, message in (
        ({"top_k": 0}, "top_k: expected an integer >= 1, got 0"),
        ({"temperature": -1.0}, "temperature: expected a number > 0"),
        ({"reduction_over_positives": "max"}, "reduction_over_positives: expected one of"),
    ):
        with pytest.raises(ValueError, match=message):
            CrossViewMiningLoss(**options)


def test_one_matrix_in_place_of_a_list_and_half_a_neighbor_are_refused():
    with pytest.raises(
        TypeError, match=r"logits_per_view: expected a list of tensors, got one tensor of shape \(2, 4\)"
    ):
        cross_view_mining(torch.zeros(2, 4))
    with pytest.raises(TypeError, match=r"top_k: expected an integer >= 1, got 1\.5"):
        CrossViewMiningLoss(top_k=1.5)
