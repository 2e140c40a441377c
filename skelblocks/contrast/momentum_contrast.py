"""The core that all methods share: a query branch, its momentum copy, and a queue of the copy's keys.

Axes: n samples, d embedding, k bank rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_choice, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast.contrastive_logits import contrastive_logits
from skelblocks.contrast.momentum_encoder import MomentumEncoder
from skelblocks.contrast.momentum_queue import MomentumQueue
from skelblocks.contrast.momentum_schedule import MOMENTUM_SCHEDULES, MomentumSchedule, scheduled_momentum
from skelblocks.distributed import check_same_state, gather_keys, world_size


class Keys(NamedTuple):
    """The keys of one step.

    Attributes:
        embeddings: ``(n, d)``, without gradient.
        ids: ``(n,)`` integers, the clips of the keys, or None if they are not known.
        exclude: ``(n, k)`` boolean, true where a bank row is an older key of the same clip. With None, no row is
            excluded.
    """

    embeddings: Tensor
    ids: Tensor | None = None
    exclude: Tensor | None = None


@explain_arguments
class MomentumContrast(nn.Module):
    """A query branch, its momentum copy, a queue and a temperature: MoCo, as the skeleton methods use it.

    A training step has three parts, in this order: :meth:`forward` (or :meth:`keys` and :meth:`logits`); the loss with
    its ``backward`` and the optimizer's step; and :meth:`update`. Only :meth:`update` changes the key branch and the
    queue.

    With several processes, all of them must start from the same state. The key branch is copied here, before a wrapper
    such as ``DistributedDataParallel`` broadcasts the query branch. So call
    ``broadcast_module_state(contrast)`` (:func:`~skelblocks.distributed.broadcast_module_state`) once before training.
    The first :meth:`update` compares the key branches and queues of all processes and raises if they differ.

    Args:
        query_branch: Any module from clips to embeddings ``(n, d)``, usually encoder, pooling and projection head.
        queue: Holds the negatives, with ``d`` features.
        temperature: Divides the similarities. 0.07 in SkeletonCLR, CrosSCLR, AimCLR (section 4.2) and MsMCLR's code;
            0.2 in SkeAttnCLR (section 3.1).
        momentum: Momentum of the key branch, or its first value under a schedule. 0.999 in SkeletonCLR, AimCLR
            (section 4.2) and MsMCLR's code; 0.996 in SkeAttnCLR.
        momentum_schedule: ``"constant"``, or ``"cosine"``, which raises the momentum to 1 (SkeAttnCLR).
        exclude_own_keys: Whether to exclude older keys of the same clip from the logits. The papers and the released
            code do not exclude them.

    Attributes:
        query_branch: The module that is trained.
        key_branch: Its :class:`~skelblocks.contrast.MomentumEncoder`.
        queue: The :class:`~skelblocks.contrast.MomentumQueue`.

    Shape:
        Two views of n clips to logits ``(n, 1 + k)`` and :class:`Keys`.

    Raises:
        TypeError: ``queue`` is not a :class:`~skelblocks.contrast.MomentumQueue`.
        ValueError: ``temperature`` is not positive, ``momentum`` is outside ``[0, 1]``, or an unknown schedule.

    Example:
        >>> from skelblocks.contrast import MomentumQueue
        >>> contrast = MomentumContrast(nn.Linear(8, 4), queue=MomentumQueue(4, size=32))
        >>> logits, keys = contrast(torch.randn(5, 8), torch.randn(5, 8), ids=torch.arange(5))
        >>> logits.shape, keys.embeddings.requires_grad
        (torch.Size([5, 33]), False)
        >>> loss = torch.nn.functional.cross_entropy(logits, torch.zeros(5, dtype=torch.int64))
        >>> loss.backward()  # then the optimizer's step, then:
        >>> contrast.update(keys)
        >>> contrast.queue.ids[:6].tolist()
        [0, 1, 2, 3, 4, -1]
    """

    def __init__(
        self,
        query_branch: nn.Module,
        *,
        queue: MomentumQueue,
        temperature: float = 0.07,
        momentum: float = 0.999,
        momentum_schedule: MomentumSchedule = "constant",
        exclude_own_keys: bool = False,
    ) -> None:
        super().__init__()
        value: object = queue
        if not isinstance(value, MomentumQueue):
            raise TypeError(
                f"queue: expected a MomentumQueue, got {type(value).__name__}; pass MomentumQueue(features, size=...)"
            )
        check_positive(temperature, name="temperature")
        check_choice(momentum_schedule, MOMENTUM_SCHEDULES, name="momentum_schedule")
        self.query_branch = query_branch
        self.key_branch = MomentumEncoder(query_branch, momentum=momentum)
        self.queue = queue
        self.temperature = temperature
        self.momentum_schedule: MomentumSchedule = momentum_schedule
        self.exclude_own_keys = exclude_own_keys
        self._processes_agree = False

    def forward(self, query_view: Any, key_view: Any, *, ids: Tensor | None = None) -> tuple[Tensor, Keys]:
        """Contrast two views of the same clips.

        Args:
            query_view: Input of the query branch, usually clips ``(n, c, t, v, m)``.
            key_view: The other view of the same clips, for the key branch.
            ids: ``(n,)`` integers, the clips' indices in the data set. Default: not known.

        Returns:
            Logits ``(n, 1 + k)``, and the keys. Pass the keys to :meth:`update` after the optimizer's step.
        """
        keys = self.keys(key_view, ids)
        return self.logits(self.query_branch(query_view), keys), keys

    def keys(self, view: Any, ids: Tensor | None = None) -> Keys:
        """Embed a view with the key branch, without gradient.

        Args:
            view: Input of the key branch, usually clips ``(n, c, t, v, m)``.
            ids: ``(n,)`` integers, the clips' indices in the data set. Default: not known.

        Returns:
            The keys of this step.
        """
        return self.as_keys(self.key_branch(view), ids)

    def as_keys(self, embeddings: Tensor, ids: Tensor | None = None) -> Keys:
        """Wrap key embeddings in :class:`Keys`, for methods that run the key branch in stages.

        Args:
            embeddings: ``(n, d)``, from the key branch.
            ids: ``(n,)`` integers, the clips' indices in the data set. Default: not known.

        Returns:
            The keys of this step.

        Raises:
            ValueError: ``exclude_own_keys=True`` without ``ids``.
        """
        if not self.exclude_own_keys:
            return Keys(embeddings, ids)
        if ids is None:
            raise ValueError(
                "ids: expected the clips' indices (n,) with exclude_own_keys=True, got None; pass ids, or set "
                "exclude_own_keys=False"
            )
        return Keys(embeddings, ids, self.queue.own_rows(ids))

    def logits(self, embedding: Tensor, keys: Keys) -> Tensor:
        """Compare query embeddings with their keys and with the bank; see :func:`contrastive_logits`.

        Args:
            embedding: ``(n, d)``, from the query branch; or ``(..., n, d)``, several embeddings of the same clips.
            keys: The keys of the same clips, from :meth:`keys`.

        Returns:
            ``(..., n, 1 + k)``, the positive in column 0.
        """
        _check_keys(keys)
        bank = self.queue.bank
        return contrastive_logits(embedding, keys.embeddings, bank, temperature=self.temperature, exclude=keys.exclude)

    @torch.no_grad()
    def update(self, keys: Keys, *, step: int | None = None, total_steps: int | None = None) -> None:
        """Enqueue the keys of all processes and move the key branch. Call it after the optimizer's step.

        Args:
            keys: The keys of this step.
            step: Number of optimizer steps so far; the cosine schedule needs it.
            total_steps: Number of optimizer steps in the whole run; the cosine schedule needs it.

        Raises:
            TypeError: ``keys`` is not :class:`Keys`.
            ValueError: the cosine schedule without ``step`` or ``total_steps``, or a step outside the run.
            RuntimeError: at the first call, the processes have different key branches or queues.
        """
        _check_keys(keys)
        if world_size() > 1 and not self._processes_agree:
            # Each process normalizes its own clips, so the running statistics of the key branch may differ.
            check_same_state(self.key_branch, name="key_branch", buffers=False)
            check_same_state(self.queue, name="queue")
            self._processes_agree = True
        momentum = scheduled_momentum(step, total_steps, base=self.key_branch.momentum, schedule=self.momentum_schedule)
        ids = None if keys.ids is None else gather_keys(keys.ids)
        self.queue.enqueue(gather_keys(keys.embeddings), ids=ids)  # first, because it may reject the keys
        self.key_branch.update(self.query_branch, momentum=momentum)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"temperature={self.temperature}, momentum_schedule={self.momentum_schedule!r}, "
            f"exclude_own_keys={self.exclude_own_keys}"
        )


def _check_keys(keys: object) -> None:
    if not isinstance(keys, Keys):
        raise TypeError(
            f"keys: expected the Keys of this step, got {type(keys).__name__}; pass what calling the module or keys() "
            "returns, or Keys(embeddings)"
        )
