"""The precision of a run: as its options say, or by the machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import torch

from skelblocks._utils.native_bfloat16 import native_bfloat16
from skelblocks.distributed import gather_keys
from skelblocks.training.options import MethodOptions

T = TypeVar("T", bound=MethodOptions)


class ChosenPrecision(NamedTuple):
    """A precision and why it was chosen.

    Attributes:
        precision: One that Lightning Fabric knows, such as ``"bf16-mixed"``.
        why: In words, for the run's log and record.
    """

    precision: str
    why: str


def choose_precision(accelerator: str, *, state: Mapping[str, Any] | None = None) -> ChosenPrecision:
    """Choose what ``train.precision="auto"`` stands for: bfloat16 where the machine has it, else float32.

    Args:
        accelerator: ``train.accelerator``.
        state: Of the checkpoint that a run resumes from. Its precision stays, whatever the machine has, because the
            same run would go on in another way otherwise.

    Example:
        >>> state = {"options": {"train": {"precision": "32-true"}}}
        >>> choose_precision("cpu", state=state)
        ChosenPrecision(precision='32-true', why="it is that of the run's checkpoint")
    """
    native = native_bfloat16(_device(accelerator))
    recorded = _recorded(state)
    if recorded is not None:
        emulated = recorded == "bf16-mixed" and native is None
        slow = ", which this machine emulates slowly" if emulated else ""
        return ChosenPrecision(recorded, f"it is that of the run's checkpoint{slow}")
    if native is None:
        return ChosenPrecision("32-true", "this machine has no bfloat16 of its own")
    return ChosenPrecision("bf16-mixed", f"this machine computes in bfloat16 ({native})")


def with_precision(options: T, chosen: ChosenPrecision) -> T:
    """The options with a precision in place of ``"auto"``, as config.yaml and checkpoints record them.

    Args:
        options: The run's.
        chosen: From :func:`choose_precision`.
    """
    train: Any = dataclasses.replace(options.train, precision=chosen.precision)  # type: ignore[arg-type]
    return dataclasses.replace(options, train=train)


def check_same_precision(chosen: ChosenPrecision, *, device: torch.device) -> None:
    """Raise ``ValueError`` where the processes of a run have chosen different precisions.

    Args:
        chosen: This process's choice.
        device: Where it trains.
    """
    half = gather_keys(torch.tensor([chosen.precision == "bf16-mixed"], device=device))
    if bool(half.any()) and not bool(half.all()):
        ranks = half.nonzero()[:, 0].tolist()
        raise ValueError(
            f"train.precision: expected machines of one kind for 'auto', got bfloat16 on ranks {ranks} alone; pass "
            "--train.precision 32-true or bf16-mixed"
        )


def _device(accelerator: str) -> torch.device:
    """The kind of device that Lightning Fabric takes by that name."""
    if accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available():
        return torch.device("cuda")
    other = accelerator == "auto" and torch.backends.mps.is_available()
    return torch.device("cpu" if accelerator in ("auto", "cpu") and not other else "meta")


def _recorded(state: Mapping[str, Any] | None) -> str | None:
    options = None if state is None else state.get("options")
    train = options.get("train") if isinstance(options, Mapping) else None
    precision = train.get("precision") if isinstance(train, Mapping) else None
    return precision if isinstance(precision, str) else None
