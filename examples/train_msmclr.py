"""MsMCLR, assembled from blocks: multi-scale motion contrastive learning (Multimedia Systems 30(5), 2024).

    python examples/train_msmclr.py --config examples/configs/synthetic_small.yaml
    python examples/train_msmclr.py --data clips.npz --layout utd-mhad --stream bone --epochs 100

Copy this file and edit it: a method is one page of blocks, and the loop around it is in engine.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from datasets import DataOptions, Sets, load_sets
from engine import RunFolder, TrainingOptions, check_queue, make_fabric, parse, pretrain
from evaluation import EvaluationOptions, accuracies, draw_run
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.attention import MsMAttention
from skelblocks.augment import recipes
from skelblocks.contrast import MomentumEncoder, MomentumQueue, contrastive_logits
from skelblocks.distributed import gather_keys, is_main_process
from skelblocks.encoders import STGCN, Pool, ProjectionHead, initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import d3m_loss, info_nce, nearest_neighbor_loss, nearest_neighbor_mask


@dataclass(kw_only=True)
class Options(TrainingOptions, DataOptions, EvaluationOptions):
    """Everything that the command line and the YAML files set."""

    base_channels: int = 16
    out_channels: int = 256
    embedding: int = 128
    dropout: float = 0.5
    initialization: Literal["official", "torch"] = "official"  # the paper is silent; the released code draws N(0, 0.02)
    queue_size: int = 32768
    temperature: float = 0.07
    key_momentum: float = 0.999
    strong: Literal["paper", "official"] = "paper"  # which list of strong augmentations
    attention: Literal["both", "frame", "node", "none"] = "both"  # MsM attention's motion; none: table 4's first row
    scales: list[str] | None = None  # default: joint, part, body; [joint]: "w/o Ms", table 4's second row
    segment: int | None = None  # 8: attention across the batch, as the released code
    mining_epoch: int | None = None  # from this epoch on nearest neighbours are positives too: 150 in the released code
    mining_top_k: int = 1
    exclude_own_keys: bool = False  # leave a clip's own older keys out of its negatives


class MsMCLROutput(NamedTuple):
    """What a step needs after the forward."""

    loss: Tensor
    keys: Tensor
    ids: Tensor
    figures: Mapping[str, Tensor]


class MsMCLR(nn.Module):
    """Two query branches with shared weights, a key branch, a queue: L = L_Info + L_Ms (section 3, eqs. 3-10).

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(
        self,
        *,
        encoder: nn.Module,
        head: nn.Module,
        attention: nn.Module | None,
        queue: MomentumQueue,
        temperature: float = 0.07,
        key_momentum: float = 0.999,
        mining_epoch: int | None = None,
        mining_top_k: int = 1,
        exclude_own_keys: bool = False,
    ) -> None:
        super().__init__()
        self.query_branch = nn.Sequential(encoder, Pool(), head)
        self.key_branch = MomentumEncoder(self.query_branch, momentum=key_momentum)
        self.attention = attention
        self.queue = queue
        self.temperature = temperature
        self.mining_epoch, self.mining_top_k = mining_epoch, mining_top_k
        self.exclude_own_keys = exclude_own_keys

    def forward(self, query: Tensor, strong: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> MsMCLROutput:
        """The loss of three views ``(n, c, t, v, m)`` of the clips ``ids``, against the bank as it is."""
        encoder, *pool_and_head = self.query_branch
        keys = self.key_branch(key)
        exclude = self.queue.own_rows(ids) if self.exclude_own_keys else None

        def logits(feature_map: Tensor) -> Tensor:
            for module in pool_and_head:
                feature_map = module(feature_map)
            return contrastive_logits(feature_map, keys, self.queue.bank, temperature=self.temperature, exclude=exclude)

        ordinary = logits(encoder(query))
        strong_map = encoder(strong)
        scales = [strong_map] if self.attention is None else self.attention(strong_map)
        branches = [logits(feature_map) for feature_map in scales]
        if self.mining_epoch is not None and epoch >= self.mining_epoch:
            mask = nearest_neighbor_mask([ordinary, *branches], top_k=self.mining_top_k, exclude=exclude)
            contrast = nearest_neighbor_loss(ordinary, mask, reduction_over_positives="mean")
        else:
            contrast = info_nce(ordinary)
        motion = d3m_loss(branches, ordinary)
        figures = {"contrast": contrast.detach(), "multi_scale_motion": motion.detach()}
        return MsMCLROutput(contrast + motion, keys, ids, figures)

    @torch.no_grad()
    def update(self, output: MsMCLROutput) -> None:
        """After the optimiser's step: move the key branch, then let the keys into the queue."""
        self.key_branch.update(self.query_branch)
        self.queue.enqueue(gather_keys(output.keys), ids=gather_keys(output.ids))


def build(options: Options, *, layout: SkeletonLayout) -> MsMCLR:
    """The blocks, put together as the options say."""
    torch.manual_seed(options.seed)
    encoder = STGCN(
        layout, base_channels=options.base_channels, out_channels=options.out_channels, dropout=options.dropout
    )
    head = ProjectionHead(options.out_channels, hidden_features=options.out_channels, out_features=options.embedding)
    attention = None
    if options.attention != "none":
        attention = MsMAttention(
            options.out_channels,
            layout=layout,
            motion=options.attention,
            scales=tuple(options.scales or ("joint", "part", "body")),
            segment=options.segment,
        )
    if options.initialization == "official":
        for module in (encoder, head, attention):
            if module is not None:
                initialize_official(module)
    return MsMCLR(
        encoder=encoder,
        head=head,
        attention=attention,
        queue=MomentumQueue(options.embedding, size=options.queue_size),
        temperature=options.temperature,
        key_momentum=options.key_momentum,
        mining_epoch=options.mining_epoch,
        mining_top_k=options.mining_top_k,
        exclude_own_keys=options.exclude_own_keys,
    )


class Views:
    """Clips to three views: ordinary query, strong query, ordinary key; augmented, then turned into the stream."""

    def __init__(self, options: Options, *, layout: SkeletonLayout) -> None:
        self.ordinary = recipes.normal()
        strong = recipes.msmclr_strong if options.strong == "paper" else recipes.msmclr_strong_official
        self.strong = strong(layout)
        self.layout, self.stream = layout, options.stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        return [
            streams.convert(augment(clips, generator=generator), self.stream, layout=self.layout)
            for augment in (self.ordinary, self.strong, self.ordinary)
        ]


def train(options: Options, *, sets: Sets | None = None) -> dict[str, float]:
    """Pretrain, evaluate, draw; the figures of the last epoch."""
    fabric = make_fabric(options)
    sets = sets or load_sets(options)
    check_queue(size=options.queue_size, batch_size=options.batch_size, clips=len(sets.train))
    method = build(options, layout=sets.layout)
    encoder = method.query_branch[0]
    folder = RunFolder(options.folder, options=vars(options), write=fabric.global_rank == 0)
    history = pretrain(
        method,
        fabric=fabric,
        dataset=sets.train,
        make_views=Views(options, layout=sets.layout),
        options=options,
        folder=folder,
        evaluate=(lambda: accuracies(encoder, sets, options)) if sets.labelled else None,
    )
    if folder.write:
        draw_run(
            folder.path,
            encoder=encoder,
            attention=method.attention,
            sets=sets,
            history=history,
            stream=options.stream,
        )
    return history[-1]


if __name__ == "__main__":
    result = train(parse(Options))
    if is_main_process():
        print(", ".join(f"{name} {value:.4g}" for name, value in result.items()))
