"""Training in this process: many short runs share the clips that were read once, and draw no pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from skelblocks.training import (
    MethodOptions,
    RunFolder,
    Sets,
    load_page,
    make_fabric,
    parse_options,
    pretrain,
    settle,
    start_from,
)
from skelblocks.training.keep_encoder import keep_encoder
from skelblocks.training.options import TrainOptions


def chosen_options(method: str, arguments: Sequence[str], *, seed: int, folder: Path) -> MethodOptions:
    """The options of a run as its command line would give them.

    Args:
        method: Name of the method's page.
        arguments: Options, a recipe among them.
        seed: Of the run.
        folder: Of the run.
    """
    own = ["--train.seed", str(seed), "--train.folder", str(folder), "--train.precision", "bf16-mixed"]
    found: MethodOptions = parse_options(load_page(method).options, [*arguments, *own, "--train.accelerator", "cpu"])
    return found


def fit(
    method: str, options: MethodOptions, sets: Sets, *, weights: Path | None = None, steps: int | None = None
) -> nn.Module:
    """Train a method on the training clips of a set, and take the encoder back by the rule of ``train.stop``.

    Args:
        method: Name of the method's page.
        options: From :func:`chosen_options`.
        sets: The clips, preprocessed as the options say.
        weights: Where the encoder starts; None for a run from nothing.
        steps: Length of the run, the first tenth of which is the warm-up. Default: what the options say.

    Returns:
        The encoder, in evaluation mode. What the rule decided is in kept.json of the run's folder.
    """
    page, clips = load_page(method), len(sets.train)
    if steps is not None:
        options = replace(options, train=in_steps(options.train, steps, clips=clips))
    options = settle(options, clips=clips)
    torch.manual_seed(options.train.seed)
    trained = page.build(options, layout=sets.layout, persons=sets.persons, coordinates=sets.coordinates)
    started = None if weights is None else start_from(trained, weights)
    encoder: nn.Module
    (encoder,) = trained.encoders().values()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    folder = Path(options.train.folder or "run")
    with RunFolder(folder) as run:
        pretrain(
            trained,
            fabric=make_fabric(options.train),
            dataset=sets.train,
            make_views=page.make_views(options, layout=sets.layout),
            options=options,
            folder=run,
            started=started,
        )
    if options.train.stop == "views":
        shear, seed = options.contrast.shear_amplitude, options.train.seed
        kept = keep_encoder(encoder, before, sets.train, shear_amplitude=shear, seed=seed)
        (folder / "kept.json").write_text(json.dumps({"step": kept.step, "found": kept.found}), encoding="utf-8")
    return encoder.eval()


def in_steps(train: TrainOptions, steps: int, *, clips: int) -> TrainOptions:
    """Options for a number of steps, whatever length a recipe has, with a tenth of them as warm-up.

    Args:
        train: The recipe's.
        steps: At least as many are taken.
        clips: Number of training clips.

    Example:
        >>> found = in_steps(TrainOptions(batch_size=32, min_steps=900), 60, clips=320)
        >>> found.epochs, found.min_steps, found.warmup_epochs
        (6, 0, 0.6)
    """
    epochs = math.ceil(steps / (clips // train.batch_size))
    warmup = round(0.1 * epochs, 2)
    return replace(train, epochs=epochs, min_steps=0, steps=None, warmup_epochs=warmup, warmup_steps=None)
