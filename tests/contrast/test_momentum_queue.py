import copy
import pickle
from collections import deque

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.contrast import MomentumQueue, unit_rows
from skelblocks.losses import info_nce_from_embeddings
from skelblocks.testing import NoFloat64


def seeded(features, *, size, seed=0):
    return MomentumQueue(features, size=size, generator=torch.Generator().manual_seed(seed))


def oldest_first(queue):
    return queue.bank.roll(-int(queue.pointer), dims=0), queue.ids.roll(-int(queue.pointer))


@settings(deadline=None, max_examples=60)
@given(data=st.data(), size=st.integers(1, 13))
def test_is_a_first_in_first_out_ring_for_any_batch(data, size):
    queue = seeded(3, size=size).double()
    bank, ids = deque(queue.bank.clone(), maxlen=size), deque(queue.ids.tolist(), maxlen=size)
    for batch in data.draw(st.lists(st.integers(0, size), max_size=6)):
        keys = torch.randn(batch, 3, dtype=torch.float64) * 5
        known = data.draw(st.booleans())
        own = torch.randint(0, 99, (batch,))
        queue.enqueue(keys, ids=own if known else None)
        bank.extend(unit_rows(keys))
        ids.extend(own.tolist() if known else [-1] * batch)
    rows, row_ids = oldest_first(queue)
    torch.testing.assert_close(rows, torch.stack(list(bank)))
    assert row_ids.tolist() == list(ids)


