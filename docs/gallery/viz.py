"""The pictures of docs/pictures.md, from synthetic motion and an encoder trained on labels for some seconds.

The page shows the body of each function, which is all that its picture takes besides the names above the first one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from common import LAYOUT, write
from matplotlib.figure import Figure
from torch import nn

from skelblocks import viz
from skelblocks.attention import EADM, MHSAM, MsMAttention, energy_attention
from skelblocks.augment import RandomJointMask, RandomRotation, RandomShear, RandomSpatialFlip, SpatioTemporalOcclusion
from skelblocks.data import synthetic_motion
from skelblocks.encoders import STGCN, pool
from skelblocks.evaluation import classification_report, extract_features, knn_scores

motion = synthetic_motion(LAYOUT, classes=8, subjects=12, views=2, frames=32, occlusion=0.0, seed=1)
clip = motion.x[0]  # (C, T, V, M)
names = motion.class_names
train = motion.cross_subject()

torch.manual_seed(0)
encoder = STGCN(LAYOUT, base_channels=8, out_channels=64, dropout=0.0)
salience, classifier = MHSAM(64, num_heads=8), nn.Linear(64, 8)
losses = []
optimizer = torch.optim.Adam([*encoder.parameters(), *salience.parameters(), *classifier.parameters()], lr=3e-3)
for _ in range(10):
    for batch in torch.split(train.nonzero()[:, 0][torch.randperm(int(train.sum()))], 24):
        maps = encoder(motion.x[batch])
        loss = nn.functional.cross_entropy(classifier(pool(salience(maps) * maps)), motion.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
encoder.eval()
features = extract_features(encoder, motion.x)
with torch.no_grad():
    feature_map = encoder(clip[None])  # (1, M, C, T', V)
votes = knn_scores(features[~train], features[train], motion.labels[train], k=[5], num_classes=8)[5]
report = classification_report(votes, motion.labels[~train], class_names=names)


def draw_skeleton() -> Figure:
    return viz.draw_skeleton(clip, layout=LAYOUT, frames=4, axes=(0, 2, 1), color_by="part")


def clip_strip() -> Figure:
    clips = {names[int(motion.labels[i])]: motion.x[i] for i in (0, 24, 48)}
    return viz.clip_strip(clips, layout=LAYOUT, frames=6, fps=30)


def animate_clip(path: Path) -> Figure:
    clips = {names[int(motion.labels[i])]: motion.x[i] for i in (0, 24)}
    return viz.animate_clip(clips, path, layout=LAYOUT, fps=20)


def augmentation_strips() -> Figure:
    transforms = {
        "shear": RandomShear(1.0),
        "rotation": RandomRotation(60.0),
        "flip": RandomSpatialFlip(LAYOUT, p=1.0),
        "joint mask": RandomJointMask(),
    }
    return viz.augmentation_strips(clip, transforms, layout=LAYOUT, frames=5)


def occlusion_map() -> Figure:
    occlude = SpatioTemporalOcclusion(LAYOUT, temporal="gate", per_frame=True)
    hidden = occlude(torch.ones(1, *clip.shape), generator=torch.Generator().manual_seed(0))[0, 0] == 0
    return viz.occlusion_map(hidden[..., 0], clip, layout=LAYOUT, frames=6)


def clip_attention() -> Figure:
    energy = energy_attention(feature_map)[0].mean(dim=1)  # (M, T', V)
    limits = (energy.min().item(), energy.max().item())
    return viz.clip_attention(clip, energy, layout=LAYOUT, limits=limits, label="attention")


def clip_attention_mhsam() -> Figure:
    salient = salience(feature_map)[0].mean(dim=1)
    limits = (salient.min().item(), salient.max().item())
    return viz.clip_attention(clip, salient, layout=LAYOUT, limits=limits, label="mean mask")


def occlusion_map_eadm() -> Figure:
    drop = EADM(keep_margin=0.675)
    _, (joints, steps) = drop(feature_map, return_masks=True)
    dropped = ~(joints[0, :, None, :] & steps[0, :, :, None]).permute(1, 2, 0)
    return viz.occlusion_map(dropped, clip, layout=LAYOUT, frames=6)


def attention_map() -> Figure:
    attend = MsMAttention(64, layout=LAYOUT)
    _, weights = attend(feature_map, return_attention=True)
    return viz.attention_map([each[0, 0] for each in weights], names=["joint", "part", "body"])


def embedding_scatter() -> Figure:
    return viz.embedding_scatter(features[~train], motion.labels[~train], class_names=names)


def confusion_matrix() -> Figure:
    return viz.confusion_matrix(report.confusion, class_names=names)


def class_accuracy() -> Figure:
    return viz.class_accuracy(report.confusion, class_names=names)


def curves() -> Figure:
    return viz.curves({"training loss": losses}, xlabel="step", ylabel="cross-entropy")


if __name__ == "__main__":
    write(
        draw_skeleton,
        clip_strip,
        augmentation_strips,
        occlusion_map,
        clip_attention,
        clip_attention_mhsam,
        occlusion_map_eadm,
        attention_map,
        embedding_scatter,
        confusion_matrix,
        class_accuracy,
        curves,
    )
    animate_clip(Path(sys.argv[1] if len(sys.argv) > 1 else "pictures") / "animate_clip.gif")
