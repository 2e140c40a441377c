"""The rows of the study: how each one gets the features of a set's clips.

A row that trains does so by the command that a user types, in a process of its own. Its run folder stays, so that a
study that was interrupted resumes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.studies.small_sets.sets import StudySet
from skelblocks import streams
from skelblocks.clips import batches
from skelblocks.encoders import STGCN, ReadoutEncoder, ReadoutPool, initialize_official
from skelblocks.encoders.readout import LAST_BLOCKS, OF_BLOCKS, Readout
from skelblocks.evaluation import coordinate_features, mini_rocket_features
from skelblocks.protocols import ProtocolOptions, finetune
from skelblocks.protocols.labeled_clips import labeled_clips
from skelblocks.protocols.refit import refit
from skelblocks.protocols.trained_encoder import TrainedEncoder, open_encoder
from skelblocks.streams import Stream
from skelblocks.training import Sets, parse_options

READOUTS: tuple[Readout, ...] = ("mean", "mean_std", "thirds", "blocks", "blocks_std", "grid")
METHODS = ("skeletonclr", "aimclr", "msmclr")
STREAMS = ("joint", "bone", "motion")
CLASSIFIERS = ("linear", "ridge", "both")
Features = dict[str, tuple[Tensor, Tensor]]
"""By readout, the features of the training clips and of the test clips."""


class Row(NamedTuple):
    """A line of the tables, for one seed.

    Attributes:
        name: Without the seed.
        seed: Of the training, or of random features.
        compute: Gives the features.
    """

    name: str
    seed: int
    compute: Callable[[], Features]


@dataclass(frozen=True)
class Study:
    """All rows of one set.

    Attributes:
        place: The set.
        weights: Released weights.
        out: Where run folders go.
    """

    place: StudySet
    weights: Path
    out: Path

    def baselines(self) -> Iterator[Row]:
        """Features that nothing was learned for."""
        yield Row("coordinates", 0, partial(self._coordinates, None))
        yield Row("coordinates, turned", 0, partial(self._coordinates, "official"))
        for seed in range(3):
            yield Row("minirocket", seed, partial(self._mini_rocket, seed))
            for kind in ("torch", "official"):
                yield Row(f"untrained, {kind}", seed, partial(self._untrained, kind, seed))

    def frozen(self) -> Iterator[Row]:
        """Released weights as they are."""
        yield Row("frozen", 0, partial(self.of_encoder, self.weights))

    def adapted(self, seeds: int, *, methods: tuple[str, ...] = METHODS) -> Iterator[Row]:
        """Released weights, adapted without labels by ``adapt.yaml``."""
        for seed in range(seeds):
            for method in methods:
                yield Row(f"adapted, {method}", seed, self._trained(method, "adapt", seed, start=True))

    def streams(self, seeds: int, *, method: str = "msmclr") -> Iterator[Row]:
        """Bone and motion, adapted from the joint stream's weights."""
        for seed in range(seeds):
            for stream in STREAMS[1:]:
                compute = self._trained(method, "adapt", seed, start=True, stream=stream)
                yield Row(f"adapted, {method}, {stream}", seed, compute)

    def nothing(self, seeds: int, *, methods: tuple[str, ...] = METHODS) -> Iterator[Row]:
        """Encoders that start from nothing, by ``small.yaml``."""
        for seed in range(seeds):
            for method in methods:
                yield Row(f"nothing, {method}", seed, self._trained(method, "small", seed, start=False))

    def finetuned(self, seed: int, *, stream: Stream = "joint") -> dict[str, Tensor]:
        """Probabilities of the test clips, after the released weights were fine-tuned on all labels.

        Returns:
            By classifier, ``(n, classes)``: the trained linear layer, the ridge classifier of ``evaluate/adapt.yaml``,
            and the mean of both.
        """
        how = parse_options(ProtocolOptions, ["--config", "evaluate/adapt"]).finetune
        how = replace(how, classifier="linear", precision="bf16-mixed")
        sets = self.place.clips(frames=50, align="official", to="ntu-rgb+d", missing="nearest")
        encoder = open_encoder(self.weights).encoder
        trained = finetune(
            encoder, sets, how, stream=stream, seed=seed, accelerator="cpu", readout=how.readout or "mean"
        )
        body = trained.model[0]
        assert isinstance(body, ReadoutEncoder)
        train, test = labeled_clips(sets.train), labeled_clips(sets.test)
        groups = self.place.groups(sets)
        classes = trained.logits.shape[1]
        _, scores = refit(
            body.encoder,
            train,
            test,
            readout="grid",
            layout=sets.layout,
            stream=stream,
            groups=groups,
            num_classes=classes,
        )
        found = {"linear": trained.logits.softmax(dim=1), "ridge": scores.softmax(dim=1)}
        return {**found, "both": (found["linear"] + found["ridge"]) / 2}

    def of_encoder(self, path: str | Path) -> Features:
        """The features of a saved encoder for this set's clips."""
        trained = open_encoder(path)
        return describe(trained.encoder, self.place.clips_for(trained), trained=trained)

    def _trained(
        self, method: str, recipe: str, seed: int, *, start: bool, stream: str = "joint", options: tuple[str, ...] = ()
    ) -> Callable[[], Features]:
        name = "-".join([self.place.label, "adapted" if start else "nothing", method, stream, str(seed)])
        folder = self.out / "runs" / name

        def compute() -> Features:
            command = [sys.executable, "-m", "skelblocks", "train", method, "--config", recipe, *self.place.arguments]
            command += ["--data.stream", stream, "--train.seed", str(seed), "--train.folder", str(folder), *options]
            command += ["--train.precision", "bf16-mixed", "--evaluate.every", "0"]
            if start:
                command += ["--start", str(self.weights), "--data.to", "ntu-rgb+d"]
            if not (folder / "encoder").is_dir():
                subprocess.run(command, check=True)
            return self.of_encoder(folder)

        return compute

    def _coordinates(self, align: str | None) -> Features:
        train, test = whole(self.place.clips(align=align, frames=50))
        return {"mean": (coordinate_features(train), coordinate_features(test))}

    def _mini_rocket(self, seed: int) -> Features:
        return {"mean": mini_rocket_features(*whole(self.place.clips(align="official", frames=50)), seed=seed)}

    def _untrained(self, kind: str, seed: int) -> Features:
        sets = self.place.clips(frames=50)
        torch.manual_seed(seed)
        encoder = STGCN(sets.layout)
        if kind == "official":
            initialize_official(encoder)
        return describe(encoder.eval(), sets)


