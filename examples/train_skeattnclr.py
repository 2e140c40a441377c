"""SkeAttnCLR, assembled from blocks: attention splits a clip into what is salient and the rest (IJCAI 2023).

    python examples/train_skeattnclr.py --config examples/configs/synthetic_small.yaml
    python examples/train_skeattnclr.py --data clips.npz --layout utd-mhad --encoder dsta --epochs 100

Its ST-GCN has 64 base channels where the other methods have 16: 3.75 times the parameters (its table 12). Compare
methods at the same `--base-channels`.

Copy this file and edit it; the parts that the methods share are in method.py, a whole run is in training.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from command_line import main
from datasets import Sets
from matplotlib.figure import Figure
from method import MethodOptions, MomentumContrast, Output, make_contrast
from run_pictures import feature_maps
from torch import Tensor, nn
from training import train_method

from skelblocks import streams
from skelblocks.attention import MHSAM, soft_mask_pool
from skelblocks.augment import recipes
from skelblocks.encoders import ProjectionHead, initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import info_nce, salient_contrast
from skelblocks.viz import attention_map


@dataclass(kw_only=True)
class Options(MethodOptions):
    """Everything that the command line and the YAML files set; defaults: section 4.2 and tables 8 to 12."""

    frames: int = 64
    base_channels: int = 64
    head_norm: bool = True  # the paper is silent; the released code's
    head_bias: bool = False  # the same
    temperature: float = 0.2
    key_momentum: float = 0.996
    key_momentum_schedule: Literal["constant", "cosine"] = "cosine"
    probe_milestone: int = 60
    heads: int = 8
    sharpness: float = 2.0  # lambda
    mu: float = 0.5  # the salient part's share; 1 in the released joint configurations of NTU-60
    hard_negative: bool = True  # salient and non-salient repel each other; false: table 7
    detach_negative: bool = False  # true: the released code
    predictors: bool = False  # true: the released code, three more heads on the query's side
    swap: Literal["clip", "batch", "official"] = "clip"  # a region each, one for the batch, that with absent persons


class SkeAttnCLR(nn.Module):
    """Global contrast of plain clips, local contrast of a mixed clip under a soft mask (section 3).

    ``L = L_Info + mu * L_s + (1 - mu) * L_ns`` (eqs. 10, 11).

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(
        self,
        contrast: MomentumContrast,
        *,
        attention: nn.Module,
        predictors: nn.ModuleList | None = None,
        mu: float = 0.5,
        hard_negative: bool = True,
        detach_negative: bool = False,
    ) -> None:
        super().__init__()
        self.contrast = contrast
        self.attention = attention
        self.predictors = predictors or nn.ModuleList([nn.Identity() for _ in range(3)])
        self.mu, self.hard_negative, self.detach_negative = mu, hard_negative, detach_negative

    def forward(self, query: Tensor, mixed: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of three views ``(n, c, t, v, m)`` of the clips ``ids``; ``mixed`` is the query with swaps."""
        encoder, pool, head = self.contrast.query_branch
        key_branch: nn.Sequential = self.contrast.key_branch.encoder  # type: ignore[assignment]
        key_encoder, key_pool, key_head = key_branch
        predict, predict_salient, predict_rest = self.predictors

        mixed_map = encoder(mixed)
        mask = self.attention(mixed_map)
        salient, rest = (head(feature) for feature in soft_mask_pool(mixed_map, mask))
        with torch.no_grad():
            key_map = key_encoder(key)
            keys = self.contrast.as_keys(key_head(key_pool(key_map)), ids)
            key_salient, key_rest = (key_head(feature) for feature in soft_mask_pool(key_map, mask))

        whole = info_nce(self.contrast.logits(predict(head(pool(encoder(query)))), keys))
        local = salient_contrast(
            predict_salient(salient),
            predict_rest(rest),
            key_salient,
            key_rest,
            self.contrast.queue.bank,
            temperature=self.contrast.temperature,
            mu=self.mu,
            hard_negative=self.hard_negative,
            detach_negative=self.detach_negative,
            exclude=keys.exclude,
        )
        return Output(whole + local, [keys], {"contrast": whole.detach(), "local": local.detach()})

    def update(self, output: Output, **progress: int) -> None:
        """After the optimiser's step."""
        (keys,) = output.keys
        self.contrast.update(keys, **progress)


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> SkeAttnCLR:
    """The blocks, put together as the options say."""
    contrast = make_contrast(options, layout=layout, persons=persons, coordinates=coordinates)
    channels, features = contrast.channels, options.embedding
    attention = MHSAM(channels, num_heads=options.heads, sharpness=options.sharpness)
    predictors = None
    if options.predictors:
        hidden = 2 * features if options.encoder == "bigru" else channels  # both as released
        made: dict[str, Any] = {
            "hidden_features": hidden,
            "out_features": features,
            "batch_norm": True,
            "bias": options.head_bias,
        }
        predictors = nn.ModuleList(ProjectionHead(features, **made) for _ in range(3))
    if options.initialization == "official":
        for module in (attention, predictors):
            if module is not None:
                initialize_official(module)
    return SkeAttnCLR(
        contrast,
        attention=attention,
        predictors=predictors,
        mu=options.mu,
        hard_negative=options.hard_negative,
        detach_negative=options.detach_negative,
    )


class Views:
    """Query, query mixed with another clip's, key. Parts are swapped as joints, before bones or motion are taken."""

    def __init__(self, options: Options, *, layout: SkeletonLayout) -> None:
        self.augment = recipes.weak(shear_amplitude=options.shear_amplitude)
        official = options.swap == "official"
        shared = options.swap != "clip"
        self.swap = recipes.skeattnclr_swap(layout, same_on_batch=shared, on_absent_persons=official)
        self.layout, self.stream = layout, options.stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        query, key = (self.augment(clips, generator=generator) for _ in range(2))
        mixed = self.swap(query, generator=generator).clips
        return [streams.convert(view, self.stream, layout=self.layout) for view in (query, mixed, key)]


make_views = Views  # a function in the other scripts


def pictures(method: SkeAttnCLR, sets: Sets, options: Options) -> dict[str, Figure]:
    """How salient each joint of a test clip is at each time: on average, and in the channels that vary most."""
    maps = feature_maps(method.contrast.query_branch[0], sets, stream=options.stream)
    with torch.no_grad():
        salience = method.attention(maps)[0, 0].cpu()  # of the first person: (c, t, v)
    varied = salience.flatten(1).std(dim=1).topk(3).indices.tolist()
    shown = [salience.mean(dim=0), *(salience[channel] for channel in varied)]
    figure = attention_map(
        shown,
        names=["mean of channels", *(f"channel {channel}" for channel in varied)],
        xlabel="joint",
        ylabel="frame of the map",
        limits=(min(float(each.min()) for each in shown), max(float(each.max()) for each in shown)),
    )
    return {"attention": figure}


def train(options: Options, *, sets: Sets | None = None) -> dict[str, float]:
    """Pretrain, evaluate, draw; the figures of the last epoch."""
    return train_method("skeattnclr", options, build=build, make_views=make_views, pictures=pictures, sets=sets)


if __name__ == "__main__":
    main(train, Options)
