"""The live page of docs/explore.md, for the build of the documentation: ``python docs/gallery/explore.py FOLDER``.

It shows clips of synthetic motion, by an encoder trained on labels for some seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from common import LAYOUT
from torch import nn

from skelblocks.data import ArrayDataset, synthetic_motion
from skelblocks.encoders import STGCN, pool
from skelblocks.evaluation import coordinate_features, extract_features
from skelblocks.pages import explore_page, neighbor_scores, write_page

motion = synthetic_motion(LAYOUT, classes=8, subjects=16, views=2, frames=32, occlusion=0.1, seed=1)
dataset = ArrayDataset(
    motion.x.numpy(),
    layout=LAYOUT,
    labels=motion.labels,
    subjects=motion.subjects,
    views=motion.views,
    class_names=motion.class_names,
    names=[f"clip {i:03}" for i in range(len(motion.x))],
)
train = motion.cross_subject()
clips = dataset.batch(np.arange(len(dataset)))

torch.manual_seed(0)
encoder, classifier = STGCN(LAYOUT, base_channels=8, out_channels=64, dropout=0.0), nn.Linear(64, 8)
untrained = extract_features(encoder.eval(), clips[~train])
encoder.train()
optimizer = torch.optim.Adam([*encoder.parameters(), *classifier.parameters()], lr=3e-3)
for _ in range(8):
    for batch in torch.split(train.nonzero()[:, 0][torch.randperm(int(train.sum()))], 24):
        loss = nn.functional.cross_entropy(classifier(pool(encoder(clips[batch]))), motion.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
encoder.eval()

if __name__ == "__main__":
    live = Path(sys.argv[1])
    live.mkdir(parents=True, exist_ok=True)
    shown, features = dataset.subset((~train).numpy()), extract_features(encoder, clips[~train])
    scores = neighbor_scores(
        {
            "trained encoder": features,
            "untrained encoder": untrained,
            "raw coordinates": coordinate_features(clips[~train]),
        },
        shown.labels,
    )
    facts = [("encoder", "ST-GCN, trained on the labels of other people for some seconds")]
    write_page(
        live / "explore.html", explore_page(shown, features, scores=scores, title="Synthetic motion", facts=facts)
    )