def whole(sets: Sets) -> tuple[Tensor, Tensor]:
    """All training clips and all test clips ``(n, c, t, v, m)``."""
    train, test = (torch.cat([batch.clip for batch in batches(part, 256)]) for part in sets)
    return train, test


@torch.no_grad()
def describe(encoder: nn.Module, sets: Sets, *, trained: TrainedEncoder | None = None) -> Features:
    """The features by each readout, from one pass over the clips.

    Args:
        encoder: In evaluation mode.
        sets: Its clips.
        trained: What is known of the encoder; its stream is taken.
    """
    pools = {kind: ReadoutPool(kind, layout=sets.layout) for kind in READOUTS}
    stream = "joint" if trained is None else trained.stream
    found: list[dict[str, list[Tensor]]] = [{kind: [] for kind in READOUTS} for _ in range(2)]
    for part, lists in zip(sets, found, strict=True):
        for batch in batches(part, 128):
            maps = encoder.block_maps(streams.convert(batch.clip, stream, layout=sets.layout))  # type: ignore[operator]
            for kind, pool in pools.items():
                lists[kind].append(pool(maps[-(LAST_BLOCKS[kind] or 0) :] if kind in OF_BLOCKS else maps[-1]))
    return {kind: (torch.cat(found[0][kind]), torch.cat(found[1][kind])) for kind in READOUTS}
