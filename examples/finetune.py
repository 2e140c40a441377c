"""Fine-tune a pretrained encoder: the whole of it and a linear classifier, on labelled clips.

`evaluate.py finetune` and `evaluate.py semi` run it; in your own code, call `finetune`.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from datasets import Sets
from engine import NonFiniteLossError, TrainingOptions, derive_seed, epoch_batches, learning_rate, make_fabric
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from skelblocks import streams
from skelblocks._utils.checks import check_choice
from skelblocks.augment import Compose, recipes
from skelblocks.data import ArrayDataset, PreparedSet
from skelblocks.encoders import Pool
from skelblocks.evaluation import accuracy
from skelblocks.streams import Stream

SELECTED = {"last": "last epoch", "validation": "best on the validation set", "test": "best on the test set"}


@dataclass(kw_only=True)
class FinetuneOptions:
    """How a whole model is trained on labels.

    The papers differ, and say little; released code: MsMCLR rate 3 (!), no weight decay, 100 epochs, divided at 80;
    HiCLR 0.1, weight decay 1e-4, 70 epochs, warm-up 5, divided at 30 and 55; SkeleMixCLR 0.1, Nesterov, 110 epochs,
    warm-up 10, divided at 50, 70 and 90; SkeAttnCLR 0.003 to 0.01 (its paper 0.05), 150 epochs, divided at 60 and 100;
    PSTL Adam at 5e-3; CrossMoCo's paper 1e-4, 100 epochs; AimCLR releases none. The defaults are pretraining's rate and
    weight decay with MsMCLR's epochs, milestone and batch.
    """

    epochs: int = 100
    batch_size: int = 64  # fewer labelled clips make one batch; an incomplete last one is left out
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 0.1
    sgd_momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: Literal["step", "cosine", "plateau"] = "step"  # plateau: torch's, on the loss of an epoch; SkeAttnCLR
    milestones: list[int] = field(default_factory=lambda: [80])  # epochs after which the step schedule divides by ten
    warmup_epochs: float = 0.0
    mode: Literal["train", "eval"] = "train"  # eval: batch norms frozen and no dropout, as AimCLR, MsMCLR, SkeAttnCLR
    augment: Literal["none", "normal"] = "none"  # normal: crop and shear
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"


class FinetuneResult(NamedTuple):
    """What fine-tuning came to.

    Attributes:
        accuracy: Top-1 on the test clips, in percent.
        logits: Scores of the test clips ``(n, classes)``, on the CPU.
        names: Of the test clips.
        epoch: After which the model was tested, counted from 1.
        selected: How that epoch was chosen, in words.
        history: One row of figures an epoch.
        model: Clips of the stream ``(n, c, t, v, m)`` to logits: encoder, pooling, linear layer; on the CPU.
    """

    accuracy: float
    logits: Tensor
    names: tuple[str, ...]
    epoch: int
    selected: str
    history: list[dict[str, float]]
    model: nn.Module


def finetune(
    encoder: nn.Module,
    sets: Sets,
    options: FinetuneOptions,
    *,
    stream: Stream = "joint",
    rows: Sequence[int] | Tensor | None = None,
    validation: Sequence[int] | Tensor | None = None,
    select: str = "last",
    seed: int = 0,
    accelerator: str = "auto",
) -> FinetuneResult:
    """Train a copy of an encoder, with a linear layer drawn from N(0, 0.02) on its pooled map, by cross-entropy.

    All draws are a function of seed, epoch and step; the global random state is left as it was.

    Args:
        encoder: Clips ``(n, c, t, v, m)`` to feature maps ``(n, m, d, t, v)``; it does not change.
        sets: Labelled clips.
        options: See there.
        stream: What the encoder takes.
        rows: Places in the training set of the clips to train on, the labelled ones of the semi-supervised protocol.
            Default: all that are not for validation.
        validation: Places in the training set of clips that select the epoch, none of ``rows``.
        select: Which epoch is reported: ``"last"``, the best on ``"validation"``, or, as released codes, on ``"test"``.
        seed: Of the classifier's weights, the order of the clips, augmentation and dropout.
        accelerator: As in the training scripts.

    Raises:
        ValueError: clips without labels, ``rows`` or ``validation`` that are not there, overlap or leave nothing, an
            unknown way to select, no epoch, or several processes.
        NonFiniteLossError: the loss is not finite.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ValueError("finetune runs in one process; start it without torchrun")
    if options.epochs < 1:
        raise ValueError(f"epochs: expected an integer >= 1, got {options.epochs}")
    check_choice(select, tuple(SELECTED), name="select")
    train, held = _chosen(sets.train, rows=rows, validation=validation, select=select)
    test = _part(sets.test, torch.arange(len(sets.test)))
    # The engine's schedule and order of clips, which know these options by the same names.
    names = ("epochs", "learning_rate", "schedule", "milestones", "warmup_epochs", "precision")
    given = {name: getattr(options, name) for name in names}
    if options.schedule == "plateau":
        if options.warmup_epochs:
            raise ValueError("warmup_epochs: expected 0 with schedule='plateau', which has no warm-up")
        given["schedule"], given["milestones"] = "step", []
    plan = TrainingOptions(
        **given,
        batch_size=min(options.batch_size, len(train.labels)),
        seed=seed,
        accelerator=accelerator,
    )
    plain = _model(encoder, sets, stream=stream, seed=seed)
    fabric = make_fabric(plan)
    updates = _optimizer(plain, options)
    model, optimizer = fabric.setup(plain, updates)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(updates) if options.schedule == "plateau" else None
    augment = recipes.weak() if options.augment == "normal" else Compose([])
    watched = {"last": None, "validation": held, "test": test}[select]

    def forward(clips: Tensor) -> Tensor:
        logits: Tensor = model(streams.convert(clips, stream, layout=sets.layout))
        return logits

    @torch.no_grad()
    def scores(part: _Part) -> Tensor:
        model.eval()
        places = torch.split(torch.arange(len(part.labels)), 256)
        return torch.cat([forward(fabric.to_device(part.take(each))).cpu() for each in places])

    history: list[dict[str, float]] = []
    best: dict[str, Any] = {"epoch": options.epochs, "accuracy": -1.0, "state": None}
    steps = len(epoch_batches(len(train.labels), options=plan, epoch=0))
    shown = tqdm(total=options.epochs * steps, unit="step", mininterval=0.5 if os.isatty(2) else 15)
    devices = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.enable_grad(), shown as bar:
        for epoch in range(options.epochs):
            _set_mode(model, options.mode)
            losses = []
            for step, batch in enumerate(epoch_batches(len(train.labels), options=plan, epoch=epoch)):
                place = torch.tensor(batch)
                torch.manual_seed(derive_seed(seed, "finetune", epoch, step))  # for dropout
                generator = torch.Generator(fabric.device).manual_seed(derive_seed(seed, "crop", epoch, step))
                if plateau is None:
                    for group in updates.param_groups:
                        group["lr"] = learning_rate(plan, progress=epoch + step / steps)
                clips = augment(fabric.to_device(train.take(place)), generator=generator)
                loss = F.cross_entropy(forward(clips), fabric.to_device(train.labels[place]))
                losses.append(loss.item())
                if not math.isfinite(losses[-1]):
                    raise NonFiniteLossError(
                        f"the loss is {losses[-1]} at epoch {epoch + 1}, step {step + 1}, on the samples "
                        f"{', '.join(train.names[i] for i in batch)}; look at these samples, or lower learning_rate"
                    )
                fabric.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
                bar.update()
            rate = updates.param_groups[0]["lr"]
            history.append({"epoch": epoch + 1, "loss": sum(losses) / steps, "learning_rate": rate})
            if plateau is not None:
                plateau.step(history[-1]["loss"])
            if watched is not None:
                measured = history[-1][select] = _percent(scores(watched), watched.labels)
                if measured > best["accuracy"]:
                    best = {"epoch": epoch + 1, "accuracy": measured, "state": copy.deepcopy(plain.state_dict())}
            bar.set_description(f"epoch {epoch + 1}/{options.epochs}, loss {history[-1]['loss']:.3f}", refresh=False)
    if best["state"] is not None:
        plain.load_state_dict(best["state"])
    logits = scores(test)
    return FinetuneResult(
        accuracy=_percent(logits, test.labels),
        logits=logits,
        names=test.names,
        epoch=best["epoch"],
        selected=SELECTED[select],
        history=history,
        model=plain.cpu(),
    )


