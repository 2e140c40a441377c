"""The pictures of docs/pictures.md, from synthetic motion and an encoder trained on labels for half a minute.

The page shows the body of each function, which is all that its picture takes besides the names above the first one.
"""

from __future__ import annotations

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
from skelblocks.evaluation import classification_report, coordinate_features, extract_features, knn_scores

motion = synthetic_motion(LAYOUT, classes=8, subjects=24, views=2, frames=32, occlusion=0.0, seed=1)
clips = motion.x - motion.x[:, :, :1, :1]  # the base of the spine in the first frame is the origin
clip = clips[0]  # (C, T, V, M)
names = motion.class_names
train = motion.cross_subject()

torch.manual_seed(0)
encoder = STGCN(LAYOUT, base_channels=8, out_channels=64, dropout=0.0)
salience, classifier = MHSAM(64, num_heads=8), nn.Linear(64, 8)
optimizer = torch.optim.Adam([*encoder.parameters(), *salience.parameters(), *classifier.parameters()], lr=5e-3)


def votes_of(features: torch.Tensor) -> torch.Tensor:
    """What the five nearest training clips say of each test clip."""
    return knn_scores(features[~train], features[train], motion.labels[train], k=[5], num_classes=8)[5]


def accuracy_of(features: torch.Tensor) -> float:
    return 100 * (votes_of(features).argmax(dim=1) == motion.labels[~train]).float().mean().item()


accuracies = [accuracy_of(extract_features(encoder, clips))]
for _ in range(8):
    for batch in torch.split(train.nonzero()[:, 0][torch.randperm(int(train.sum()))], 32):
        maps = encoder(clips[batch])
        loss = nn.functional.cross_entropy(classifier(pool(salience(maps) * maps)), motion.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    accuracies.append(accuracy_of(extract_features(encoder, clips)))
encoder.eval()
features = extract_features(encoder, clips)
with torch.no_grad():
    feature_map = encoder(clip[None])  # (1, M, C, T', V)
report = classification_report(votes_of(features), motion.labels[~train], class_names=names)


def draw_skeleton() -> Figure:
    return viz.draw_skeleton(clip, layout=LAYOUT, frames=4, axes=(0, 2, 1), color_by="part")


def clip_strip() -> Figure:
    first = {name: clips[motion.labels == label][0] for label, name in enumerate(names)}
    chosen = {name: first[name] for name in (names[0], names[4], names[5])}
    return viz.clip_strip(chosen, layout=LAYOUT, frames=6, fps=30)


def animate_clip(path: Path) -> Figure:
    chosen = {names[label]: clips[motion.labels == label][0] for label in (0, 4)}
    return viz.animate_clip(chosen, path, layout=LAYOUT, fps=12)


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
    seen = [each[0, 0, :-1, :-1] for each in weights]  # the last frame has no next one: its difference is padded
    return viz.attention_map(seen, names=["joint", "part", "body"])


def embedding_scatter() -> Figure:
    title = "Clips of twelve people who did not train"
    return viz.embedding_scatter(features[~train], motion.labels[~train], class_names=names, title=title)


def confusion_matrix() -> Figure:
    return viz.confusion_matrix(report.confusion, class_names=names)


def class_accuracy() -> Figure:
    return viz.class_accuracy(report.confusion, class_names=names)


def curves() -> Figure:
    levels = {"raw coordinates": accuracy_of(coordinate_features(clips)), "chance": 100 / len(names)}
    series = {"trained encoder": (range(len(accuracies)), accuracies)}
    return viz.curves(series, ylabel="accuracy, %", levels=levels, from_zero=True)


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
        films=(animate_clip,),
    )
