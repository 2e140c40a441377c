"""Choose the precision of a run by its options or by the machine."""

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
        precision: A precision of Lightning Fabric, such as ``"bf16-mixed"``.
        why: The reason in words, for the run's log and record.
    """

    precision: str
    why: str


def choose_precision(accelerator: str, *, state: Mapping[str, Any] | None = None) -> ChosenPrecision:
    """Choose the meaning of ``train.precision="auto"``: bfloat16 if the machine supports it, else float32.

    Args:
        accelerator: The option ``train.accelerator``.
        state: State of the checkpoint that a run resumes from. A resumed run keeps its precision on every machine.

    Example:
        >>> state = {"options": {"train": {"precision": "32-true"}}}
        >>> choose_precision("cpu", state=state)
        ChosenPrecision(precision='32-true', why="the run's checkpoint has it")
    """
    native = native_bfloat16(_device(accelerator))
    recorded = _recorded(state)
    if recorded is not None:
        emulated = recorded == "bf16-mixed" and native is None
        slow = ", which this machine emulates slowly" if emulated else ""
        return ChosenPrecision(recorded, f"the run's checkpoint has it{slow}")
    if native is None:
        return ChosenPrecision("32-true", "this machine does not support bfloat16")
    return ChosenPrecision("bf16-mixed", f"this machine computes in bfloat16 ({native})")


def with_precision(options: T, chosen: ChosenPrecision) -> T:
    """The options with a precision instead of ``"auto"``, in the form that config.yaml and checkpoints record.

    Args:
        options: The run's options.
        chosen: The result of :func:`choose_precision`.
    """
    train: Any = dataclasses.replace(options.train, precision=chosen.precision)  # type: ignore[arg-type]
    return dataclasses.replace(options, train=train)


def check_same_precision(chosen: ChosenPrecision, *, device: torch.device) -> None:
    """Raise ``ValueError`` if the processes of a run have chosen different precisions.

    Args:
        chosen: This process's choice.
        device: Device of this process.
    """
    half = gather_keys(torch.tensor([chosen.precision == "bf16-mixed"], device=device))
    if bool(half.any()) and not bool(half.all()):
        ranks = half.nonzero()[:, 0].tolist()
        raise ValueError(
            f"train.precision: expected equal machines for 'auto', got bfloat16 only on ranks {ranks}; pass "
            "--train.precision 32-true or bf16-mixed"
        )


def _device(accelerator: str) -> torch.device:
    """The kind of device that Lightning Fabric chooses for this name."""
    if accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available():
        return torch.device("cuda")
    other = accelerator == "auto" and torch.backends.mps.is_available()
    return torch.device("cpu" if accelerator in ("auto", "cpu") and not other else "meta")


def _recorded(state: Mapping[str, Any] | None) -> str | None:
    options = None if state is None else state.get("options")
    train = options.get("train") if isinstance(options, Mapping) else None
    precision = train.get("precision") if isinstance(train, Mapping) else None
    return precision if isinstance(precision, str) else None
