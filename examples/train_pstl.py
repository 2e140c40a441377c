"""PSTL, assembled from blocks: a clip must agree with parts of itself, without negatives (AAAI 2023).

    python train_pstl.py --config synthetic_small --config pstl_small
    python train_pstl.py --config small --config pstl_small --data.path clips.npz

There is no queue and no momentum encoder. From the group ``contrast`` it uses only the shear. Copy this file and edit
it: ``skelblocks copy pstl .``
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.augment import (
    CentralSpatialMask,
    Compose,
    MotionTemporalMask,
    RandomRotation,
    RandomShear,
    RandomSpatialFlip,
    RandomTemporalCrop,
)
from skelblocks.encoders import STGCN, BarlowProjector, Pool, initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import barlow_twins_loss
from skelblocks.streams import Stream
from skelblocks.training import (
    ContrastOptions,
    EncoderOptions,
    MethodOptions,
    Output,
    Page,
    Sets,
    TrainOptions,
    build_backbone,
    first_clip,
    in_picture,
)
from skelblocks.viz import draw_skeleton


def _train() -> TrainOptions:
    return TrainOptions(
        optimizer="adam", learning_rate=5e-3, weight_decay=1e-5, epochs=150, schedule="cosine", warmup_epochs=10
    )


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. The defaults come from the released code."""

    train: TrainOptions = field(default_factory=_train)
    encoder: EncoderOptions = field(default_factory=lambda: EncoderOptions(initialization="torch"))
    contrast: ContrastOptions = field(default_factory=lambda: ContrastOptions(shear_amplitude=1.0))
    projector_features: int = 6144  # width of each of the projector's three layers
    off_diagonal_weight: float = 2e-4  # lambda
    joint_ratio: float = 8 / 25  # share of joints to remove from one view
    moving_ratio: float = 10 / 50  # share of frames with the most motion, to remove from another view
    kept_ratio: float = 30 / 50  # share of frames that remain in this view
    same_on_batch: bool = False  # draw masks once per batch, as in the released code


class PSTL(nn.Module):
    """A plain view must agree with a view without some frames, and with a view without some joints.

    The loss is ``L_BT(plain, temporal) + L_BT(plain, spatial)``.

    Axes: n clips, c coordinates, t frames, v joints, m persons; s kept frames, w kept joints.
    """

    def __init__(
        self, encoder: STGCN, *, projector: nn.Module, off_diagonal_weight: float = 2e-4, stream: Stream = "joint"
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.pool = Pool(absent=encoder.absent)
        self.projector = projector
        self.off_diagonal_weight = off_diagonal_weight
        self.stream = stream

    def forward(
        self, plain: Tensor, temporal: Tensor, spatial: Tensor, keep_joints: Tensor, *, ids: Tensor, epoch: int = 0
    ) -> Output:
        """The loss of two views ``(n, c, t, v, m)`` and ``temporal (n, c, s, v, m)``; joints ``(n, w)`` or ``(w,)``."""
        maps = [self.encoder(plain), self.encoder(temporal), self.encoder(spatial, keep_joints=keep_joints)]
        whole, in_time, in_space = (self.projector(self.pool(each)) for each in maps)
        of_time, of_space = (
            barlow_twins_loss(whole, part, off_diagonal_weight=self.off_diagonal_weight) for part in (in_time, in_space)
        )
        return Output(of_time + of_space, (), {"temporal": of_time.detach(), "spatial": of_space.detach()})

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Do nothing: there is no key encoder and no queue."""

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders that a run saves."""
        return {self.stream: self.encoder}


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> PSTL:
    """Build the method from the options."""
    encoder = build_backbone(options, layout=layout, persons=persons, coordinates=coordinates)
    if not isinstance(encoder, STGCN):
        raise ValueError(
            f"encoder.kind: expected 'stgcn', got {options.encoder.kind!r}; PSTL's spatial mask removes joints from "
            "the graph, which no other encoder has"
        )
    width = options.projector_features
    projector = BarlowProjector(encoder.out_channels, hidden_features=width, out_features=width)
    method = PSTL(
        encoder, projector=projector, off_diagonal_weight=options.off_diagonal_weight, stream=options.data.stream
    )
    if options.encoder.initialization == "official":
        initialize_official(method)
    return method


class Views:
    """Three views. Frames and joints are removed after the conversion to bones or motion."""

    def __init__(self, options: Options, *, layout: SkeletonLayout) -> None:
        self.augment = Compose(
            [
                RandomTemporalCrop(),
                RandomShear(options.contrast.shear_amplitude),
                RandomRotation(),
                RandomSpatialFlip(layout),
            ]
        )
        same: dict[str, Any] = {"same_on_batch": options.same_on_batch}
        self.temporal = MotionTemporalMask(moving_ratio=options.moving_ratio, kept_ratio=options.kept_ratio, **same)
        self.spatial = CentralSpatialMask(layout, ratio=options.joint_ratio, **same)
        self.layout, self.stream = layout, options.data.stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        """A plain view, a short view, a second plain view, and the joints to keep of the last."""
        plain, temporal, spatial = (
            streams.convert(self.augment(clips, generator=generator), self.stream, layout=self.layout) for _ in range(3)
        )
        kept = self.temporal(temporal, generator=generator)
        return [plain, kept, spatial, self.spatial(spatial, generator=generator)]


def pictures(_: PSTL, sets: Sets, options: Options) -> dict[str, Any]:
    """The joints of a test clip that one draw of the spatial mask removes."""
    clip, generator = first_clip(sets)[0], torch.Generator().manual_seed(options.train.seed)
    mask = CentralSpatialMask(sets.layout, ratio=options.joint_ratio)
    hidden = torch.ones(clip.shape[1:3], dtype=torch.bool)
    hidden[:, mask(clip[None].cpu(), generator=generator)[0]] = False
    drawn = draw_skeleton(clip, layout=sets.layout, frames=5, hidden=hidden, flip_vertical=in_picture(clip))
    return {"spatial_mask": drawn}


page = Page(name="pstl", options=Options, build=build, make_views=Views, pictures=pictures)

if __name__ == "__main__":
    page.main()