def test_starts_with_random_unit_rows_of_no_clip():
    before = torch.get_rng_state()
    queue = seeded(16, size=2000)
    assert torch.get_rng_state().equal(before)
    assert queue.bank.equal(seeded(16, size=2000).bank)
    assert not queue.bank.equal(seeded(16, size=2000, seed=1).bank)
    torch.testing.assert_close(queue.bank.norm(dim=1), torch.ones(2000))
    assert queue.bank.mean(dim=0).abs().max() < 0.03  # no preferred direction: std of a mean is 0.25 / sqrt(2000)
    assert (queue.ids == -1).all()
    assert queue.pointer == 0
    assert (queue.size, queue.features) == (2000, 16)
    assert MomentumQueue(2).bank.shape == (32768, 2)  # the papers' size
    torch.manual_seed(3)
    first = MomentumQueue(4, size=5)
    torch.manual_seed(3)
    assert MomentumQueue(4, size=5).bank.equal(first.bank)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_keys_are_cast_to_the_bank_and_lose_their_graph(dtype):
    queue = seeded(4, size=6)
    keys = torch.randn(3, 4).to(dtype).requires_grad_()
    queue.enqueue(keys)
    assert queue.bank.dtype == torch.float32
    assert not queue.bank.requires_grad
    torch.testing.assert_close(queue.bank[:3], unit_rows(keys.detach().float()), rtol=1e-6, atol=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        queue.enqueue(keys.detach().float() @ torch.eye(4))
    torch.testing.assert_close(queue.bank[3:].norm(dim=1), torch.ones(3))


def test_follows_to_without_touching_the_integers():
    queue = seeded(4, size=6).to(torch.bfloat16)
    queue.enqueue(torch.randn(5, 4), ids=torch.arange(5, dtype=torch.int32))
    assert queue.bank.dtype == torch.bfloat16
    assert (queue.ids.dtype, queue.pointer.dtype) == (torch.int64, torch.int64)
    assert queue.ids.tolist() == [0, 1, 2, 3, 4, -1]


def test_does_not_keep_or_change_the_keys():
    queue, keys = seeded(4, size=6), torch.randn(3, 4)
    copied = keys.clone()
    queue.enqueue(keys)
    assert keys.equal(copied)
    bank = queue.bank.clone()
    keys.zero_()
    assert queue.bank.equal(bank)


def test_own_rows_are_those_of_the_same_clip_and_an_unknown_clip_owns_none():
    queue = seeded(4, size=6)
    queue.enqueue(torch.randn(4, 4), ids=torch.tensor([7, 8, 7, 0]))
    own = queue.own_rows(torch.tensor([7, 0, 3, -1]))
    assert own.tolist() == [
        [True, False, True, False, False, False],
        [False, False, False, True, False, False],
        [False] * 6,
        [False] * 6,
    ]
    queue.enqueue(torch.randn(3, 4), ids=torch.tensor([5, 5, 9]))  # wraps over the first of clip 7
    assert queue.own_rows(torch.tensor([7])).sum() == 1


def test_enqueue_before_backward_is_an_error_and_never_a_wrong_gradient():
    def gradient(enqueue, dtype=torch.float32, **options):
        query, key = torch.ones(2, 4, requires_grad=True), torch.ones(2, 4)
        queue = seeded(4, size=6).to(dtype)
        loss = info_nce_from_embeddings(query, key, queue.bank, temperature=0.1, **options)
        if enqueue:
            queue.enqueue(torch.randn(6, 4))
        loss.backward()
        return query.grad

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        gradient(True)
    for options in ({"chunk_size": 4}, {"dtype": torch.bfloat16}):  # these do not need the bank any more
        assert gradient(True, **options).equal(gradient(False, **options))


def test_resuming_from_a_state_dict_goes_on_as_if_nothing_had_happened():
    queue = seeded(4, size=7)
    queue.enqueue(torch.randn(5, 4), ids=torch.arange(5))
    assert set(queue.state_dict()) == {"bank", "pointer", "ids"}
    resumed = seeded(4, size=7, seed=9)
    resumed.load_state_dict(copy.deepcopy(queue.state_dict()))
    for twin in (resumed, pickle.loads(pickle.dumps(queue)), copy.deepcopy(queue)):
        reference = copy.deepcopy(queue)
        for step in range(3):
            keys, ids = torch.randn(4, 4), torch.arange(4) + 10 * step
            for one in (reference, twin):
                one.enqueue(keys, ids=ids)
        for name, tensor in reference.state_dict().items():
            assert twin.state_dict()[name].equal(tensor)


def test_compiles_in_one_graph():
    queue, twin = seeded(4, size=7), seeded(4, size=7)
    compiled = torch.compile(queue.enqueue, backend="eager", fullgraph=True)
    for _ in range(3):
        keys, ids = torch.randn(5, 4), torch.arange(5)
        compiled(keys, ids=ids)
        twin.enqueue(keys, ids=ids)
    assert queue.bank.equal(twin.bank)
    assert queue.ids.equal(twin.ids)
    assert queue.pointer == twin.pointer == 1


@pytest.mark.parametrize(
    ("keys", "ids", "error", "message"),
    [
        (torch.zeros(7, 4), None, ValueError, r"keys: expected at most size=6 rows, got shape \(7, 4\); enlarge"),
        (torch.zeros(2, 5), None, ValueError, "keys: .* axis 'd' is 5, not 4"),
        (torch.zeros(4), None, ValueError, r"keys: expected 2 axes \(n, d=4\)"),
        (torch.zeros(2, 4, dtype=torch.int64), None, TypeError, "keys: expected a floating-point"),
        (torch.zeros(2, 4), torch.zeros(3, dtype=torch.int64), ValueError, "ids: .* axis 'n' is 3, not 2"),
        (torch.zeros(2, 4), torch.zeros(2), TypeError, "ids: expected an integer tensor, got torch.float32"),
        (torch.zeros(2, 4), torch.zeros(2, dtype=torch.bool), TypeError, "ids: expected an integer tensor"),
    ],
)
def test_what_is_refused_leaves_the_queue_as_it_was(keys, ids, error, message):
    queue = seeded(4, size=6)
    before = copy.deepcopy(queue.state_dict())
    with pytest.raises(error, match=message):
        queue.enqueue(keys, ids=ids)
    assert all(tensor.equal(before[name]) for name, tensor in queue.state_dict().items())


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="features: expected an integer >= 1, got 0"):
        MomentumQueue(0)
    with pytest.raises(ValueError, match="size: expected an integer >= 1, got -1"):
        MomentumQueue(4, size=-1)
    with pytest.raises(ValueError, match=r"ids: expected 1 axes \(n\)"):
        seeded(4, size=6).own_rows(torch.zeros(2, 2, dtype=torch.int64))


