"""What the methods of `examples/` share: options, encoders, views, and the way from options to a trained run.

Each method is a page on top of it: they differ in their views and in their loss.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from datasets import DataOptions, Sets, load_sets
from engine import RunFolder, TrainingOptions, check_queue, make_fabric, pretrain
from evaluation import EvaluationOptions, accuracies, draw_run
from matplotlib.figure import Figure
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.contrast import MomentumEncoder, MomentumQueue, contrastive_logits, cosine_momentum
from skelblocks.data import PreparedSet
from skelblocks.distributed import gather_keys
from skelblocks.encoders import DSTA, STGCN, BiGRU, Pool, ProjectionHead, initialize_official
from skelblocks.interop import InputDescription, save_pretrained
from skelblocks.layouts import SkeletonLayout

LAYOUT = "layout.json"  # in a run's folder, for whoever loads its encoder
# Channels in, out and inside, and stride of each block: table 14 of SkeAttnCLR, which ends with 256 channels.
DSTA_LAYERS = ((64, 64, 16, 1), (64, 128, 32, 2), (128, 128, 32, 1), (128, 256, 64, 2), (256, 256, 64, 1))


@dataclass(kw_only=True)
class MethodOptions(TrainingOptions, DataOptions, EvaluationOptions):
    """What the command line and the YAML files set for every method; each method adds its own."""

    encoder: Literal["stgcn", "dsta", "bigru"] = "stgcn"
    base_channels: int = 16  # of ST-GCN
    out_channels: int | None = None  # default: 256, of BiGRU 2048
    graph: Literal["spatial", "spatial_bfs", "agcn"] = "spatial"  # ST-GCN's adjacency
    embedding: int = 128
    head_norm: bool = False  # a batch normalisation in the head
    dropout: float = 0.5  # BiGRU has none
    initialization: Literal["official", "torch"] = "official"  # the papers are silent; the released code: N(0, 0.02)
    queue_size: int = 32768
    temperature: float = 0.07
    key_momentum: float = 0.999
    key_momentum_schedule: Literal["constant", "cosine"] = "constant"  # cosine: to 1 over the whole run
    exclude_own_keys: bool = False  # leave a clip's own older keys out of its negatives and neighbours


class Keys(NamedTuple):
    """A step's keys."""

    embeddings: Tensor  # (n, d)
    ids: Tensor  # (n,), their clips
    exclude: Tensor | None  # (n, k), the rows of the bank that are older keys of the same clips


class Output(NamedTuple):
    """What a step needs after the forward; several :class:`Keys` where several streams train together."""

    loss: Tensor
    keys: Sequence[Any]
    figures: Mapping[str, Tensor]


def follow(key: MomentumEncoder, query: nn.Module, *, schedule: str, step: int, total_steps: int) -> None:
    """Move a key branch towards its query branch, with its own momentum or along a cosine from there to 1."""
    cosine = schedule == "cosine"
    momentum = cosine_momentum(step, total_steps, base=key.momentum) if cosine else None
    key.update(query, momentum=momentum)


class MomentumContrast(nn.Module):
    """A query branch, its slowly following copy, and the queue of the copy's keys: the frame of all the methods.

    Args:
        query_branch: Clips ``(n, c, t, v, m)`` to embeddings ``(n, d)``.
        queue: Of d features.
        temperature: Of the logits.
        key_momentum: Of the copy, or its first value.
        key_momentum_schedule: ``"constant"``, or ``"cosine"`` to 1.
        exclude_own_keys: Whether a clip's own older keys are left out of its logits.
    """

    def __init__(
        self,
        query_branch: nn.Sequential,
        *,
        queue: MomentumQueue,
        temperature: float = 0.07,
        key_momentum: float = 0.999,
        key_momentum_schedule: str = "constant",
        exclude_own_keys: bool = False,
    ) -> None:
        super().__init__()
        self.query_branch = query_branch
        self.key_branch = MomentumEncoder(query_branch, momentum=key_momentum)
        self.queue = queue
        self.temperature = temperature
        self.key_momentum_schedule = key_momentum_schedule
        self.exclude_own_keys = exclude_own_keys

    @property
    def channels(self) -> int:
        """Of the encoder's feature map."""
        return self.query_branch[0].out_channels  # type: ignore[return-value]

    def keys(self, view: Tensor, ids: Tensor) -> Keys:
        """Embed a view ``(n, c, t, v, m)`` of the clips ``ids`` by the key branch, without gradient."""
        return self.as_keys(self.key_branch(view), ids)

    def as_keys(self, embeddings: Tensor, ids: Tensor) -> Keys:
        """Keys of the clips ``ids``, for one who runs the key branch part by part."""
        return Keys(embeddings, ids, self.queue.own_rows(ids) if self.exclude_own_keys else None)

    def logits(self, embedding: Tensor, keys: Keys) -> Tensor:
        """Similarities ``(n, 1 + k)`` with the clip's own key and with the bank as it is."""
        bank = self.queue.bank
        return contrastive_logits(embedding, keys.embeddings, bank, temperature=self.temperature, exclude=keys.exclude)

    @torch.no_grad()
    def update(self, keys: Keys, *, step: int, total_steps: int) -> None:
        """After the optimiser's step: move the key branch, then let the keys of all processes into the queue."""
        schedule = self.key_momentum_schedule
        follow(self.key_branch, self.query_branch, schedule=schedule, step=step, total_steps=total_steps)
        self.queue.enqueue(gather_keys(keys.embeddings), ids=gather_keys(keys.ids))


