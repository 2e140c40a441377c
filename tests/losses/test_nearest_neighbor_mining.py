import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.losses import (
    NearestNeighborLoss,
    info_nce,
    nearest_neighbor_loss,
    nearest_neighbor_mask,
    nearest_neighbor_mining,
)


def reference_mask(branches, top_k):
    """Sort each branch's bank columns, clip by clip."""
    mask = [[column == 0 for column in range(branches[0].shape[1])] for _ in branches[0]]
    for branch in branches:
        for n, row in enumerate(branch.tolist()):
            for column in sorted(range(1, len(row)), key=lambda c, row=row: -row[c])[:top_k]:
                mask[n][column] = True
    return torch.tensor(mask)


def reference_loss(logits, mask, mean):
    losses = []
    for row, positives in zip(logits.tolist(), mask.tolist(), strict=True):
        partition = sum(map(math.exp, row))
        terms = [-math.log(math.exp(v) / partition) for v, positive in zip(row, positives, strict=True) if positive]
        losses.append(sum(terms) / (len(terms) if mean else 1))
    return sum(losses) / len(losses)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 5), k=st.integers(1, 12), branches=st.integers(1, 4), data=st.data(), seed=st.integers(0, 2**31)
)
def test_mask_and_loss_equal_the_slow_reference(n, k, branches, data, seed):
    logits = list(torch.randn(branches, n, 1 + k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    top_k = data.draw(st.integers(1, k))
    mask = nearest_neighbor_mask(logits, top_k=top_k)
    assert mask.equal(reference_mask(logits, top_k))
    assert (mask.sum(1) >= 1 + top_k).all()
    assert (mask.sum(1) <= 1 + min(k, branches * top_k)).all()
    for reduction in ("sum", "mean"):
        loss = nearest_neighbor_loss(logits[0], mask, reduction_over_positives=reduction)
        assert loss.item() == pytest.approx(reference_loss(logits[0], mask, reduction == "mean"), rel=1e-10)
        module = NearestNeighborLoss(top_k=top_k, reduction_over_positives=reduction)
        assert module(logits[0], logits[1:]).equal(loss)
        options = {"top_k": top_k, "reduction_over_positives": reduction}
        assert nearest_neighbor_mining(logits[0], logits[1:], **options).equal(loss)
        if branches > 1:
            across = reference_loss(logits[0], reference_mask(logits[1:], top_k), reduction == "mean")
            loss = nearest_neighbor_mining(logits[0], logits[1:], neighbors="others", **options)
            assert loss.item() == pytest.approx(across, rel=1e-10)
            assert NearestNeighborLoss(neighbors="others", **options)(logits[0], logits[1:]).equal(loss)


def test_across_views_the_query_does_not_name_its_own_neighbor():
    query, key = torch.tensor([[9.0, 5.0, 1.0, 2.0]]), torch.tensor([[9.0, 1.0, 2.0, 5.0]])
    loss = nearest_neighbor_mining(query, [key], neighbors="others")
    assert loss.equal(nearest_neighbor_loss(query, torch.tensor([[True, False, False, True]])))


def test_neighbors_of_others_need_others():
    logits = torch.zeros(2, 4)
    with pytest.raises(ValueError, match=r"student_logits: expected .*at least one, to select the neighbors"):
        nearest_neighbor_mining(logits, [], neighbors="others")
    with pytest.raises(ValueError, match=r"neighbors: expected one of 'all', 'others', got 'own'"):
        nearest_neighbor_mining(logits, [logits], neighbors="own")
    with pytest.raises(ValueError, match=r"neighbors: expected one of 'all', 'others', got 'own'"):
        NearestNeighborLoss(neighbors="own")


def test_the_positive_is_never_mined_and_branches_that_agree_count_once():
    logits = torch.tensor([[9.0, 1.0, 5.0, 2.0]])
    assert nearest_neighbor_mask([logits, logits * 2]).tolist() == [[True, False, True, False]]


def test_excluded_rows_are_no_neighbors_even_if_fewer_than_top_k_are_left():
    logits = torch.tensor([[0.0, 9.0, 5.0, 2.0], [0.0, 9.0, 5.0, 2.0]])
    exclude = torch.tensor([[True, False, False], [True, True, True]])
    expected = [[True, False, True, True], [True, False, False, False]]
    assert nearest_neighbor_mask([logits], top_k=2, exclude=exclude).tolist() == expected
    excluded = torch.cat((logits[:, :1], logits[:, 1:].masked_fill(exclude, -torch.inf)), dim=1)
    assert nearest_neighbor_mask([excluded], top_k=2).tolist() == expected
    # what one branch excludes another may still name
    assert nearest_neighbor_mask([logits, excluded], top_k=2).tolist() == [[True] * 4, [True, True, True, False]]
    loss = NearestNeighborLoss(top_k=2)(excluded.requires_grad_(), [])
    loss.backward()
    assert loss.isfinite()
    assert excluded.grad.isfinite().all()


def test_the_loss_excludes_what_it_is_told():
    query, student = torch.randn(2, 3, 7, dtype=torch.float64)
    exclude = student[:, 1:] == student[:, 1:].amax(dim=1, keepdim=True)  # the student's neighbors
    expected = nearest_neighbor_loss(query, nearest_neighbor_mask([query, student], exclude=exclude))
    for loss in (nearest_neighbor_mining, NearestNeighborLoss()):
        assert loss(query, [student], exclude=exclude).equal(expected)
        assert not loss(query, [student]).isclose(expected)


def test_is_info_nce_without_a_neighbor():
    logits = torch.randn(4, 9, dtype=torch.float64)
    mask = torch.zeros(4, 9, dtype=torch.bool)
    mask[:, 0] = True
    for reduction in ("sum", "mean"):
        torch.testing.assert_close(
            nearest_neighbor_loss(logits, mask, reduction_over_positives=reduction), info_nce(logits)
        )


def test_the_mean_over_positives_is_the_default():
    query, student = torch.randn(2, 4, 9, dtype=torch.float64)
    mask = nearest_neighbor_mask([query, student])
    mean, total = (nearest_neighbor_loss(query, mask, reduction_over_positives=how) for how in ("mean", "sum"))
    assert total > mean * 1.9
    for loss in (
        nearest_neighbor_loss(query, mask),
        nearest_neighbor_mining(query, [student]),
        NearestNeighborLoss()(query, [student]),
    ):
        assert loss.equal(mean)


def test_only_the_query_is_trained():
    query, student = (x.requires_grad_() for x in torch.randn(2, 3, 7, dtype=torch.float64))
    mask = nearest_neighbor_mask([query, student])
    assert mask.dtype == torch.bool
    NearestNeighborLoss()(query, [student]).backward()
    assert student.grad is None
    assert query.grad.abs().sum() > 0
    for reduction in ("sum", "mean"):
        assert torch.autograd.gradcheck(
            lambda x, how=reduction: nearest_neighbor_loss(x, mask, reduction_over_positives=how), query
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    logits = torch.zeros(1, 32769, dtype=dtype)
    mask = torch.zeros(1, 32769, dtype=torch.bool)
    mask[0, :2] = True
    with torch.autocast("cpu", dtype=dtype):
        loss = nearest_neighbor_loss(logits, mask, reduction_over_positives="sum")
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, torch.tensor(2 * math.log(32769)))


@pytest.mark.parametrize(
    ("branches", "options", "error", "message"),
    [
        ([], {}, ValueError, "logits_per_branch: expected at least one branch, got none"),
        ([torch.zeros(2, 4), torch.zeros(3, 4)], {}, ValueError, r"\[1\]: .* axis 'n' is 3, not 2"),
        ([torch.zeros(4)], {}, ValueError, r"logits_per_branch\[0\]: expected 2 axes"),
        ([torch.zeros(2, 4, dtype=torch.int64)], {}, TypeError, "expected a floating-point"),
        (
            [torch.zeros(2, 4)],
            {"top_k": 4},
            ValueError,
            "top_k: expected at most the 3 rows of the bank, got 4",
        ),
        ([torch.zeros(2, 4)], {"top_k": 0}, ValueError, "top_k"),
        ([torch.zeros(2, 4)], {"exclude": torch.zeros(2, 3)}, TypeError, "exclude: expected a torch.bool"),
        ([torch.zeros(2, 4)], {"exclude": torch.zeros(2, 4).bool()}, ValueError, "exclude: .* axis 'k' is 4, not 3"),
    ],
)
def test_what_the_mask_refuses(branches, options, error, message):
    with pytest.raises(error, match=message):
        nearest_neighbor_mask(branches, **options)


@pytest.mark.parametrize(
    ("mask", "options", "error", "message"),
    [
        (torch.zeros(2, 4), {}, TypeError, r"mask: expected a torch.bool .* mask.bool\(\)"),
        (torch.zeros(2, 3).bool(), {}, ValueError, "mask: .* axis 'k' is 3, not 4"),
        (torch.ones(2, 4).bool(), {"reduction_over_positives": "max"}, ValueError, "expected one of 'mean', 'sum'"),
    ],
)
def test_what_the_loss_refuses(mask, options, error, message):
    with pytest.raises(error, match=message):
        nearest_neighbor_loss(torch.zeros(2, 4), mask, **options)


def test_what_the_module_refuses():
    with pytest.raises(ValueError, match="top_k: expected an integer >= 1, got 0"):
        NearestNeighborLoss(top_k=0)
    with pytest.raises(ValueError, match="reduction_over_positives"):
        NearestNeighborLoss(reduction_over_positives="max")


@pytest.mark.parametrize(
    ("query", "students", "error", "message"),
    [
        (torch.zeros(4), [], ValueError, "^query_logits: expected 2 axes"),
        (torch.zeros(2, 4).long(), [], TypeError, "^query_logits: expected a floating-point"),
        (
            torch.zeros(2, 4),
            [torch.zeros(2, 4), torch.zeros(2, 5)],
            ValueError,
            r"^student_logits\[1\]: .* axis 'k' is 5",
        ),
        (torch.zeros(2, 4), [torch.zeros(2, 4).long()], TypeError, r"^student_logits\[0\]: expected a floating-point"),
        (torch.zeros(2, 4), [[0.0]], TypeError, r"^student_logits\[0\]: expected a tensor, got list"),
        (
            torch.zeros(2, 4),
            torch.zeros(2, 4),
            TypeError,
            r"^student_logits: expected a list .* pass \[student_logits\]",
        ),
    ],
)
def test_the_loss_names_its_own_arguments(query, students, error, message):
    for loss in (nearest_neighbor_mining, NearestNeighborLoss()):
        with pytest.raises(error, match=message):
            loss(query, students)


def test_one_matrix_in_place_of_a_list_is_refused_and_a_stack_is_not():
    with pytest.raises(TypeError, match=r"logits_per_branch: expected a list .* got one tensor of shape \(2, 4\)"):
        nearest_neighbor_mask(torch.zeros(2, 4))
    stack = torch.randn(3, 2, 4)
    assert nearest_neighbor_mask(stack).equal(nearest_neighbor_mask(list(stack)))


def test_a_number_of_neighbors_is_whole():
    with pytest.raises(TypeError, match=r"top_k: expected an integer >= 1, got 2\.5"):
        NearestNeighborLoss(top_k=2.5)
