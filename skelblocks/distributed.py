"""Several processes: gather keys, start equal, weigh unequal shares, query the rank. No-ops in a single process.

Axes: n samples, of which each process holds its own number.
"""

from __future__ import annotations

import hashlib
import zlib
from itertools import chain

import torch
import torch.distributed as dist
from torch import Tensor, nn

from skelblocks._utils.checks import check_integer
from skelblocks._utils.explain_arguments import explain_arguments

__all__ = [
    "broadcast_module_state",
    "check_same_state",
    "gather_keys",
    "is_main_process",
    "weigh_loss",
    "world_size",
]


def world_size() -> int:
    """The number of processes that train together; 1 outside ``torch.distributed``.

    Example:
        >>> world_size()
        1
    """
    return dist.get_world_size() if _running() else 1


def is_main_process() -> bool:
    """Whether this process is the one that prints and saves, rank 0; always, outside ``torch.distributed``.

    Example:
        >>> is_main_process()
        True
    """
    return not _running() or dist.get_rank() == 0


@explain_arguments
@torch.no_grad()
def gather_keys(keys: Tensor) -> Tensor:
    """The keys of all processes, in the order of their ranks, for a queue that stays the same everywhere.

    No released code of this family of methods runs on several processes; under ``DataParallel`` they lose the keys of
    every GPU but the first. Gather the clips' ids in the same way.

    Args:
        keys: ``(n, ...)``, of any dtype. ``n`` may differ from process to process; the other axes may not.

    Returns:
        ``(sum of n, ...)``, the same on every process, without gradient. Outside ``torch.distributed``, ``keys``
        itself, detached.

    Raises:
        TypeError: ``keys`` is not a tensor.
        ValueError: ``keys`` has no axes, or the processes bring other axes or dtypes.

    Example:
        >>> gather_keys(torch.ones(4, 128)).shape
        torch.Size([4, 128])
    """
    given: object = keys
    if not isinstance(given, Tensor):
        raise TypeError(f"keys: expected a tensor, got {type(given).__name__}")
    if keys.ndim == 0:
        raise ValueError("keys: expected at least 1 axis (n, ...), got a tensor without axes; pass keys[None]")
    keys = keys.detach()
    if world_size() == 1:
        return keys
    kind = zlib.crc32(f"{tuple(keys.shape[1:])} of {keys.dtype}".encode())
    size = torch.tensor([keys.shape[0], kind], device=keys.device)
    sizes = [torch.empty_like(size) for _ in range(world_size())]
    dist.all_gather(sizes, size)
    counts, kinds = (list(map(int, each)) for each in torch.stack(sizes).T.tolist())
    if len(set(kinds)) > 1:
        others = [rank for rank, other in enumerate(kinds) if other != kind]
        raise ValueError(
            f"keys: expected one dtype and one shape after n on every process, got (n, *{tuple(keys.shape[1:])}) of "
            f"{keys.dtype} here and others on ranks {others}; run the same model in the same precision on every process"
        )
    padded = keys.new_zeros((max(counts), *keys.shape[1:]))  # a collective wants one shape from all
    padded[: keys.shape[0]] = keys
    gathered = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(gathered, padded)
    return torch.cat([part[:count] for part, count in zip(gathered, counts, strict=True)])


@explain_arguments
@torch.no_grad()
def broadcast_module_state(module: nn.Module, *, source: int = 0) -> None:
    """Overwrite parameters and buffers by those of one process, in place, so that all start equal.

    Call it on everything that a method holds (query branch, key encoder, queue) once before training.

    Args:
        module: The same module on every process.
        source: The rank whose values all take.

    Raises:
        TypeError: ``source`` is not an integer.
        ValueError: there is no such rank.

    Example:
        >>> broadcast_module_state(nn.Linear(2, 2))
    """
    check_integer(source, name="source", least=0)
    if source >= world_size():
        raise ValueError(f"source: expected a rank in 0..{world_size() - 1}, got {source}")
    if world_size() == 1:
        return
    for tensor in chain(module.parameters(), module.buffers()):
        flat = tensor.detach().contiguous()  # another memory format travels as a copy
        dist.broadcast(flat, src=source)
        tensor.copy_(flat)


@explain_arguments
@torch.no_grad()
def check_same_state(module: nn.Module, *, name: str = "module", buffers: bool = True) -> None:
    """Raise unless all processes hold the same parameters and buffers, bit for bit.

    All processes call it together. It copies the state to the CPU and exchanges one checksum per process, so it suits
    the start of a training, not every step.

    Args:
        module: The same module on every process.
        name: How an error calls the argument.
        buffers: Whether to compare buffers too. Running statistics of batch normalization may differ on purpose.

    Raises:
        RuntimeError: a process holds other values than rank 0.

    Example:
        >>> check_same_state(nn.Linear(2, 2))
    """
    if world_size() == 1:
        return
    state = [*module.parameters(), *(module.buffers() if buffers else ())]
    if not state:
        return
    digest = hashlib.sha256()
    for tensor in state:
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    checksum = torch.tensor([list(digest.digest())], dtype=torch.uint8, device=state[0].device)
    checksums = gather_keys(checksum)
    others = [rank for rank in range(world_size()) if not checksums[rank].equal(checksums[0])]
    if others:
        raise RuntimeError(
            f"{name}: expected the same values on every process, got other values than rank 0's on ranks {others}; "
            "call skelblocks.distributed.broadcast_module_state(module) on every process before training"
        )


@explain_arguments
def weigh_loss(loss: Tensor, *, count: int) -> Tensor:
    """Weigh a process's mean loss so that unequal shares of a batch give the gradient of the whole batch.

    ``DistributedDataParallel`` averages gradients over the processes, as if all had the same number of clips. With
    process r's mean loss ``L_r`` over ``n_r`` of the ``n`` clips, and p processes, what to call ``backward`` on is::

        L_r * n_r * p / n

    whose average over the processes is the mean over all clips. Equal shares have the weight 1. All processes call it
    together. A loss that is no mean over clips, or batch normalization of each process's own clips, is beyond it.

    Args:
        loss: Without axes, the mean over this process's clips. A process without any gives a finite loss of some
            other clip, and ``count=0``: it must take part in the averaging.
        count: ``n_r``, the number of this process's clips.

    Returns:
        The weighted loss. Outside ``torch.distributed``, ``loss`` itself.

    Raises:
        TypeError: ``count`` is not an integer.
        ValueError: ``loss`` has axes, ``count`` is negative, or no process has a clip.

    Example:
        >>> weigh_loss(torch.tensor(2.0), count=4)
        tensor(2.)
    """
    if loss.ndim:
        raise ValueError(f"loss: expected a tensor without axes, got shape {tuple(loss.shape)}; take its mean")
    check_integer(count, name="count", least=0)
    if world_size() == 1:
        return loss
    total = torch.tensor(count, device=loss.device)
    dist.all_reduce(total)
    if not total:
        raise ValueError("count: expected a clip in at least one process, got 0 in all; leave this batch out")
    return loss * (count * world_size() / total.item())


def _running() -> bool:
    return dist.is_available() and dist.is_initialized()
