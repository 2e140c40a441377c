"""Options of fine-tuning and of the semi-supervised protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from skelblocks._utils.checks import check_choice
from skelblocks.encoders.readout import READOUTS, Readout
from skelblocks.training.option_checks import check_count, check_finite, check_number

Optimizer = Literal["sgd", "adam"]
Schedule = Literal["step", "cosine", "plateau"]
Mode = Literal["train", "eval"]
Augment = Literal["none", "weak"]
Classifier = Literal["linear", "ridge"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed", "64-true"]
_CHOICES = {
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "mode": get_args(Mode),
    "augment": get_args(Augment),
    "classifier": get_args(Classifier),
    "precision": get_args(Precision),
}


@dataclass(kw_only=True)
class FinetuneOptions:
    """How the whole model is fine-tuned on labels.

    The papers say little, and the released code differs:

    - MsMCLR: rate 3 (!), no weight decay, 100 epochs, divided at 80.
    - HiCLR: rate 0.1, weight decay 1e-4, 70 epochs, warm-up 5, divided at 30 and 55.
    - SkeleMixCLR: rate 0.1, Nesterov, 110 epochs, warm-up 10, divided at 50, 70 and 90.
    - SkeAttnCLR: rate 0.003 to 0.01 (its paper 0.05), 150 epochs, divided at 60 and 100.
    - PSTL: Adam with rate 5e-3.
    - CrossMoCo's paper: rate 1e-4, 100 epochs. AimCLR releases no fine-tuning code.

    The defaults here are the rate and weight decay of pretraining, with the epochs, milestone and batch of MsMCLR.

    Example:
        >>> FinetuneOptions(epochs=30, milestones=[24]).learning_rate
        0.1
    """

    _group: ClassVar[str] = "finetune"

    epochs: int = 100  # passes over the labeled clips
    batch_size: int = 64  # clips per step; an incomplete last batch is dropped, unless it is the only one
    optimizer: Optimizer = "sgd"  # PSTL uses Adam
    learning_rate: float = 0.1  # learning rate of the classifier, after the warm-up
    start_rate: float | None = None  # learning rate of the encoder; default: learning_rate, as for the classifier
    sgd_momentum: float = 0.9  # momentum of SGD
    nesterov: bool = False  # whether SGD uses Nesterov momentum
    weight_decay: float = 1e-4  # weight decay of all parameters
    schedule: Schedule = "step"  # of the learning rate; plateau: torch's, on the epoch's loss, as in SkeAttnCLR
    milestones: list[int] = field(default_factory=lambda: [80])  # epochs after which schedule=step divides by ten
    warmup_epochs: float = 0.0  # epochs in which the rate rises from zero
    mode: Mode = "train"  # eval: frozen batch norms and no dropout, as in AimCLR, MsMCLR, SkeAttnCLR
    augment: Augment = "none"  # augmentation of training clips; weak: crop and shear
    readout: Readout | None = None  # readout below the linear layer during training; default: the evaluation's
    classifier: Classifier = "linear"  # ridge: in the end, a ridge classifier is fitted to the encoder's features
    precision: Precision = "32-true"  # precision of the training; auto: bfloat16 where the machine has it

    def __post_init__(self) -> None:
        group = self._group
        check_finite(self, group=group)
        for name in ("epochs", "batch_size"):
            check_count(getattr(self, name), name=f"{group}.{name}")
        for epoch in self.milestones:
            check_count(epoch, name=f"{group}.milestones")
        for name, choices in _CHOICES.items():
            check_choice(getattr(self, name), choices, name=f"{group}.{name}")
        check_choice(self.readout, (None, *READOUTS), name=f"{group}.readout")
        check_number(self.learning_rate, name=f"{group}.learning_rate", above=0)
        if self.start_rate is not None:
            check_number(self.start_rate, name=f"{group}.start_rate", least=0)
        check_number(self.sgd_momentum, name=f"{group}.sgd_momentum", least=0, below=1)
        for name in ("weight_decay", "warmup_epochs"):
            check_number(getattr(self, name), name=f"{group}.{name}", least=0)
        if self.nesterov and self.optimizer == "sgd" and self.sgd_momentum == 0:
            raise ValueError(
                f"{group}.nesterov: expected sgd_momentum > 0 with nesterov, got 0; raise it, or leave nesterov out"
            )
        if self.schedule == "plateau" and self.warmup_epochs:
            raise ValueError(
                f"{group}.warmup_epochs: expected 0 with schedule='plateau', which has no warm-up, got "
                f"{self.warmup_epochs}; leave it out, or choose another schedule"
            )


@dataclass(kw_only=True)
class SemiOptions(FinetuneOptions):
    """The semi-supervised protocol: what fraction of the labels, how many draws, and how to train on them.

    Example:
        >>> SemiOptions().fractions
        [0.01, 0.1]
    """

    _group: ClassVar[str] = "semi"

    fractions: list[float] = field(default_factory=lambda: [0.01, 0.1])  # fractions of the labels
    draws: int = 5  # random draws of the labeled clips, each with its own seed
    protocol: Literal["finetune", "linear"] = "finetune"  # whole model (AimCLR, section 4.2), or frozen features

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = self.fractions
        if not shares or not all(0 < share <= 1 for share in shares) or len(set(shares)) < len(shares):
            raise ValueError(
                f"semi.fractions: expected at least one fraction in (0, 1], without repeats, got {shares}; choose "
                "others, such as 0.1 for 10 %"
            )
        check_count(self.draws, name="semi.draws")
        check_choice(self.protocol, ("finetune", "linear"), name="semi.protocol")
