"""An official checkpoint as this package's blocks, with the place of each tensor in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from skelblocks.attention import MHSAM, MsMAttention
from skelblocks.augment import LearnableJointMask
from skelblocks.clips import Preprocessing
from skelblocks.contrast import MomentumQueue
from skelblocks.data.ntu_class_names import NTU60_CLASS_NAMES, NTU120_CLASS_NAMES
from skelblocks.encoders import STGCN, ProjectionHead
from skelblocks.interop.official import official_keys as keys
from skelblocks.interop.official.load_report import LoadReport
from skelblocks.interop.official.official_keys import Form, OfficialKey
from skelblocks.interop.official.official_sources import BARE, CONVOLUTIONAL, FRAMES, STREAM_SUFFIX, Source
from skelblocks.streams import Stream

READ: Mapping[Form, Callable[[Tensor], Tensor]] = {
    "same": lambda x: x,
    "conv1d": lambda x: rearrange(x, "o i 1 -> o i"),
    "conv2d": lambda x: rearrange(x, "o i 1 1 -> o i"),
    "transposed": lambda x: rearrange(x, "d k -> k d"),
    "one": lambda x: rearrange(x, "1 -> "),
}
WRITE: Mapping[Form, Callable[[Tensor], Tensor]] = {
    "same": lambda x: x,
    "conv1d": lambda x: rearrange(x, "o i -> o i 1"),
    "conv2d": lambda x: rearrange(x, "o i -> o i 1 1"),
    "transposed": lambda x: rearrange(x, "k d -> d k"),
    "one": lambda x: rearrange(x, " -> 1"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class OfficialStream:
    """What was trained on one stream: the query's blocks, the key's, and the bank.

    Attributes:
        encoder: The query encoder, which is evaluated and fine-tuned.
        head: Its projection head; None in files of linear evaluations, except SkeAttnCLR's.
        attention: ``MsMAttention`` of MsMCLR, ``MHSAM`` of SkeAttnCLR.
        classifier: Linear layer of classes, in files of linear evaluations; it takes ``pool(encoder(x))``.
        queue: The bank with its pointer. Official files do not know which clip a row is from.
        key_encoder: The momentum encoder.
        key_head: Its head.
        key_attention: Its attention, which no released code uses.
    """

    encoder: STGCN
    head: ProjectionHead | None = None
    attention: MsMAttention | MHSAM | None = None
    classifier: nn.Linear | None = None
    queue: MomentumQueue | None = None
    key_encoder: STGCN | None = None
    key_head: ProjectionHead | None = None
    key_attention: MsMAttention | MHSAM | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class OfficialCheckpoint:
    """The result of :func:`load_official` and the input of :func:`to_official`.

    Attributes:
        source: The method, one of ``SOURCES``.
        streams: The blocks of each stream: one, or CrosSCLR's two or three, by ``"joint"``, ``"motion"``, ``"bone"``.
        stream: The one that ``encoder``, ``head`` and the other properties are of.
        predictors: SkeAttnCLR's three, for the whole clip, its salient part and the rest.
        side_queues: SkeAttnCLR's ``"salient"`` and ``"non_salient"`` banks, which its losses never read.
        joint_mask: HiCLR's learnable mask.
        forms: How the file writes the weights of linear layers, by official name, where that is not the method's usual
            form: ActCLR's released classifiers are convolutions of size one, for instance.
        unused: Tensors of the file that its own code never uses, kept for :func:`to_official`.
        report: What became of every tensor of the file.
    """

    source: Source
    streams: Mapping[Stream, OfficialStream]
    stream: Stream = "joint"
    predictors: nn.ModuleList | None = None
    side_queues: Mapping[str, MomentumQueue] = field(default_factory=dict)
    joint_mask: LearnableJointMask | None = None
    forms: Mapping[str, Form] = field(default_factory=dict)
    unused: Mapping[str, Tensor] = field(default_factory=dict)
    report: LoadReport | None = None

    @property
    def encoder(self) -> STGCN:
        """The query encoder of the chosen stream."""
        return self.streams[self.stream].encoder

    @property
    def head(self) -> ProjectionHead | None:
        """Its projection head."""
        return self.streams[self.stream].head

    @property
    def attention(self) -> MsMAttention | MHSAM | None:
        """Its attention."""
        return self.streams[self.stream].attention

    @property
    def classifier(self) -> nn.Linear | None:
        """The linear evaluation's layer; it takes ``pool(encoder(x))``."""
        return self.streams[self.stream].classifier

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of the classifier: NTU RGB+D's or NTU RGB+D 120's by their number, else none.

        The files themselves name no classes. A classifier of 60 or 120 classes of another data set gets wrong names.
        """
        classes = 0 if self.classifier is None else self.classifier.out_features
        return {60: NTU60_CLASS_NAMES, 120: NTU120_CLASS_NAMES}.get(classes, ())

    @property
    def preprocessing(self) -> Preprocessing:
        """The released code's preprocessing of the training clips.

        Coordinates are in meters, and clips in another unit are refused. The layout's center is the origin, the
        shoulders are turned to the camera, and there are two persons and 50 frames, or 64 for SkeAttnCLR and
        SkeleMixCLR. The files do not record these settings; they come from the released configurations.
        """
        alternatives = () if self.report is None else self.report.alternatives
        # Of the methods that write the same names, SkeleMixCLR alone has this graph.
        mixed = self.encoder.strategy == "agcn" and "SkeleMixCLR" in alternatives
        frames = FRAMES.get("SkeleMixCLR" if mixed else self.source, 50)
        return Preprocessing(frames=frames, align="official", persons=2, unit="meters")

    @property
    def queue(self) -> MomentumQueue | None:
        """The bank of the chosen stream."""
        return self.streams[self.stream].queue

    @property
    def key_encoder(self) -> STGCN | None:
        """The momentum encoder of the chosen stream."""
        return self.streams[self.stream].key_encoder

    @property
    def key_head(self) -> ProjectionHead | None:
        """The momentum encoder's head."""
        return self.streams[self.stream].key_head


