"""Fingerprints of weights and clips, independent of device and batch size.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from skelblocks._utils.checks import check_axes
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.batches import batches, gives_whole_batches
from skelblocks.clips.clip_dataset import ClipDataset
from skelblocks.evaluation.describe_value import describe_value

Clips = Tensor | Dataset[Any] | ClipDataset | Iterable[Tensor | tuple[Tensor, ...]]
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
# Hooks that may change what a module gives in evaluation.
_HOOKS = frozenset({"_forward_hooks", "_forward_pre_hooks"})


@explain_arguments
def weights_fingerprint(module: nn.Module) -> str:
    """Compute a sha256 of what a module computes with: names, dtypes, shapes and bytes of its parameters and buffers.

    The classes of its submodules, their ``repr``, hooks and other attributes count too, because the same weights may
    belong to another architecture. Values count by their content, and functions by their name, code and defaults. The
    methods of classes, the device and ``training`` do not count. A module that counts its calls has another fingerprint
    after each call.

    Raises:
        TypeError: Not a module.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> before = weights_fingerprint(layer)
        >>> with torch.no_grad():
        ...     _ = layer.bias.add_(1e-6)
        >>> len(before), weights_fingerprint(layer) == before
        (64, False)
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"encoder: expected a torch.nn.Module, got {type(module).__name__}")
    digest = hashlib.sha256(repr(module).encode())
    for name, part in module.named_modules(remove_duplicate=False):
        attributes = [(key, describe_value(value)) for key, value in sorted(vars(part).items()) if _counts(key, value)]
        digest.update(repr((name, describe_value(type(part)), attributes)).encode())
    for kind in (module.named_parameters, module.named_buffers):
        for name, held in kind(remove_duplicate=False):
            digest.update(repr((name, describe_value(held))).encode())
    return digest.hexdigest()


@explain_arguments
def data_fingerprint(clips: Clips) -> str:
    """Compute a sha256 of clips.

    It covers their content, or for a prepared set, the digests in its manifest and the places of its clips. Except for
    prepared sets, the same clips have the same fingerprint as a tensor, as a dataset and in batches of any size.

    Raises:
        TypeError: The clips are an iterator, which can be read only once, or a batch is not a tensor.
        ValueError: Wrong axes, batches of different shapes, or no clips.

    Example:
        >>> clips = torch.randn(6, 3, 16, 20, 1)
        >>> data_fingerprint(clips) == data_fingerprint(clips.split(4))
        True
    """
    return fingerprint_and_length(clips)[0]


def fingerprint_and_length(clips: Clips) -> tuple[str, int]:
    """The fingerprint of clips, and how many there are."""
    known = known_digest(clips)
    if known is not None:
        assert isinstance(clips, ClipDataset)
        return known, len(clips)
    read = FingerprintedBatches(clips, 256, None)
    n = sum(map(len, read))
    return read.fingerprint, n


class FingerprintedBatches:
    """Batches of clips whose fingerprint is computed during iteration and compared with the expected one."""

    def __init__(self, clips: Clips, batch_size: int, expected: str | None) -> None:
        if isinstance(clips, Iterator):
            raise TypeError(
                "clips: expected clips that can be read twice, got an iterator; pass a tensor, a dataset or a "
                "DataLoader"
            )
        self.clips, self.batch_size = clips, batch_size
        self.known = known_digest(clips) is not None
        self.expected = None if self.known else expected
        self.fingerprint = ""

    def __iter__(self) -> Iterator[Tensor]:
        digest, known, n = hashlib.sha256(), None, 0
        for batch in _batches(self.clips, self.batch_size):
            x = batch[0] if isinstance(batch, tuple | list) and batch else batch
            check_axes(x, "n c t v m", name="clips")
            if known is not None and known != (x.dtype, x.shape[1:]):
                raise ValueError(f"clips: expected {known[0]} {tuple(known[1])}, got {x.dtype} {tuple(x.shape[1:])}")
            known, n = (x.dtype, x.shape[1:]), n + len(x)
            if not self.known:
                digest.update(_bytes(x))
            yield x
        if known is None or not n:
            raise ValueError("clips: expected at least one, got none")
        digest.update(repr((str(known[0]), n, *known[1])).encode())
        self.fingerprint = digest.hexdigest()
        if self.expected not in (None, self.fingerprint):
            raise ValueError(
                "clips: the two passes differ; cached features need a dataset without shuffling or augmentation"
            )


def _batches(clips: Clips, batch_size: int) -> Iterable[Any]:
    if isinstance(clips, Tensor):
        check_axes(clips, "n c t v m", name="clips")
        return torch.split(clips, batch_size)
    if isinstance(clips, ClipDataset) and gives_whole_batches(clips):
        return batches(clips, batch_size, ahead=2)
    if isinstance(clips, Dataset | ClipDataset):
        dataset = cast("Dataset[Any]", clips)
        return DataLoader(dataset, batch_size=batch_size, generator=torch.Generator())  # the global one stays as it is
    return clips


def _counts(name: str, value: object) -> bool:
    """Whether an attribute is part of a module's description: its own attributes, and hooks if there are any."""
    return name not in _OF_EVERY_MODULE or (name in _HOOKS and bool(value))


def known_digest(clips: object) -> str | None:
    """The digest that a data set of clips provides itself, such as a prepared set from its manifest."""
    if isinstance(clips, Tensor):  # whose attribute `names` warns
        return None
    digest = getattr(clips, "digest", None) if isinstance(clips, ClipDataset) else None
    return digest if isinstance(digest, str) else None


def _bytes(x: Tensor) -> memoryview:
    array: NDArray[np.uint8] = x.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return array.data
