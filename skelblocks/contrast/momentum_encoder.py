"""The key encoder: a slow copy of the query encoder that never sees a gradient."""

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

    as in AimCLR (eq. 2) and MoCo; CrossMoCo's eq. 1 drops the first :math:`m` in print. The copy starts **equal** to
    the encoder. It does not in the released codes of SkeletonCLR, CrosSCLR, AimCLR, MsMCLR, HiCLR, SkeleMixCLR and
    SkeAttnCLR: there the trainer redraws every weight after the copy was made, query and key apart, which takes a few
    thousand steps to wash out. To reproduce that, initialize ``encoder`` once more after building this module.

    :meth:`update` is called by the trainer. SkeletonCLR, CrosSCLR, AimCLR and MsMCLR call it before the keys of a step
    are computed, SkeAttnCLR after the optimizer's step. It reads the plain encoder: inside ``DataParallel`` replicas
    there are no parameters to read, which makes it a silent no-op in those codes on more than one GPU.

    The copy has its own buffers. In train mode its batch-norm layers normalize with the key batch and keep their own
    running statistics; it stays in the mode it is put into. Average in float32: a bfloat16 weight is too coarse to
    move by a thousandth (keep such an encoder's master weights, or use autocast, which leaves weights in float32).

    **The copy never takes NaN or infinity.** On the CPU, :meth:`update` raises and nothing has moved. On another device
    or in a compiled graph it does not wait for the values: an update from an encoder that holds one is skipped as a
    whole.

    **On several processes** the copy is made before ``DistributedDataParallel`` broadcasts the encoder, so copies of
    encoders that were initialized differently stay different. Call ``broadcast_module_state(key_encoder)``
    (:func:`~skelblocks.distributed.broadcast_module_state`) once before training;
    :func:`~skelblocks.distributed.check_same_state` tells whether all processes agree.

    Args:
        encoder: The query encoder, or encoder and head in one module. Deep-copied, not kept.
        momentum: :math:`m`. 0.999 in SkeletonCLR, CrosSCLR, AimCLR (section 4.2), MsMCLR (code) and CrossMoCo; for
            SkeAttnCLR pass :func:`~skelblocks.contrast.cosine_momentum` to :meth:`update`.
        buffers: What :meth:`update` does with buffers. ``"keep"`` leaves the copy its own (default; the papers average
            parameters only, and so does all of the code above but one). ``"average"`` averages floating-point buffers
            and copies integer ones (SkeAttnCLR's code). ``"copy"`` takes the encoder's.

    Shape:
        As the encoder.

    Raises:
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
        check_choice(buffers, get_args(Buffers), name="buffers")
        self.momentum = _checked(momentum)
        self.buffer_policy: Buffers = buffers
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.training = encoder.training  # of this shell only: the copy's layers have their own modes already

    @torch.no_grad()
    def update(self, encoder: nn.Module, *, momentum: float | None = None) -> None:
        """Move towards ``encoder``, in place.

        Args:
            encoder: The query encoder, as a plain module (not its ``DistributedDataParallel``) or compiled.
            momentum: For this call; default, the module's.

        Raises:
            ValueError: its parameters or buffers have other names or shapes than the copy's, ``momentum`` is outside
                ``[0, 1]``, or, where values can be read without waiting for a device, one of its parameters or of the
                buffers that are taken holds NaN or infinity.
        """
        weight = 1 - (self.momentum if momentum is None else _checked(momentum))
        copied, encoder = _plain(self.encoder), _plain(encoder)
        averaged = _paired("parameters", copied.named_parameters(), encoder.named_parameters())
        replaced: dict[str, tuple[Tensor, Tensor]] = {}
        if self.buffer_policy != "keep":
            for name, (own, other) in _paired("buffers", copied.named_buffers(), encoder.named_buffers()).items():
                average = self.buffer_policy == "average" and own.is_floating_point()
                (averaged if average else replaced)[name] = (own, other)
        finite = _all_finite(averaged | replaced)
        if averaged:  # the foreach kernels refuse empty lists
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
        """Run the copy without gradient, on whatever the encoder takes."""
        with torch.no_grad():
            return self.encoder(*args, **kwargs)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"momentum={self.momentum}, buffers={self.buffer_policy!r}"


def _plain(encoder: nn.Module) -> nn.Module:
    """What ``torch.compile`` has wrapped, whose names begin otherwise."""
    inner = getattr(encoder, "_orig_mod", encoder)
    return inner if isinstance(inner, nn.Module) else encoder


def _checked(momentum: float) -> float:
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum: expected a number in [0, 1], got {momentum}")
    return momentum


def _paired(
    kind: str, own: Iterable[tuple[str, Tensor]], theirs: Iterable[tuple[str, Tensor]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """The tensors of both sides by name, the encoder's in the copy's dtype and on its device."""
    ours, other = dict(own), dict(theirs)
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
    """Whether the encoder's tensors are finite: None if they are, or, without waiting for a device, a tensor."""
    given = {name: other for name, (_, other) in pairs.items() if other.is_floating_point() and other.numel()}
    if not given:
        return None
    if not all(values_visible(tensor) for tensor in given.values()):
        largest = torch._foreach_norm(list(given.values()), ord=torch.inf)
        return torch.stack([one.to(largest[0].device) for one in largest]).isfinite().all()
    for name, tensor in given.items():
        # A sum is quicker than a look at each number, and finite only if all of them are.
        if not math.isfinite(tensor.sum().item()) and not tensor.isfinite().all():
            raise ValueError(
                f"encoder: expected finite weights, got NaN or infinity in {name}; restore the last checkpoint and "
                "lower the learning rate"
            )
    return None
