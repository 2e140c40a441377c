"""The steps of fine-tuning: the model, its optimizer, an epoch of training, the scores of clips."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks import streams
from skelblocks.augment import Compose, recipes
from skelblocks.encoders import ReadoutEncoder
from skelblocks.encoders.readout import Readout
from skelblocks.protocols.finetune_options import FinetuneOptions
from skelblocks.protocols.labeled_clips import LabeledClips
from skelblocks.streams import Stream
from skelblocks.training.datasets import Sets
from skelblocks.training.errors import NonFiniteLossError
from skelblocks.training.fabric import make_fabric
from skelblocks.training.optimizer import make_optimizer, set_rate
from skelblocks.training.options import TrainOptions
from skelblocks.training.order import derive_seed, epoch_batches
from skelblocks.training.schedule import learning_rate

_SCORED_AT_ONCE = 256  # clips


class FinetuneSteps:
    """A model that is being fine-tuned, with its device, optimizer and schedule.

    Args:
        encoder: Maps clips ``(n, c, t, v, m)`` to feature maps; a copy of it is trained.
        sets: Labeled clips, which give the layout and the number of classes.
        options: How to train the model.
        clips: Number of training clips, the largest possible batch.
        stream: The stream that the encoder takes.
        seed: Random seed of the classifier's weights, the order of the clips, augmentation and dropout.
        accelerator: Where to train, as in pretraining.
        readout: How the feature map becomes one vector.
    """

    def __init__(
        self,
        encoder: nn.Module,
        sets: Sets,
        options: FinetuneOptions,
        *,
        clips: int,
        stream: Stream,
        seed: int,
        accelerator: str,
        readout: Readout = "mean",
    ) -> None:
        self.options, self.clips, self.stream, self.seed, self.layout = options, clips, stream, seed, sets.layout
        self.plan = _plan(options, clips=clips, seed=seed, accelerator=accelerator)
        self.plain = make_model(encoder, sets, stream=stream, seed=seed, readout=readout)
        self.fabric = make_fabric(self.plan)
        self.updates = make_optimizer(
            self.plain,
            rate=options.learning_rate,
            started=[] if options.start_rate is None else encoder_parameters(self.plain),
            share=(options.start_rate or 0.0) / options.learning_rate,
            kind=options.optimizer,
            momentum=options.sgd_momentum,
            nesterov=options.nesterov,
            weight_decay=options.weight_decay,
        )
        self.model, self.optimizer = self.fabric.setup(self.plain, self.updates)
        stalls = options.schedule == "plateau"
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(self.updates) if stalls else None
        self.augment = recipes.weak() if options.augment == "weak" else Compose([])

    def cuda_devices(self) -> list[torch.device]:
        """The devices, besides the CPU, whose random state training changes."""
        return [self.fabric.device] if self.fabric.device.type == "cuda" else []

    def batches(self, epoch: int) -> list[list[int]]:
        """Indices of the training clips for each step of an epoch, counted from 0."""
        return epoch_batches(self.clips, batch_size=self.plan.batch_size, seed=self.seed, epoch=epoch)

    def epoch(self, train: LabeledClips, epoch: int, *, advance: Callable[[], object]) -> dict[str, float]:
        """Train for one epoch.

        Args:
            train: The clips.
            epoch: The epoch, counted from 0.
            advance: Called after each step.

        Returns:
            The epoch, counted from 1, its mean loss and its last learning rate.

        Raises:
            NonFiniteLossError: The loss is not finite; the message names the clips.
        """
        set_mode(self.model, self.options.mode)
        batches = self.batches(epoch)
        total = 0.0
        for step, batch in enumerate(batches):
            if self.plateau is None:
                set_rate(self.updates, learning_rate(self.plan, progress=epoch + step / len(batches)))
            loss = self._loss(train, torch.tensor(batch), epoch=epoch, step=step)
            value = loss.item()
            if not math.isfinite(value):
                raise NonFiniteLossError(
                    f"the loss is {value} at epoch {epoch + 1}, step {step + 1}, on the samples "
                    f"{', '.join(train.names[i] for i in batch)}; look at these samples, or lower learning_rate"
                )
            self.fabric.backward(loss)
            self.optimizer.step()
            self.optimizer.zero_grad()
            total += value
            advance()
        row = {"epoch": epoch + 1, "loss": total / len(batches), "learning_rate": self.updates.param_groups[0]["lr"]}
        if self.plateau is not None:
            self.plateau.step(row["loss"])
        return row

    @torch.no_grad()
    def scores(self, clips: LabeledClips) -> Tensor:
        """Logits ``(n, classes)`` of clips in evaluation mode, on the CPU."""
        self.model.eval()
        places = torch.split(torch.arange(len(clips.labels)), _SCORED_AT_ONCE)
        return torch.cat([self._logits(self.fabric.to_device(clips.take(each))).cpu() for each in places])

    def _loss(self, train: LabeledClips, places: Tensor, *, epoch: int, step: int) -> Tensor:
        torch.manual_seed(derive_seed(self.seed, "finetune", epoch, step))  # for dropout
        generator = torch.Generator(self.fabric.device).manual_seed(derive_seed(self.seed, "crop", epoch, step))
        clips = self.augment(self.fabric.to_device(train.take(places)), generator=generator)
        return F.cross_entropy(self._logits(clips), self.fabric.to_device(train.labels[places]))

    def _logits(self, clips: Tensor) -> Tensor:
        logits: Tensor = self.model(streams.convert(clips, self.stream, layout=self.layout))
        return logits


def make_model(
    encoder: nn.Module, sets: Sets, *, stream: Stream, seed: int, readout: Readout = "mean"
) -> nn.Sequential:
    """A copy of an encoder, its readout, and a linear layer with weights from N(0, 0.02); on the CPU, in float32."""
    body = ReadoutEncoder(copy.deepcopy(encoder).cpu().float().requires_grad_(), readout)
    clip = streams.convert(sets.test[0].clip[None], stream, layout=sets.layout)
    with torch.no_grad():
        features: int = body.eval()(clip).shape[1]
    classes = max(part.num_classes for part in sets)
    head = nn.Linear(features, classes, device="meta").to_empty(
        device="cpu"
    )  # skips the default initialization, which draws random numbers
    generator = torch.Generator().manual_seed(derive_seed(seed, "classifier"))
    nn.init.normal_(head.weight, std=0.02, generator=generator)
    nn.init.zeros_(head.bias)
    return nn.Sequential(body, head)


def encoder_parameters(model: nn.Sequential) -> list[str]:
    """Names of the parameters of the encoder in a model of :func:`make_model`."""
    return [f"0.{name}" for name, _ in model[0].named_parameters()]


def set_mode(model: nn.Module, mode: str) -> None:
    """Training mode, or evaluation mode for frozen batch norms and no dropout."""
    model.train(mode == "train")
    for module in model.modules():
        if isinstance(
            module, nn.RNNBase
        ):  # cuDNN has no gradient for RNNs in evaluation mode, and training mode is equal
            module.train()


def _plan(options: FinetuneOptions, *, clips: int, seed: int, accelerator: str) -> TrainOptions:
    """The same options under the names of pretraining, whose order of clips, schedule and device are reused."""
    constant = options.schedule == "plateau"  # the plateau schedule's rate is no function of the epoch
    return TrainOptions(
        epochs=options.epochs,
        batch_size=min(options.batch_size, clips),
        learning_rate=options.learning_rate,
        schedule="cosine" if options.schedule == "cosine" else "step",
        milestones=[] if constant else options.milestones,
        warmup_epochs=options.warmup_epochs,
        precision=options.precision,
        seed=seed,
        accelerator=accelerator,
    )
