"""The key encoder: a slowly updated copy of the query encoder, without gradient."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_choice, values_visible
from skelblocks._utils.explain_arguments import explain_arguments

Buffers = Literal["keep", "copy", "average"]


@explain_arguments
class MomentumEncoder(nn.Module):
    r"""An exponential moving average of an encoder, run without gradient.

    .. math:: \theta_k \leftarrow m\, \theta_k + (1 - m)\, \theta_q

    as in AimCLR (eq. 2) and MoCo; CrossMoCo's eq. 1 lacks the first :math:`m`. The copy starts **equal** to the
    encoder. In the released code of SkeletonCLR, CrosSCLR, AimCLR, MsMCLR, HiCLR, SkeleMixCLR and SkeAttnCLR it does
    not: there the trainer initializes the query and key encoders separately after the copy, and the difference takes a
    few thousand steps to disappear. To reproduce that, initialize ``encoder`` again after building this module.

    The training loop calls :meth:`update`: SkeletonCLR, CrosSCLR, AimCLR and MsMCLR before they compute the keys of a
    step, SkeAttnCLR after the optimizer's step. Pass the plain encoder: ``DataParallel`` replicas have no parameters,
    so the released code silently skips the update on more than one GPU.

    The copy has its own buffers. In training mode its batch-norm layers normalize with the key batch and keep their own
    running statistics. ``train()`` and ``eval()`` of the encoder do not change its mode. Keep the weights in float32:
    a bfloat16 weight is too coarse to change by a thousandth. Autocast keeps weights in float32.

    **The copy never takes NaN or infinity.** If the encoder contains such a value, :meth:`update` raises on the CPU and
    changes nothing. On another device or in a compiled graph it cannot raise without waiting for the values, so it
    skips the whole update.

    **With several processes,** the copy is made before ``DistributedDataParallel`` broadcasts the encoder, so the
    copies stay different if the encoders were initialized differently. Call ``broadcast_module_state(key_encoder)``
    (:func:`~skelblocks.distributed.broadcast_module_state`) once before training.
    :func:`~skelblocks.distributed.check_same_state` checks that all processes agree.

    Args:
        encoder: The query encoder, or encoder and head in one module. It is deep-copied.
        momentum: :math:`m`. 0.999 in SkeletonCLR, CrosSCLR, AimCLR (section 4.2), MsMCLR (code) and CrossMoCo; for
            SkeAttnCLR pass :func:`~skelblocks.contrast.cosine_momentum` to :meth:`update`.
        buffers: What :meth:`update` does with buffers. With ``"keep"`` the copy keeps its own, as in the papers and in
            all released code except SkeAttnCLR's. ``"average"`` averages floating-point buffers and copies integer
            buffers, as in SkeAttnCLR's code. ``"copy"`` copies the encoder's buffers.

    Shape:
        The same as for the encoder.

    Raises:
        TypeError: ``encoder`` is not a module.
        ValueError: ``momentum`` outside ``[0, 1]``, or unknown ``buffers``.

    Example:
        >>> encoder = nn.Linear(3, 2)
        >>> key_encoder = MomentumEncoder(encoder, momentum=0.9)
        >>> before = key_encoder.encoder.weight.clone()
        >>> _ = nn.init.zeros_(encoder.weight)
        >>> key_encoder.update(encoder)
        >>> torch.allclose(key_encoder.encoder.weight, 0.9 * before)
        True
        >>> key_encoder(torch.ones(1, 3)).requires_grad
        False
    """

    def __init__(self, encoder: nn.Module, *, momentum: float = 0.999, buffers: Buffers = "keep") -> None:
        super().__init__()
        _check_module(encoder)
        check_choice(buffers, get_args(Buffers), name="buffers")
        self.momentum = _checked(momentum)
        self.buffer_policy: Buffers = buffers
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.training = encoder.training  # only the wrapper: the copied layers already have their modes

    @torch.no_grad()
    def update(self, encoder: nn.Module, *, momentum: float | None = None) -> None:
        """Move the copy towards ``encoder``, in place.

        Args:
            encoder: The query encoder, as a plain module (not its ``DistributedDataParallel``) or compiled.
            momentum: Momentum for this call. Default: the module's.

        Raises:
            TypeError: ``encoder`` is not a module.
            ValueError: names or shapes of its parameters or buffers differ from the copy's, ``momentum`` is outside
                ``[0, 1]``, or a parameter or a used buffer contains NaN or infinity (only if the values can be read
                without waiting for a device).
        """
        _check_module(encoder)
        weight = 1 - (self.momentum if momentum is None else _checked(momentum))
        copied, encoder = _plain(self.encoder), _plain(encoder)
        averaged = _paired("parameters", copied.named_parameters(), encoder.named_parameters())
        replaced: dict[str, tuple[Tensor, Tensor]] = {}
        if self.buffer_policy != "keep":
            for name, (own, other) in _paired("buffers", copied.named_buffers(), encoder.named_buffers()).items():
                average = self.buffer_policy == "average" and own.is_floating_point()
                (averaged if average else replaced)[name] = (own, other)
        finite = _all_finite(averaged | replaced)
        if averaged:  # the foreach kernels reject empty lists
            owns = [own for own, _ in averaged.values()]
            others = [other for _, other in averaged.values()]
            if finite is None:
                torch._foreach_lerp_(owns, others, weight)
            else:
                moved = torch._foreach_lerp(owns, others, weight)
                torch._foreach_copy_(
                    owns, [torch.where(finite.to(own.device), new, own) for own, new in zip(owns, moved, strict=True)]
                )
        for own, other in replaced.values():
            own.copy_(other if finite is None else torch.where(finite.to(own.device), other, own))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the copy without gradient. It takes the same arguments as the encoder."""
        with torch.no_grad():
            return self.encoder(*args, **kwargs)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"momentum={self.momentum}, buffers={self.buffer_policy!r}"