def make_encoder(options: MethodOptions, *, layout: SkeletonLayout, persons: int) -> STGCN | DSTA | BiGRU:
    """The encoder, as the options say: a module from clips to feature maps with ``out_channels``."""
    out_channels = options.out_channels or (2048 if options.encoder == "bigru" else 256)
    divisor = {"stgcn": 1, "dsta": 16, "bigru": 2}[options.encoder]
    if out_channels < 1 or out_channels % divisor:
        raise ValueError(f"out_channels: expected a multiple of {divisor} for {options.encoder}, got {out_channels}")
    if options.encoder == "bigru":
        return BiGRU(layout, persons=persons, hidden_features=out_channels // 2)
    if options.encoder == "dsta":
        layers = [(*(width * out_channels // 256 for width in widths), stride) for *widths, stride in DSTA_LAYERS]
        return DSTA(layout, frames=options.frames, layers=layers, dropout=options.dropout)
    return STGCN(
        layout,
        base_channels=options.base_channels,
        out_channels=out_channels,
        dropout=options.dropout,
        strategy=options.graph,
    )


def check_joints(options: MethodOptions, *, needed_by: str) -> None:
    """Refuse an encoder whose map has no joints where a block works on them."""
    if options.encoder == "bigru":
        raise ValueError(
            f"encoder: BiGRU's feature map has no joints, which {needed_by} works on; choose stgcn or dsta, "
            "or leave that block out"
        )


def make_contrast(options: MethodOptions, *, layout: SkeletonLayout, persons: int) -> MomentumContrast:
    """Encoder, pooling and head, their momentum copy and a queue, as the options say."""
    encoder = make_encoder(options, layout=layout, persons=persons)
    channels = encoder.out_channels
    head = ProjectionHead(
        channels,
        hidden_features=channels,
        out_features=options.embedding,
        batch_norm=options.head_norm,
    )
    branch = nn.Sequential(encoder, Pool(), head)
    if options.initialization == "official":
        initialize_official(branch)
    return MomentumContrast(
        branch,
        queue=MomentumQueue(options.embedding, size=options.queue_size),
        temperature=options.temperature,
        key_momentum=options.key_momentum,
        key_momentum_schedule=options.key_momentum_schedule,
        exclude_own_keys=options.exclude_own_keys,
    )


class Views:
    """Clips to views, one a transform: augmented as joints, then turned into each of the streams.

    Returns all views of the first stream, then all of the next; the streams of a view are those of one augmented clip.
    """

    def __init__(
        self, transforms: Sequence[Callable[..., Tensor]], *, layout: SkeletonLayout, stream: str | Sequence[str]
    ) -> None:
        self.transforms = transforms
        self.layout = layout
        self.streams = [stream] if isinstance(stream, str) else stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        augmented = [transform(clips, generator=generator) for transform in self.transforms]
        return [streams.convert(view, stream, layout=self.layout) for stream in self.streams for view in augmented]


def stage_start(chosen: int | str, *, epochs: int) -> int | None:
    """How many epochs come before the second stage of a training; None: there is none."""
    return {"half": epochs // 2, "never": None}[chosen] if isinstance(chosen, str) else chosen


def train_method(
    name: str,
    options: MethodOptions,
    *,
    build: Callable[..., Any],
    make_views: Callable[..., Callable[[Tensor, torch.Generator], Sequence[Tensor]]],
    encoders: Callable[[Any], Mapping[str, nn.Module]] | None = None,
    pictures: Callable[..., Mapping[str, Figure]] | None = None,
    sets: Sets | None = None,
) -> dict[str, float]:
    """Pretrain, evaluate, draw.

    Args:
        name: Of the method; the default folder is ``runs/<name>_<data>_<split>_<stream>``.
        options: The method's.
        build: From options, layout and number of persons to the method; :func:`engine.pretrain` says what it must have.
        make_views: From options and layout to the views of its forward.
        encoders: From the method to the encoder of each stream; default, its ``contrast``'s, of ``options.stream``.
        pictures: From the trained method, sets and options to the method's own pictures, by name.
        sets: Training and test clips; default, those that the options name.

    Returns:
        The figures of the last epoch. Accuracies are those of ``options.stream``; where several streams were trained,
        the others' bear their name.
    """
    fabric = make_fabric(options)
    sets = sets or load_sets(options)
    check_queue(size=options.queue_size, batch_size=options.batch_size, clips=len(sets.train))
    data = "_".join((Path(options.data).stem, options.split, options.stream))
    options = dataclasses.replace(options, folder=options.folder or f"runs/{name}_{data}")
    torch.manual_seed(options.seed)
    method = build(options, layout=sets.layout, persons=sets.persons)
    by_stream = encoders(method) if encoders else {options.stream: method.contrast.query_branch[0]}

    def evaluate() -> dict[str, float]:
        figures = accuracies(by_stream[options.stream], sets, options)
        for stream, encoder in by_stream.items():
            if stream != options.stream:
                other = accuracies(encoder, sets, dataclasses.replace(options, stream=stream))  # type: ignore[arg-type]
                figures |= {f"{figure}_{stream}": value for figure, value in other.items()}
        return figures

    folder = RunFolder(options.folder or "", options=vars(options), write=fabric.global_rank == 0)
    if folder.write:
        _write_layout(folder, sets.layout, resume=options.resume)
    history = pretrain(
        method,
        fabric=fabric,
        dataset=sets.train,
        make_views=make_views(options, layout=sets.layout),
        options=options,
        folder=folder,
        evaluate=evaluate if sets.labelled else None,
    )
    if folder.write:
        for stream, encoder in by_stream.items():
            where = "encoder" if len(by_stream) == 1 else f"encoder_{stream}"
            _save_encoder(encoder, folder.path / where, sets=sets, stream=stream, options=options)
        draw_run(
            folder.path,
            encoder=by_stream[options.stream],
            sets=sets,
            history=history,
            stream=options.stream,
        )
        for picture, figure in (pictures(method, sets, options) if pictures else {}).items():
            figure.savefig(folder.path / f"{picture}.png")
    return history[-1]


def _write_layout(folder: RunFolder, layout: SkeletonLayout, *, resume: bool) -> None:
    path = folder.path / LAYOUT
    if resume and folder.checkpoint.exists() and path.exists():
        theirs = SkeletonLayout.from_dict(json.loads(path.read_text()))
        if theirs != layout:
            raise ValueError(
                f"resume: {folder.checkpoint} was trained on clips of {theirs.name!r}, these are of {layout.name!r} or "
                "another version of it; choose another folder, or resume=false"
            )
    folder.replace(LAYOUT, json.dumps(layout.to_dict()) + "\n")


def _save_encoder(encoder: nn.Module, folder: Path, *, sets: Sets, stream: str, options: MethodOptions) -> None:
    """As a pretrained folder, for `python -m skelblocks embed` and `export`; two encoders side by side have none."""
    if not isinstance(encoder, STGCN | DSTA | BiGRU):
        return
    made: dict[str, Any] = {"center": options.center, "align": options.align}
    if isinstance(sets.train, PreparedSet):
        made = {name: sets.train.manifest["settings"][name] for name in ("center", "per", "body", "align")}
    _, frames, _, persons = sets.train[0].clip.shape
    given = InputDescription(stream=stream, frames=frames, persons=persons, **made)
    save_pretrained(
        folder,
        encoder=encoder,
        input=None if options.joints else given,  # the clips of some joints are centred with all of them
        metadata={"options": vars(options)},
        overwrite=True,
    )
