"""Build blocks with the sizes of an official checkpoint's tensors, before its weights are loaded.

Axes: s subsets of the neighbourhood, v joints, d embedding, k bank rows, o and i outputs and inputs of a layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from skelblocks.attention import MHSAM, MsMAttention
from skelblocks.augment import LearnableJointMask
from skelblocks.contrast import MomentumQueue
from skelblocks.encoders import STGCN, ProjectionHead
from skelblocks.interop.official import official_keys as keys
from skelblocks.interop.official.match_graph import layouts_of, match_graph, some_graph
from skelblocks.interop.official.official_checkpoint import OfficialCheckpoint, OfficialStream
from skelblocks.interop.official.official_sources import BARE, STREAM_SUFFIX, Source
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import Stream

_AGCN = ("SkeAttnCLR", "SkeleMixCLR")


@dataclass
class OfficialBlocks:
    """Makes the blocks of one checkpoint.

    Sizes come from the shapes of the weight matrices. These use as much memory as the blocks, so a small file cannot
    request huge blocks. Where a matrix is missing, the released configurations' size is taken.

    Args:
        state: The checkpoint, by official names.
        source: The method.
        pretraining: Whether it is a file of pre-training, with key encoder and bank, and not of a linear evaluation.
        layout: A skeleton, or ``"auto"``.
        check_graph: Whether ``A`` must be one of our graphs.
        num_heads: Of ``MHSAM``, which shapes do not say.
        sharpness: Of ``MHSAM``.
        notes: What users ought to know; added to.
    """

    state: Mapping[str, Tensor]
    source: Source
    pretraining: bool
    layout: str | Mapping[str, Any] | SkeletonLayout = "auto"
    check_graph: bool = True
    num_heads: int = 8
    sharpness: float = 2.0
    notes: list[str] = field(default_factory=list)

    def checkpoint(self, *, stream: Stream, streams: Sequence[Stream]) -> OfficialCheckpoint:
        """All blocks, with initial weights."""
        blocks = {name: self._stream(name) for name in streams}
        extra: dict[str, Any] = {}
        head = blocks[stream].head
        if self.pretraining and self.source == "HiCLR":
            extra["joint_mask"] = LearnableJointMask()
        if self.pretraining and self.source == "SkeAttnCLR" and head is not None:
            d = head.out_features
            extra["predictors"] = nn.ModuleList(
                ProjectionHead(
                    d,
                    hidden_features=self._outputs(f"{name}.mlp.0.weight", inputs=d, default=256),
                    out_features=d,
                    batch_norm=True,
                    bias=False,
                )
                for name in keys.PREDICTORS
            )
            extra["side_queues"] = {name: self._queue(suffix, d) for name, suffix in keys.SIDE_QUEUES.items()}
        return OfficialCheckpoint(source=self.source, streams=blocks, stream=stream, **extra)

    def _stream(self, stream: Stream) -> OfficialStream:
        crossed = self.source == "CrosSCLR"
        suffix = STREAM_SUFFIX[stream] if crossed else ""
        prefix = "" if self.source in BARE else f"encoder_q{suffix}."
        blocks = self._branch(prefix, nested=crossed and bool(suffix))
        if self.pretraining:
            key = self._branch(f"encoder_k{suffix}.", nested=crossed and bool(suffix))
            blocks.update({f"key_{name}": block for name, block in key.items()})
            blocks["queue"] = self._queue("_z" if self.source == "SkeAttnCLR" else suffix, blocks["head"].out_features)
            return OfficialStream(**blocks)
        fc = f"{prefix}backbone.fc" if self.source == "SkeAttnCLR" else f"{prefix}fc"
        if self.source not in BARE or any(name.startswith(f"{fc}.") for name in self.state):
            channels = blocks["encoder"].out_channels
            blocks["classifier"] = nn.Linear(channels, self._outputs(f"{fc}.weight", inputs=channels, default=60))
        return OfficialStream(**blocks)

    def _branch(self, prefix: str, *, nested: bool) -> dict[str, Any]:
        skeattn = self.source == "SkeAttnCLR"
        encoder = self._encoder(f"{prefix}backbone." if skeattn else prefix)
        blocks: dict[str, Any] = {"encoder": encoder}
        channels = encoder.out_channels
        if skeattn:
            blocks["attention"] = MHSAM(channels, num_heads=self.num_heads, sharpness=self.sharpness)
        elif self.source == "MsMCLR":
            down = self._outputs(f"{prefix}m2a.conv_down.weight", inputs=channels, default=max(channels // 8, 1))
            # As released; the paper's frames are attention.segment = None.
            blocks["attention"] = MsMAttention(
                channels, layout=encoder.layout, reduction=channels // min(down, channels), segment=8
            )
        if self.pretraining or skeattn:
            blocks["head"] = self._head(f"{prefix}neck.proj.mlp." if skeattn else f"{prefix}fc.", channels, nested)
        return blocks

    def _encoder(self, prefix: str) -> STGCN:
        places = [f"{i + 1}" if self.source == "HiCLR" else f".{i}" for i in range(10)]
        graphs = [f"{prefix}A", *(f"{prefix}edge_importance{place}" for place in places)]
        subsets, _, joints = next((g.shape for name in graphs if (g := self._axes(name, 3)) is not None), (3, 25, 25))
        graph = self._axes(graphs[0], 3)
        strategy = "agcn" if self.source in _AGCN else "spatial"
        if graph is None or not self.check_graph:
            found = some_graph(layouts_of(joints, layout=self.layout)[0], subsets=subsets, strategy=strategy)
            if graph is not None:
                self.notes.append(f"{graphs[0]}: taken as it is, not compared with a layout's")
        else:
            found, *others = match_graph(graph, layout=self.layout, name=graphs[0])
            same = ", ".join(f"{other.strategy!r} of {other.layout.name!r}" for other in others)
            more = f"; equal to {same}" if same else ""
            self.notes.append(f"{graphs[0]}: {found.strategy!r} of {found.layout.name!r}{more}")
        edge_importance = any(name in self.state for name in graphs[1:])
        if not edge_importance:
            self.notes.append(f"{prefix}edge_importance: none in the file, made without")
        out = self._square(f"{prefix}st_gcn_networks.9.tcn.2.weight", default=256)
        base = self._square(
            f"{prefix}st_gcn_networks.0.tcn.2.weight", default=64 if self.source == "SkeAttnCLR" else 16
        )
        first = self._axes(f"{prefix}st_gcn_networks.0.gcn.conv.weight", 4)
        return STGCN(
            found.layout,
            in_channels=first.shape[1] if first is not None and len(first) == base * subsets else 3,
            base_channels=base,
            out_channels=out,
            strategy=found.strategy,
            max_hop=found.max_hop,
            dilation=found.dilation,
            edge_importance=edge_importance,
        )

    def _head(self, prefix: str, channels: int, nested: bool) -> ProjectionHead:
        layered = any(name.startswith(prefix) and name[len(prefix) :][:1].isdigit() for name in self.state)
        if f"{prefix}weight" in self.state and not layered:
            d = self._outputs(f"{prefix}weight", inputs=channels, default=128)
            return ProjectionHead(channels, out_features=d, hidden_layers=0)
        batch_norm = self.source in _AGCN
        hidden = self._outputs(f"{prefix}0.weight", inputs=channels, default=channels)
        last = "2.2" if nested else "3" if batch_norm else "2"
        return ProjectionHead(
            channels,
            hidden_features=hidden,
            out_features=self._outputs(f"{prefix}{last}.weight", inputs=hidden, default=128),
            batch_norm=batch_norm,
            hidden_layers=2 if nested else 1,
            bias=self.source != "SkeAttnCLR",
        )

    def _queue(self, suffix: str, d: int) -> MomentumQueue:
        bank = self._axes(f"queue{suffix}", 2)
        return MomentumQueue(d, size=bank.shape[1] if bank is not None and len(bank) == d else 32768)

    def _axes(self, name: str, axes: int) -> Tensor | None:
        value = self.state.get(name)
        return value if value is not None and value.ndim == axes and value.numel() else None

    def _square(self, name: str, *, default: int) -> int:
        value = self._axes(name, 4)
        return default if value is None or value.shape[0] != value.shape[1] else value.shape[0]

    def _outputs(self, name: str, *, inputs: int, default: int) -> int:
        value = self.state.get(name)
        fits = value is not None and value.ndim >= 2 and value.shape[1] == inputs and value.numel()
        return value.shape[0] if value is not None and fits else default