class _Part(NamedTuple):
    take: Callable[[Tensor], Tensor]  # from places in the part to clips
    labels: Tensor
    names: tuple[str, ...]


def _part(dataset: ArrayDataset | PreparedSet, rows: Tensor) -> _Part:
    labels, names = dataset.labels[rows], tuple(dataset.names[i] for i in rows.tolist())
    if (labels < 0).any():
        raise ValueError(f"sets: expected labelled clips, {names[int((labels < 0).nonzero()[0])]!r} has no label")
    if isinstance(dataset, ArrayDataset):
        clips = dataset.subset(rows.numpy()).as_tensor()  # prepared once, not once an epoch
        return _Part(lambda places: clips[places], labels, names)
    return _Part(lambda places: dataset.batch(rows[places].numpy()), labels, names)


def _chosen(
    train: ArrayDataset | PreparedSet,
    *,
    rows: Sequence[int] | Tensor | None,
    validation: Sequence[int] | Tensor | None,
    select: str,
) -> tuple[_Part, _Part | None]:
    """The training clips to train on, and those to select on."""
    if (select == "validation") != (validation is not None):
        raise ValueError("validation: expected places of training clips with select='validation', and none without")
    everywhere = torch.ones(len(train), dtype=torch.bool)
    held = None if validation is None else _places(validation, len(train), name="validation")
    if held is not None:
        everywhere[held] = False
    chosen = everywhere.nonzero()[:, 0] if rows is None else _places(rows, len(train), name="rows")
    if not len(chosen) or not everywhere[chosen].all():
        raise ValueError("validation: expected some of the training clips, not all and none of rows")
    return _part(train, chosen), None if held is None else _part(train, held)