class Piece(NamedTuple):
    """One of our modules, where it stands in the checkpoint, and its tensors' official names."""

    path: str
    module: nn.Module
    keys: dict[str, OfficialKey]

    @property
    def ours_alone(self) -> list[str]:
        """Tensors that official files do not have."""
        return [name for name in self.module.state_dict() if name not in self.keys]

    def written(self, forms: Mapping[str, Form]) -> Piece:
        """The same piece with some of its tensors in other forms, by official name."""
        keys = {ours: key._replace(form=forms.get(key.name, key.form)) for ours, key in self.keys.items()}
        return self._replace(keys=keys)


def pieces(checkpoint: OfficialCheckpoint) -> list[Piece]:
    """Every module of a checkpoint with its names, from which reading and writing both follow."""
    skeattn = checkpoint.source == "SkeAttnCLR"
    form: Form = "conv1d" if skeattn else "conv2d" if checkpoint.source in CONVOLUTIONAL else "same"
    found: list[Piece] = []
    for stream, blocks in checkpoint.streams.items():
        crossed = checkpoint.source == "CrosSCLR"
        suffix = STREAM_SUFFIX[stream] if crossed else ""
        path = f"streams.{stream}." if len(checkpoint.streams) > 1 else ""
        for letter, ours in (("q", ""), ("k", "key_")):
            prefix = "" if checkpoint.source in BARE else f"encoder_{letter}{suffix}."
            backbone = f"{prefix}backbone." if skeattn else prefix
            encoder = getattr(blocks, f"{ours}encoder")
            if encoder is not None:
                names = keys.encoder_keys(encoder.state_dict(), prefix=backbone, dotted=checkpoint.source != "HiCLR")
                found.append(Piece(f"{path}{ours}encoder", encoder, names))
            head = getattr(blocks, f"{ours}head")
            if head is not None:
                where = f"{prefix}neck.proj.mlp." if skeattn else f"{prefix}fc."
                nested = crossed and "layers.4.weight" in head.state_dict()
                names = keys.head_keys(head.state_dict(), prefix=where, form=form, bias=not skeattn, nested=nested)
                found.append(Piece(f"{path}{ours}head", head, names))
            attention = getattr(blocks, f"{ours}attention")
            if isinstance(attention, MHSAM):
                names = keys.mhsam_keys(attention.state_dict(), prefix=f"{prefix}neck.")
                found.append(Piece(f"{path}{ours}attention", attention, names))
            elif attention is not None:
                names = {name: OfficialKey(f"{prefix}m2a.{name}") for name in attention.state_dict()}
                found.append(Piece(f"{path}{ours}attention", attention, names))
            if letter == "q" and blocks.classifier is not None:
                names = {"weight": OfficialKey(f"{backbone}fc.weight", "same" if skeattn else form)}
                names["bias"] = OfficialKey(f"{backbone}fc.bias")
                found.append(Piece(f"{path}classifier", blocks.classifier, names))
        if blocks.queue is not None:
            found.append(Piece(f"{path}queue", blocks.queue, keys.queue_keys("_z" if skeattn else suffix)))
    for name, queue in checkpoint.side_queues.items():
        found.append(Piece(f"side_queues.{name}", queue, keys.queue_keys(keys.SIDE_QUEUES[name])))
    for i, predictor in enumerate(checkpoint.predictors or ()):
        names = keys.head_keys(predictor.state_dict(), prefix=f"{keys.PREDICTORS[i]}.mlp.", form="conv1d", bias=False)
        found.append(Piece(f"predictors.{i}", predictor, names))
    if checkpoint.joint_mask is not None:
        found.append(Piece("joint_mask", checkpoint.joint_mask, {"fill": OfficialKey("mask_param")}))
    return [
        piece._replace(keys={ours: _as_written(key, checkpoint) for ours, key in piece.keys.items()}) for piece in found
    ]


def _as_written(key: OfficialKey, checkpoint: OfficialCheckpoint) -> OfficialKey:
    return key._replace(form=checkpoint.forms.get(key.name, key.form))


def weights_dtype(state: Mapping[str, Tensor]) -> torch.dtype:
    """The one dtype of a state dict's weights."""
    return next((value.dtype for value in state.values() if value.is_floating_point()), torch.float32)
