"""Options of a fine-tuning and of the semi-supervised protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from skelblocks._utils.checks import check_choice
from skelblocks.training.option_checks import check_count, check_finite, check_number

Optimizer = Literal["sgd", "adam"]
Schedule = Literal["step", "cosine", "plateau"]
Mode = Literal["train", "eval"]
Augment = Literal["none", "weak"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed", "64-true"]
_CHOICES = {
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "mode": get_args(Mode),
    "augment": get_args(Augment),
    "precision": get_args(Precision),
}


@dataclass(kw_only=True)
class FinetuneOptions:
    """How a whole model is trained on labels.

    The papers differ and say little. Released code: MsMCLR has rate 3 (!), no weight decay, 100 epochs, divided at 80;
    HiCLR 0.1, weight decay 1e-4, 70 epochs, warm-up 5, divided at 30 and 55; SkeleMixCLR 0.1, Nesterov, 110 epochs,
    warm-up 10, divided at 50, 70 and 90; SkeAttnCLR 0.003 to 0.01 (its paper 0.05), 150 epochs, divided at 60 and 100;
    PSTL Adam at 5e-3; CrossMoCo's paper 1e-4, 100 epochs; AimCLR releases none. The defaults are pretraining's rate and
    weight decay with MsMCLR's epochs, milestone and batch.

    Example:
        >>> FinetuneOptions(epochs=30, milestones=[24]).learning_rate
        0.1
    """

    _group: ClassVar[str] = "finetune"

    epochs: int = 100
    batch_size: int = 64  # clips; fewer labeled clips make one batch, and an incomplete last batch is left out
    optimizer: Optimizer = "sgd"
    learning_rate: float = 0.1
    start_rate: float | None = None  # of the encoder; default: learning_rate, as of the classifier
    sgd_momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: Schedule = "step"  # plateau: torch's, on the loss of an epoch; SkeAttnCLR
    milestones: list[int] = field(default_factory=lambda: [80])  # epochs after which the step schedule divides by ten
    warmup_epochs: float = 0.0  # in which the rate rises from zero
    mode: Mode = "train"  # eval: batch norms frozen and no dropout, as AimCLR, MsMCLR, SkeAttnCLR
    augment: Augment = "none"  # weak: crop and shear
    precision: Precision = "32-true"

    def __post_init__(self) -> None:
        group = self._group
        check_finite(self, group=group)
        for name in ("epochs", "batch_size"):
            check_count(getattr(self, name), name=f"{group}.{name}")
        for epoch in self.milestones:
            check_count(epoch, name=f"{group}.milestones")
        for name, choices in _CHOICES.items():
            check_choice(getattr(self, name), choices, name=f"{group}.{name}")
        check_number(self.learning_rate, name=f"{group}.learning_rate", above=0)
        if self.start_rate is not None:
            check_number(self.start_rate, name=f"{group}.start_rate", least=0)
        check_number(self.sgd_momentum, name=f"{group}.sgd_momentum", least=0, below=1)
        for name in ("weight_decay", "warmup_epochs"):
            check_number(getattr(self, name), name=f"{group}.{name}", least=0)
        if self.nesterov and self.optimizer == "sgd" and self.sgd_momentum == 0:
            raise ValueError(
                f"{group}.nesterov: expected sgd_momentum > 0 with it, got 0; raise it, or leave nesterov out"
            )
        if self.schedule == "plateau" and self.warmup_epochs:
            raise ValueError(
                f"{group}.warmup_epochs: expected 0 with schedule='plateau', which has no warm-up, got "
                f"{self.warmup_epochs}; leave it out, or choose another schedule"
            )


@dataclass(kw_only=True)
class SemiOptions(FinetuneOptions):
    """The semi-supervised protocol: which share of the labels, how often, and how a model is trained on them.

    Example:
        >>> SemiOptions().fractions
        [0.01, 0.1]
    """

    _group: ClassVar[str] = "semi"

    fractions: list[float] = field(default_factory=lambda: [0.01, 0.1])  # of the labels
    draws: int = 5  # of the labeled clips, with a seed each
    protocol: Literal["finetune", "linear"] = "finetune"  # AimCLR, section 4.2: the whole model

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = self.fractions
        if not shares or not all(0 < share <= 1 for share in shares) or len(set(shares)) < len(shares):
            raise ValueError(f"semi.fractions: expected different shares in (0, 1], at least one, got {shares}")
        check_count(self.draws, name="semi.draws")
        check_choice(self.protocol, ("finetune", "linear"), name="semi.protocol")
