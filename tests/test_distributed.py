import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from skelblocks.contrast import MomentumContrast, MomentumQueue
from skelblocks.distributed import (
    broadcast_module_state,
    check_same_state,
    gather_keys,
    is_main_process,
    weigh_loss,
    world_size,
)


def test_a_single_process_gathers_itself():
    keys = torch.randn(3, 4, requires_grad=True)
    gathered = gather_keys(keys)
    assert gathered.equal(keys)
    assert not gathered.requires_grad
    assert (world_size(), is_main_process()) == (1, True)
    linear = nn.Linear(2, 2)
    before = linear.weight.detach().clone()
    broadcast_module_state(linear)
    assert linear.weight.equal(before)
    check_same_state(linear)
    loss = torch.randn((), requires_grad=True)
    assert weigh_loss(loss, count=3) is loss


def test_what_is_refused():
    with pytest.raises(TypeError, match=r"count: expected an integer >= 0, got 2\.5"):
        weigh_loss(torch.tensor(1.0), count=2.5)
    with pytest.raises(TypeError, match="keys: expected a tensor, got list"):
        gather_keys([1.0])
    with pytest.raises(TypeError, match=r"weigh_loss: expected 1 .*\(loss\), got 2; pass the others by name: count="):
        weigh_loss(torch.tensor(1.0), 3)
    with pytest.raises(ValueError, match="keys: expected at least 1 axis"):
        gather_keys(torch.tensor(1.0))
    with pytest.raises(ValueError, match=r"source: expected a rank in 0..0, got 1"):
        broadcast_module_state(nn.Linear(2, 2), source=1)
    with pytest.raises(ValueError, match=r"loss: expected a tensor without axes, got shape \(2,\); take its mean"):
        weigh_loss(torch.ones(2), count=2)
    with pytest.raises(ValueError, match="count: expected an integer >= 0, got -1"):
        weigh_loss(torch.tensor(1.0), count=-1)


def keys_of(rank, n):
    return torch.arange(n * 3, dtype=torch.float32).view(n, 3) + 100 * rank


def check_equal_starts(rank):
    """A key encoder that was copied before the query was broadcast is found; a broadcast of all mends it."""
    torch.manual_seed(rank)
    contrast = MomentumContrast(
        nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)),
        queue=MomentumQueue(3, size=7, generator=torch.Generator().manual_seed(0)),
        momentum_schedule="cosine",
    )
    broadcast_module_state(contrast.query_branch)  # as DistributedDataParallel does
    keys = contrast.keys(torch.randn(2 + rank, 4), torch.arange(2 + rank))
    before = {name: tensor.clone() for name, tensor in contrast.state_dict().items()}
    with pytest.raises(RuntimeError, match=r"key_branch: .* on ranks \[1\], in .*weight.*; call .*broadcast"):
        contrast.update(keys, step=1, total_steps=2)
    assert all(tensor.equal(before[name]) for name, tensor in contrast.state_dict().items())
    broadcast_module_state(contrast)
    contrast.key_branch(torch.randn(4, 4))  # running statistics of its own
    check_same_state(contrast.key_branch, buffers=False)
    with pytest.raises(RuntimeError, match=r"ranks \[1\], in \S*running_mean, \S*running_var; .* pass buffers=False"):
        check_same_state(contrast.key_branch)
    different = nn.Linear(2 + rank, 2)
    with pytest.raises(RuntimeError, match=r"on ranks \[1\], in weight, bias; call .*broadcast_module_state"):
        check_same_state(different)
    contrast.update(keys, step=1, total_steps=2)
    check_same_state(contrast.queue)
    assert contrast.queue.ids.tolist() == [0, 1, 0, 1, 2, -1, -1]
    check_same_state(nn.ReLU())


def run_as_one_of_two(rank, store):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    try:
        assert world_size() == 2
        assert is_main_process() == (rank == 0)

        for n in ((4, 4), (5, 2), (0, 3), (0, 0)):  # even, uneven, one empty, both empty
            gathered = gather_keys(keys_of(rank, n[rank]).requires_grad_())
            assert gathered.equal(torch.cat([keys_of(other, n[other]) for other in (0, 1)]))
            assert not gathered.requires_grad
        for dtype in (torch.int64, torch.float64, torch.bfloat16, torch.bool):
            mine = torch.tensor([rank, 1 - rank]).to(dtype)
            assert gather_keys(mine).equal(torch.tensor([0, 1, 1, 0]).to(dtype))
        for odd in (torch.zeros(2, 3 + rank), torch.zeros(2, 3, dtype=(torch.float32, torch.float64)[rank])):
            with pytest.raises(ValueError, match=rf"keys: expected one dtype and one shape .* on ranks \[{1 - rank}\]"):
                gather_keys(odd)
        across = torch.randn(3, 2, generator=torch.Generator().manual_seed(rank)).T  # not contiguous
        assert gather_keys(across)[2 * rank : 2 * rank + 2].equal(across)

        torch.manual_seed(rank)
        block = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
        block[1].running_mean.fill_(rank)
        broadcast_module_state(block, source=1)
        assert (block[1].running_mean == 1).all()
        assert block[0].weight.is_contiguous(memory_format=torch.channels_last)
        assert block[0].weight.requires_grad
        both = gather_keys(block[0].weight.detach().reshape(1, -1))
        assert both[0].equal(both[1])

        queue = MomentumQueue(3, size=7)
        broadcast_module_state(queue)
        for step in range(3):  # ranks bring batches of different sizes; the queue stays the same everywhere
            n = 2 + rank
            queue.enqueue(gather_keys(torch.randn(n, 3)), ids=gather_keys(torch.arange(n) + 10 * step + 100 * rank))
        banks = gather_keys(queue.bank.reshape(1, -1))
        assert banks[0].equal(banks[1])
        assert queue.ids.sort().values.tolist() == [20, 21, 111, 112, 120, 121, 122]  # the last seven
        assert queue.pointer == 15 % 7

        for n in ((3, 3), (5, 1), (6, 0)):  # even, uneven, a process without clips
            whole = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
            share = whole[: n[0]] if rank == 0 else whole[n[0] :]
            weight = torch.ones(4, dtype=torch.float64, requires_grad=True)
            (expected,) = torch.autograd.grad((whole * weight).sin().sum(dim=1).mean(), weight)
            some = share if len(share) else whole[:1]
            loss = weigh_loss((some * weight).sin().sum(dim=1).mean(), count=len(share))
            (gradient,) = torch.autograd.grad(loss, weight)
            torch.testing.assert_close(gather_keys(gradient[None]).mean(dim=0), expected, rtol=1e-12, atol=1e-14)
        with pytest.raises(ValueError, match="count: expected a clip in at least one process, got 0 in all"):
            weigh_loss(torch.tensor(1.0), count=0)
        with pytest.raises(ValueError, match=r"source: expected a rank in 0..1, got 2"):
            broadcast_module_state(queue, source=2)

        check_equal_starts(rank)
    finally:
        dist.destroy_process_group()


def test_two_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    mp.spawn(run_as_one_of_two, args=(str(tmp_path / "store"),), nprocs=2)
