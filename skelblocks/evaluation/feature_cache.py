"""Cache the features of a frozen encoder on disk.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.locks import locked
from skelblocks._utils.whole_file import whole_file
from skelblocks.encoders.pool import pool as mean_pool
from skelblocks.evaluation.features import Pool, extract_features
from skelblocks.evaluation.fingerprints import Clips, FingerprintedBatches, fingerprint_and_length, weights_fingerprint
from skelblocks.evaluation.frozen import Precision, half_precision

FORMAT, VERSION = "skelblocks cached features", 2
_WAIT = 60.0  # seconds for another process that writes the same entry


@explain_arguments
def cached_features(
    encoder: nn.Module,
    clips: Clips,
    *,
    folder: str | os.PathLike[str],
    settings: Mapping[str, Any] | None = None,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    pool: Pool = mean_pool,
    transform: Callable[[Tensor], Tensor] | None = None,
    skip_absent: bool = False,
    precision: Precision = "own",
) -> Tensor:
    """Load features from the cache, or compute them with :func:`~skelblocks.evaluation.extract_features` and cache
    them.

    The file name is a sha256 over everything that determines the values: the weights, the clips, the settings, the kind
    of device, its precision, autocast and the version of torch. **Code is not part of it**: after a change to an
    encoder's forward or to a transform, describe the change in ``settings``. The batch size is not part of it either,
    because it only affects rounding. Features with NaN or infinity are returned but not cached.

    Args:
        encoder: As for :func:`~skelblocks.evaluation.extract_features`.
        clips: A tensor ``(n, c, t, v, m)``, a dataset of clips, or batches that can be iterated twice in the same
            order, such as a ``DataLoader`` that does not shuffle.
        folder: The folder of the cache, which is created if needed. Each entry is a ``.npy`` file and a ``.json`` file
            that lists what its name was computed from. Damaged or mismatching entries are computed again.
        settings: Anything else that determines the values, in a form that JSON can hold: ``{"stream": "bone"}``. A
            function has no fingerprint: a ``transform`` must be named here as ``"transform"`` or ``"stream"``, a
            ``pool`` other than the mean as ``"pool"``.
        batch_size: Clips per batch, if they do not come in batches.
        device: As for the extraction.
        pool: As for the extraction.
        transform: As for the extraction.
        skip_absent: As for the extraction.
        precision: As for the extraction.

    Returns:
        ``(n, c')``, on the device, in the encoder's dtype.

    Raises:
        TypeError: The encoder is not a module, the clips are an iterator, or JSON cannot hold the settings.
        ValueError: A function that the settings do not name, clips that differ between two passes, or what the
            extraction raises.

    Example:
        >>> import tempfile
        >>> from skelblocks.encoders import STGCN
        >>> encoder, clips = STGCN("nw-ucla", base_channels=4, out_channels=8), torch.randn(6, 3, 16, 20, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first = cached_features(encoder, clips, folder=folder, settings={"stream": "joint"})
        ...     again = cached_features(encoder, clips, folder=folder, settings={"stream": "joint"})
        ...     files = sorted(path.suffix for path in Path(folder).iterdir())
        >>> first.shape, again.equal(first), files
        (torch.Size([6, 8]), True, ['.json', '.npy'])
    """
    settings = _plain(settings or {})
    for name, function, names in (
        ("transform", transform, ("transform", "stream")),
        ("pool", None if pool is mean_pool else pool, ("pool",)),
    ):
        if function is not None and not any(settings.get(key) for key in names):
            raise ValueError(
                f"settings: a {name} was given and a function has no fingerprint; name it, as in "
                f"settings={{'{name}': 'bone, version 1'}}"
            )
    weights, (data, n) = weights_fingerprint(encoder), fingerprint_and_length(clips)
    if device is None:
        device = next((held.device for held in (*encoder.parameters(), *encoder.buffers())), None)
    if device is None and isinstance(clips, Tensor):
        device = clips.device
    made_of = {
        "weights": weights,
        "data": data,
        "clips": n,
        "settings": settings,
        "own_transform": transform is not None,
        "own_pool": pool is not mean_pool,
        "skip_absent": bool(skip_absent),
        **_arithmetic(torch.device(device or "cpu")),
    }
    if half_precision(precision, encoder, device=torch.device(device or "cpu")):
        made_of["precision"] = "bf16"
    digest = _sha256(json.dumps(made_of, sort_keys=True).encode())
    entry = Path(folder) / digest
    features = _load(entry, made_of, n)
    if features is not None:
        return features.to(device=device)
    features = extract_features(
        encoder,
        clips if isinstance(clips, Tensor) else FingerprintedBatches(clips, batch_size, data),
        batch_size=batch_size,
        device=device,
        pool=pool,
        transform=transform,
        skip_absent=skip_absent,
        precision=precision,
    )
    if bool(features.isfinite().all()):
        _save(entry, made_of, features)
    return features


def _load(entry: Path, made_of: Mapping[str, Any], n: int) -> Tensor | None:
    """The features of an entry; none where it is missing, not whole, or made of something else."""
    try:
        record = json.loads(entry.with_suffix(".json").read_bytes())
        content = entry.with_suffix(".npy").read_bytes()
        expected = {"format": FORMAT, "version": VERSION, "made_of": made_of}
        if {key: record[key] for key in expected} != expected or _sha256(content) != record["features"]["sha256"]:
            return None
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        if array.ndim != 2 or len(array) != n or list(array.shape) != record["features"]["shape"]:
            return None
        features = torch.from_numpy(array).to(getattr(torch, record["features"]["dtype"]))
        return features if features.is_floating_point() and bool(features.isfinite().all()) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _save(entry: Path, made_of: Mapping[str, Any], features: Tensor) -> None:
    """Write the features, then their record. Each file has a temporary name until it is complete."""
    dtype = str(features.dtype).removeprefix("torch.")
    held = features.cpu().float() if features.dtype == torch.bfloat16 else features.cpu()  # numpy has no bfloat16
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, held.numpy(), allow_pickle=False)
    content = buffer.getvalue()
    about = {"dtype": dtype, "shape": list(features.shape), "sha256": _sha256(content)}
    record = {"format": FORMAT, "version": VERSION, "made_of": made_of, "features": about}
    entry.parent.mkdir(parents=True, exist_ok=True)
    record_bytes = (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()
    busy = f"folder: another process is writing features to {escape(entry.parent)!r}; try again"
    with locked(entry.with_suffix(".lock"), busy=busy, wait=_WAIT):
        for suffix, data in ((".npy", content), (".json", record_bytes)):
            with whole_file(entry.with_suffix(suffix)) as place:
                place.write_bytes(data)


def _arithmetic(device: torch.device) -> dict[str, Any]:
    """The settings that affect numerical results. Devices of the same kind differ at most by rounding."""
    autocast = torch.is_autocast_enabled(device.type)
    return {
        "device": device.type,
        "autocast": str(torch.get_autocast_dtype(device.type)) if autocast else None,
        "float32": _float32(device),
        "torch": torch.__version__,
    }


def _float32(device: torch.device) -> list[str | bool]:
    """How exact products and convolutions in float32 are."""
    if not hasattr(torch.backends.cudnn, "conv"):  # before torch 2.9
        return [torch.get_float32_matmul_precision(), device.type != "cpu" and torch.backends.cudnn.allow_tf32]
    if device.type == "cpu":
        return [torch.backends.mkldnn.matmul.fp32_precision, torch.backends.mkldnn.conv.fp32_precision]  # type: ignore[attr-defined]
    return [torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision]


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        plain = json.loads(json.dumps(dict(settings), sort_keys=True, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(f"settings: expected what JSON can hold, got {settings!r}: {error}") from error
    return dict(plain)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