def _plain(encoder: nn.Module) -> nn.Module:
    """Unwrap a module from ``torch.compile``, which adds a prefix to its names."""
    inner = getattr(encoder, "_orig_mod", encoder)
    return inner if isinstance(inner, nn.Module) else encoder


def _check_module(encoder: object) -> None:
    if isinstance(encoder, nn.Module):
        return
    if isinstance(encoder, type):
        raise TypeError(f"encoder: expected an nn.Module, got the class {encoder.__name__}; pass an instance of it")
    raise TypeError(
        f"encoder: expected an nn.Module, got {type(encoder).__name__}; pass the module itself, not its parameters or "
        "its state dict"
    )


def _checked(momentum: float) -> float:
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum: expected a number in [0, 1], got {momentum}; the papers have 0.996 to 0.999")
    return momentum


def _paired(
    kind: str, copy: Iterable[tuple[str, Tensor]], encoder: Iterable[tuple[str, Tensor]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Pair the tensors of copy and encoder by name, with the encoder's in the copy's dtype and on its device."""
    ours, other = dict(copy), dict(encoder)
    if ours.keys() != other.keys():
        missing, extra = sorted(ours.keys() - other.keys()), sorted(other.keys() - ours.keys())
        raise ValueError(
            f"encoder: expected the {kind} of the copy, got others: missing {missing[:3]}, unexpected {extra[:3]}; "
            "pass the encoder that was copied, unwrapped (wrapper.module)"
        )
    for name, tensor in ours.items():
        if tensor.shape != other[name].shape:
            raise ValueError(
                f"encoder: expected {name} of shape {tuple(tensor.shape)}, got {tuple(other[name].shape)}; "
                "pass the encoder that was copied"
            )
    return {name: (k, other[name].to(device=k.device, dtype=k.dtype)) for name, k in ours.items()}


def _all_finite(pairs: dict[str, tuple[Tensor, Tensor]]) -> Tensor | None:
    """Check that the encoder's tensors are finite. Where reading them would wait, return a boolean tensor instead."""
    floating = {name: other for name, (_, other) in pairs.items() if other.is_floating_point() and other.numel()}
    if not floating:
        return None
    if not all(values_visible(tensor) for tensor in floating.values()):
        largest = torch._foreach_norm(list(floating.values()), ord=torch.inf)
        return torch.stack([one.to(largest[0].device) for one in largest]).isfinite().all()
    for name, tensor in floating.items():
        # A sum is faster than checking each number, and is finite only if all numbers are.
        if not math.isfinite(tensor.sum().item()) and not tensor.isfinite().all():
            raise ValueError(
                f"encoder: expected finite weights, got NaN or infinity in {name}; restore the last checkpoint and "
                "lower the learning rate"
            )
    return None