def _places(given: Sequence[int] | Tensor, count: int, *, name: str) -> Tensor:
    places = torch.as_tensor(given, dtype=torch.int64)
    there = set(places.tolist())
    if not there or len(there) < len(places) or min(there) < 0 or max(there) >= count:
        raise ValueError(f"{name}: expected different places in 0..{count - 1}, at least one, got {given}")
    return places


def _model(encoder: nn.Module, sets: Sets, *, stream: Stream, seed: int) -> nn.Sequential:
    body = nn.Sequential(copy.deepcopy(encoder).cpu().float().requires_grad_(), Pool())
    clip = streams.convert(sets.test[0].clip[None], stream, layout=sets.layout)
    with torch.no_grad():
        features: int = body.eval()(clip).shape[1]
    head = nn.Linear(features, sets.train.num_classes, device="meta").to_empty(device="cpu")  # draws no random numbers
    generator = torch.Generator().manual_seed(derive_seed(seed, "classifier"))
    nn.init.normal_(head.weight, std=0.02, generator=generator)
    nn.init.zeros_(head.bias)
    return nn.Sequential(*body, head)


def _optimizer(model: nn.Module, options: FinetuneOptions) -> torch.optim.Optimizer:
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay)
    return torch.optim.SGD(
        model.parameters(), lr=rate, momentum=options.sgd_momentum, nesterov=options.nesterov, weight_decay=decay
    )


def _set_mode(model: nn.Module, mode: str) -> None:
    model.train(mode == "train")
    for module in model.modules():
        if isinstance(module, nn.RNNBase):  # cuDNN has no gradient of these in evaluation mode, where nothing differs
            module.train()


def _percent(logits: Tensor, labels: Tensor) -> float:
    return 100 * accuracy(logits, labels, topk=(1,))[1]