NOT_FINITE = [float("nan"), float("inf"), -float("inf")]


@pytest.mark.parametrize("value", NOT_FINITE)
def test_keys_that_are_not_finite_are_refused_on_the_cpu(value):
    queue, keys = seeded(4, size=6), torch.randn(3, 4)
    keys[1, 2] = value
    before = copy.deepcopy(queue.state_dict())
    with pytest.raises(ValueError, match=r"keys: expected finite numbers, got NaN or infinity in rows \[1\]; check"):
        queue.enqueue(keys, ids=torch.arange(3))
    assert all(tensor.equal(before[name]) for name, tensor in queue.state_dict().items())


@pytest.mark.parametrize("value", NOT_FINITE)
def test_keys_that_are_not_finite_are_skipped_in_a_compiled_graph(value):
    queue, keys = seeded(4, size=6), torch.randn(3, 4)
    keys[1, 2] = value
    before = copy.deepcopy(queue.state_dict())
    torch.compile(queue.enqueue, backend="eager", fullgraph=True)(keys, ids=torch.arange(3))
    assert queue.bank[1].equal(before["bank"][1])
    torch.testing.assert_close(queue.bank[[0, 2]], unit_rows(keys[[0, 2]]))
    assert queue.ids.tolist() == [0, -1, 2, -1, -1, -1]
    assert queue.pointer == 3


@pytest.mark.parametrize("scale", [1e-40, 1e-13, 1e30])
def test_keys_of_any_length_become_unit_rows(scale):
    queue = seeded(4, size=6)
    queue.enqueue(torch.full((2, 4), scale))
    torch.testing.assert_close(queue.bank[:2], torch.full((2, 4), 0.5))


def test_runs_on_meta_and_without_float64():
    queue = seeded(4, size=6)
    with NoFloat64():
        queue.enqueue(torch.randn(3, 4), ids=torch.arange(3))
        queue.own_rows(torch.arange(3))
    queue.to("meta").enqueue(torch.randn(3, 4, device="meta"), ids=torch.arange(3, device="meta"))
    assert queue.own_rows(torch.arange(3, device="meta")).shape == (3, 6)


@pytest.mark.parametrize(("features", "size"), [(4.0, 8), (4, 8.0), (True, 8)])
def test_sizes_that_are_no_integers_are_refused(features, size):
    with pytest.raises(TypeError, match="expected an integer >= 1, got"):
        MomentumQueue(features, size=size)


def test_a_size_by_position_is_refused_by_its_name():
    expected = (
        r"MomentumQueue: expected 1 positional argument \(features\), got 2; pass the others by name: size=\.\.\."
    )
    with pytest.raises(TypeError, match=expected):
        MomentumQueue(16, 64)


def test_repr():
    assert repr(MomentumQueue(4, size=6)) == "MomentumQueue(features=4, size=6)"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_and_never_waits_for_the_device():
    queue, twin = seeded(4, size=7), seeded(4, size=7).cuda()
    batches = [(torch.randn(5, 4), torch.arange(5)) for _ in range(3)]
    on_device = [(keys.cuda(), ids.cuda()) for keys, ids in batches]
    for keys, ids in batches:
        queue.enqueue(keys, ids=ids)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for keys, ids in on_device:
            twin.enqueue(keys, ids=ids)
            twin.own_rows(ids)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(twin.bank.cpu(), queue.bank)
    assert twin.ids.cpu().equal(queue.ids)
