"""Helpers for several processes: gather keys, synchronize the start, weight unequal batches, query the rank.

They do nothing in a single process.

Axes: n samples of one process, which may differ between processes.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
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

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of batch normalization


def world_size() -> int:
    """The number of processes that train together, or 1 without ``torch.distributed``.

    Example:
        >>> world_size()
        1
    """
    return dist.get_world_size() if _running() else 1


def is_main_process() -> bool:
    """Whether this process is rank 0, which prints and saves. Always True without ``torch.distributed``.

    Example:
        >>> is_main_process()
        True
    """
    return not _running() or dist.get_rank() == 0


@explain_arguments
@torch.no_grad()
def gather_keys(keys: Tensor) -> Tensor:
    """Gather the keys of all processes in the order of their ranks, to keep the same queue on every process.

    The released code of these methods does not support several processes. Under ``DataParallel`` it loses the keys of
    every GPU except the first. Gather the ids of the clips in the same way.

    Args:
        keys: ``(n, ...)``, of any dtype. ``n`` may differ between processes; the other axes may not.

    Returns:
        ``(sum of n, ...)``, the same on every process, without gradient. Without ``torch.distributed``, the detached
        ``keys``.

    Raises:
        TypeError: ``keys`` is not a tensor.
        ValueError: ``keys`` has no axes, or other axes or dtypes differ between processes.

    Example:
        >>> gather_keys(torch.ones(4, 128)).shape
        torch.Size([4, 128])
    """
    argument: object = keys
    if not isinstance(argument, Tensor):
        raise TypeError(f"keys: expected a tensor, got {type(argument).__name__}; pass torch.as_tensor(keys)")
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
    padded = keys.new_zeros((max(counts), *keys.shape[1:]))  # a collective needs the same shape on all ranks
    padded[: keys.shape[0]] = keys
    gathered = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(gathered, padded)
    return torch.cat([part[:count] for part, count in zip(gathered, counts, strict=True)])


@explain_arguments
@torch.no_grad()
def broadcast_module_state(module: nn.Module, *, source: int = 0) -> None:
    """Copy the parameters and buffers of one process to all others, in place, so that all start with the same state.

    Call it once before training, on all modules of a method (query branch, key encoder, queue).

    Args:
        module: The same module on every process.
        source: The rank to copy from.

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
        flat = tensor.detach().contiguous()  # other memory formats are sent as a copy
        dist.broadcast(flat, src=source)
        tensor.copy_(flat)


@explain_arguments
@torch.no_grad()
def check_same_state(module: nn.Module, *, name: str = "module", buffers: bool = True) -> None:
    """Raise unless all processes have the same parameters and buffers, bit for bit.

    All processes must call it together. It copies the state to the CPU and exchanges one checksum per process. Use it
    at the start of training, not in every step.

    Args:
        module: The same module on every process.
        name: The argument's name in the error message.
        buffers: Whether to compare buffers too. Running statistics of batch normalization may differ on purpose.

    Raises:
        RuntimeError: the values of a process differ from rank 0. The message names the tensors that differ.

    Example:
        >>> check_same_state(nn.Linear(2, 2))
    """
    if world_size() == 1:
        return
    state = dict(chain(module.named_parameters(), module.named_buffers() if buffers else ()))
    if not state:
        return
    device = next(iter(state.values())).device
    digests = [_digest(tensor) for tensor in state.values()]
    checksums = _gather_digests([hashlib.sha256(b"".join(digests)).digest()], device)
    others = [rank for rank, checksum in enumerate(checksums) if checksum != checksums[0]]
    if not others:
        return
    by_name = _gather_digests(digests, device)  # of all processes, one after the other
    same_names = len(by_name) == len(state) * world_size()
    differing = [key for i, key in enumerate(state) if same_names and len(set(by_name[i :: len(state)])) > 1]
    statistics = all(key.rpartition(".")[2] in _STATISTICS for key in differing)
    shown = ", ".join(differing[:3]) + (f" and {len(differing) - 3} more" if len(differing) > 3 else "")
    remedy = (
        "these statistics of batch normalization differ once each process has trained on its own clips, so check "
        "before training, or pass buffers=False"
        if differing and statistics
        else "call skelblocks.distributed.broadcast_module_state(module) on every process before training"
    )
    raise RuntimeError(
        f"{name}: expected the same values on every process, got values that differ from rank 0 on ranks {others}"
        + (f", in {shown}" if differing else "")
        + f"; {remedy}"
    )


@explain_arguments
def weigh_loss(loss: Tensor, *, count: int) -> Tensor:
    """Weight a process's mean loss so that unequal batches give the gradient of the whole batch.

    ``DistributedDataParallel`` averages gradients over processes as if all had the same number of clips. Let ``L_r`` be
    the mean loss of process r over its ``n_r`` clips, with ``n`` clips and p processes in total. Call ``backward`` on::

        L_r * n_r * p / n

    The average of this over the processes is the mean over all clips. Equal batches have a weight of 1. All processes
    must call it together. It does not work for losses that are not a mean over clips, and does not correct batch
    normalization, which uses each process's own clips.

    Args:
        loss: A tensor without axes, the mean over this process's clips. A process without clips must take part too: it
            passes the finite loss of any other clip, and ``count=0``.
        count: ``n_r``, the number of this process's clips.

    Returns:
        The weighted loss. Without ``torch.distributed``, ``loss`` itself.

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
        raise ValueError("count: expected a clip in at least one process, got 0 in all; skip this batch")
    return loss * (count * world_size() / total.item())


def _digest(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.sha256(flat.numpy().tobytes()).digest()


def _gather_digests(digests: Sequence[bytes], device: torch.device) -> list[bytes]:
    rows = torch.tensor([list(digest) for digest in digests], dtype=torch.uint8, device=device)
    return [bytes(row) for row in gather_keys(rows).tolist()]


def _running() -> bool:
    return dist.is_available() and dist.is_initialized()
