"""One feature per clip from a frozen encoder.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.person_mask import person_mask
from skelblocks.encoders.pool import pool as mean_pool
from skelblocks.encoders.present_persons import absent_of
from skelblocks.evaluation.frozen import Precision, autocast, frozen, half_precision

Pool = Callable[..., Tensor]


@explain_arguments
@torch.no_grad()
def extract_features(
    encoder: nn.Module,
    clips: Tensor | Iterable[Tensor | tuple[Tensor, ...]],
    *,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    pool: Pool = mean_pool,
    transform: Callable[[Tensor], Tensor] | None = None,
    skip_absent: bool = False,
    precision: Precision = "own",
) -> Tensor:
    """Run an encoder over a set in evaluation mode, without gradients, and pool its feature maps.

    Linear evaluation and kNN of SkeletonCLR, AimCLR, MsMCLR and related methods use un-augmented clips, the encoder's
    running statistics, and the pooled, un-normalized feature before the projection head.

    An :class:`~skelblocks.encoders.STGCN`, alone or inside another module, runs as a copy by
    :func:`~skelblocks.encoders.fold_batch_norm`, whose features are the same up to rounding.

    Args:
        encoder: Maps ``(n, c, t, v, m)`` to a feature map ``(n, m, c', t', v')``, which is pooled, or to pooled
            features ``(n, c')``. Afterwards every submodule has its own training flag again, also after an error. The
            encoder is not moved. While it runs, no other thread may use it in training mode.
        clips: A tensor ``(n, c, t, v, m)``, or batches of them: a ``DataLoader`` or another iterable of tensors or of
            tuples that begin with one. A loader must not shuffle, or the features lose their labels.
        batch_size: Clips per batch, if ``clips`` is a tensor.
        device: Where to send each batch. Default: where the encoder's first parameter or buffer is.
        pool: Called with the feature map, and with the person mask too if ``skip_absent`` is set.
        transform: Called with each batch on the device before the encoder, for instance to take the bone stream.
        skip_absent: Whether absent persons, found in the batch before ``transform``, are left out of the mean. By
            default they count, as in the released code, unless the encoder has ``absent="skip"``.
        precision: ``"own"`` computes in the encoder's precision, or under the caller's autocast. ``"bf16"`` computes in
            bfloat16 if the encoder is in float32; features are pooled and returned in float32. ``"auto"`` computes in
            bfloat16 if the device supports it in hardware, which is about twice as fast; the features differ in the
            third digit.

    Returns:
        ``(n, c')``, on the device, in the dtype of the encoder's output, which is half precision under autocast. A
        probe can be trained on them.

    Raises:
        TypeError: The encoder is not a module, a batch is not a tensor, or ``batch_size`` is not an integer.
        ValueError: ``clips`` or the output of the encoder has wrong axes, or there are no clips.

    Example:
        >>> encoder = nn.Conv3d(3, 8, 1)  # (n, 3, t, v, m) to (n, 8, t, v, m)
        >>> clips = torch.randn(10, 3, 16, 25, 2)
        >>> extract_features(encoder, clips, pool=lambda feature_map: feature_map.mean(dim=(2, 3, 4))).shape
        torch.Size([10, 8])
    """
    if not isinstance(encoder, nn.Module):
        raise TypeError(
            f"encoder: expected a torch.nn.Module, got {type(encoder).__name__}; pass the module, such as the "
            ".encoder of what from_pretrained returns"
        )
    check_integer(batch_size, name="batch_size")
    if isinstance(clips, Tensor):
        check_axes(clips, "n c t v m", name="clips")
    batches = torch.split(clips, batch_size) if isinstance(clips, Tensor) else clips
    if device is None:
        device = next((held.device for held in (*encoder.parameters(), *encoder.buffers())), None)
    if pool is mean_pool and absent_of(encoder) == "skip":
        pool = partial(mean_pool, absent="skip")
    half = half_precision(precision, encoder, device=torch.device(device or "cpu"))
    encoder = frozen(encoder, half=half)
    training = {module: module.training for module in encoder.modules()}
    features = []
    encoder.eval()
    try:
        for batch in batches:
            x = _clips_of(batch)
            x = x.to(device=device, non_blocking=True)
            mask = person_mask(x) if skip_absent else None
            x = x if transform is None else transform(x)
            with autocast(x.device, half=half):
                out = encoder(x)
            out = out.float() if half else out
            if out.ndim == 5:
                out = pool(out) if mask is None else pool(out, mask)
            elif skip_absent:
                raise ValueError(
                    f"skip_absent: the encoder gives features of shape {tuple(out.shape)}, in which absent persons are "
                    "already; pass the encoder without its pool"
                )
            check_axes(out, "n c", name="features from the encoder or pool", n=len(x))
            features.append(out)
    finally:
        for module, flag in training.items():
            module.training = flag
    if not features or not sum(map(len, features)):
        raise ValueError(
            "clips: expected at least one, got none; pass a list or a DataLoader, not an exhausted iterator"
        )
    return torch.cat(features)


def _clips_of(batch: Tensor | tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    if isinstance(batch, Mapping):
        raise TypeError(f"clips: expected tensors or tuples that begin with one, got a dict of {sorted(batch)}")
    x = batch[0] if isinstance(batch, tuple | list) else batch
    if isinstance(x, Tensor) and x.ndim == 4:
        raise ValueError(
            f"clips: expected 5 axes (n, c, t, v, m), got shape {tuple(x.shape)}; if that is a clip of a dataset, pass "
            "dataset.as_tensor() or a DataLoader of it"
        )
    check_axes(x, "n c t v m", name="clips")
    return x
