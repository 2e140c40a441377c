"""SkeAttnCLR, assembled from blocks: attention splits a clip into salient and other features (IJCAI 2023).

    python train_skeattnclr.py --config synthetic_small
    python train_skeattnclr.py --config small --data.path clips.npz --encoder.kind dsta

Its ST-GCN has 64 base channels instead of 16 as in the other methods, and so 3.75 times the parameters (table 12).
Compare methods at the same ``--encoder.base_channels``. Copy this file and edit it: ``skelblocks copy skeattnclr .``
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.attention import MHSAM, soft_mask_pool
from skelblocks.augment import recipes
from skelblocks.contrast import MomentumContrast
from skelblocks.encoders import ProjectionHead, initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import info_nce, salient_contrast
from skelblocks.streams import Stream
from skelblocks.training import (
    ContrastOptions,
    DataOptions,
    EncoderOptions,
    EvaluateOptions,
    MethodOptions,
    Output,
    Page,
    Sets,
    backbone_of,
    build_contrast,
    feature_maps,
)
from skelblocks.viz import attention_map


def _contrast() -> ContrastOptions:
    # The paper does not describe the head. The released code has a norm and no bias.
    head: dict[str, Any] = {"head_norm": True, "head_bias": False}
    return ContrastOptions(temperature=0.2, key_momentum=0.996, key_momentum_schedule="cosine", **head)


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. The defaults come from section 4.2 and tables 8 to 12."""

    data: DataOptions = field(default_factory=lambda: DataOptions(frames=64))
    encoder: EncoderOptions = field(default_factory=lambda: EncoderOptions(base_channels=64))
    contrast: ContrastOptions = field(default_factory=_contrast)
    evaluate: EvaluateOptions = field(default_factory=lambda: EvaluateOptions(probe_milestone=60))
    heads: int = 8  # heads of the attention
    sharpness: float = 2.0  # lambda, the sharpness of the mask
    mu: float = 0.5  # weight of the salient loss; 1 in the released joint configurations of NTU-60
    hard_negative: bool = True  # salient and non-salient repel each other; false: table 7
    detach_negative: bool = False  # true: the released code
    predictors: bool = False  # true: three more heads on the query's side, as in the released code
    swap: Literal["clip", "batch", "official"] = "clip"  # draw per clip, per batch, or per batch with absent persons


class SkeAttnCLR(nn.Module):
    """Global contrast of plain clips, and local contrast of a mixed clip with a soft mask (section 3).

    The loss is ``L_Info + mu * L_s + (1 - mu) * L_ns`` (eqs. 10, 11).

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
        stream: Stream = "joint",
    ) -> None:
        super().__init__()
        self.contrast = contrast
        self.attention = attention
        self.predictors = predictors or nn.ModuleList([nn.Identity() for _ in range(3)])
        self.mu, self.hard_negative, self.detach_negative = mu, hard_negative, detach_negative
        self.stream = stream

    def forward(self, query: Tensor, mixed: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of three views ``(n, c, t, v, m)`` of the clips ``ids``; ``mixed`` is the query with swaps."""
        encoder, pool, head = self.contrast.query_branch.children()
        key_encoder, key_pool, key_head = self.contrast.key_branch.encoder.children()
        predict, predict_salient, predict_rest = self.predictors
        absent: Any = pool.absent

        mixed_map = encoder(mixed)
        mask = self.attention(mixed_map)
        salient, rest = (head(feature) for feature in soft_mask_pool(mixed_map, mask, absent=absent))
        with torch.no_grad():
            key_map = key_encoder(key)
            keys = self.contrast.as_keys(key_head(key_pool(key_map)), ids)
            key_parts = soft_mask_pool(key_map, mask, absent=absent)
            key_salient, key_rest = (key_head(feature) for feature in key_parts)

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

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update the key branch and the queue after the optimizer's step."""
        self.contrast.update(*output.keys, step=step, total_steps=total_steps)

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders that a run saves."""
        return {self.stream: backbone_of(self.contrast)}


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> SkeAttnCLR:
    """Build the method from the options."""
    contrast = build_contrast(options, layout=layout, persons=persons, coordinates=coordinates)
    channels = backbone_of(contrast).out_channels
    features = options.contrast.embedding
    attention = MHSAM(channels, num_heads=options.heads, sharpness=options.sharpness, absent=options.encoder.absent)
    predictors = None
    if options.predictors:
        settings: dict[str, Any] = {
            "hidden_features": 2 * features if options.encoder.kind == "bigru" else channels,  # as in released code
            "out_features": features,
            "batch_norm": True,
            "bias": options.contrast.head_bias,
        }
        predictors = nn.ModuleList(ProjectionHead(features, **settings) for _ in range(3))
    if options.encoder.initialization == "official":
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
        stream=options.data.stream,
    )


class Views:
    """Query, query mixed with another clip, and key. Joints are mixed before the conversion to bones or motion."""

    def __init__(self, options: Options, *, layout: SkeletonLayout) -> None:
        self.augment = recipes.weak(shear_amplitude=options.contrast.shear_amplitude)
        official = options.swap == "official"
        same_on_batch = options.swap != "clip"
        self.swap = recipes.skeattnclr_swap(layout, same_on_batch=same_on_batch, on_absent_persons=official)
        self.layout, self.stream = layout, options.data.stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        """The three views of the clips."""
        query, key = (self.augment(clips, generator=generator) for _ in range(2))
        mixed = self.swap(query, generator=generator).clips
        return [streams.convert(view, self.stream, layout=self.layout) for view in (query, mixed, key)]


def pictures(method: SkeAttnCLR, sets: Sets, options: Options) -> dict[str, Any]:
    """The salience of each joint and frame of a test clip: on average, and in the channels that vary most."""
    (encoder,) = method.encoders().values()
    maps = feature_maps(encoder, sets, stream=options.data.stream)
    with torch.no_grad():
        salience = method.attention(maps)[0, 0].cpu()  # of the first person: (c, t, v)
    varied = salience.flatten(1).std(dim=1).topk(3).indices.tolist()
    maps_drawn = [salience.mean(dim=0), *(salience[channel] for channel in varied)]
    figure = attention_map(
        maps_drawn,
        names=["mean of channels", *(f"channel {channel}" for channel in varied)],
        xlabel="joint",
        ylabel="frame of the map",
        limits=(min(float(each.min()) for each in maps_drawn), max(float(each.max()) for each in maps_drawn)),
    )
    return {"attention": figure}


page = Page(name="skeattnclr", options=Options, build=build, make_views=Views, pictures=pictures)

if __name__ == "__main__":
    page.main()
