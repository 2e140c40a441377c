"""SkeletonCLR in a plain torch loop, without ``skelblocks.training``, so that every step is visible.

    python plain_torch.py --epochs 20

It uses one device, and has no resuming and no log: ``skelblocks train skeletonclr`` has them. Copy this file and edit
it: ``skelblocks copy plain_torch .``
"""

from __future__ import annotations

import argparse
import math

import torch
from torch import nn

from skelblocks.augment import recipes
from skelblocks.clips import batches
from skelblocks.contrast import MomentumContrast, MomentumQueue
from skelblocks.data import ArrayDataset, Preprocessing, synthetic_motion
from skelblocks.encoders import STGCN, Pool, ProjectionHead
from skelblocks.evaluation import extract_features, knn_accuracy
from skelblocks.interop import save_pretrained
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import info_nce

PREPROCESSING = Preprocessing(frames=32)


def load(path: str) -> tuple[ArrayDataset, ArrayDataset]:
    """Training and test clips: synthetic clips, or clips from an .npz file with ``is_train``."""
    if path != "synthetic":
        train, test = (
            ArrayDataset.from_file(path, preprocessing=PREPROCESSING, split="train"),
            ArrayDataset.from_file(path, preprocessing=PREPROCESSING, split="test"),
        )
        return train, test
    clips = synthetic_motion("ntu-rgb+d", classes=10, subjects=20, views=3, frames=32)
    labels = clips.labels.numpy()
    whole = ArrayDataset(clips.x.numpy(), layout="ntu-rgb+d", labels=labels, preprocessing=PREPROCESSING)
    mask = clips.cross_subject().numpy()
    return whole.subset(mask), whole.subset(~mask)


def build(layout: SkeletonLayout, *, coordinates: int, queue_size: int) -> MomentumContrast:
    """Build the encoder with pooling and head, its momentum copy, and a queue."""
    encoder = STGCN(layout, in_channels=coordinates, base_channels=16, out_channels=128, dropout=0.0)
    branch = nn.Sequential(encoder, Pool(), ProjectionHead(128, hidden_features=128, out_features=128))
    return MomentumContrast(branch, queue=MomentumQueue(128, size=queue_size), momentum=0.99)


def pretrain(contrast: MomentumContrast, train: ArrayDataset, *, epochs: int, batch_size: int, device: str) -> None:
    """Train with InfoNCE between two views of each clip, against the queue. The learning rate follows half a cosine."""
    weak = recipes.weak()
    optimizer = torch.optim.SGD(contrast.query_branch.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 + math.cos(math.pi * epoch / epochs))
        total, steps = 0.0, 0
        for batch in batches(train, batch_size, seed=0, epoch=epoch):
            clips, ids = batch.clip.to(device), batch.index.to(device)
            with torch.no_grad():
                query, key = weak(clips), weak(clips)
            logits, keys = contrast(query, key, ids=ids)
            loss = info_nce(logits)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            contrast.update(keys)  # update the key branch, then enqueue the keys
            total, steps = total + loss.item(), steps + 1
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.3f}", flush=True)


def main() -> None:
    """Pretrain, evaluate by nearest neighbors, save the encoder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", default="synthetic", help='"synthetic", or an .npz file with x, y and is_train')
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--folder", default="runs/plain_torch", help="folder for the encoder")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.manual_seed(0)
    train, test = load(args.data)
    queue_size = max(args.batch_size, len(train) // 2)  # a longer one has older keys of the same clips
    contrast = build(train.layout, coordinates=train.shape[0], queue_size=queue_size).to(args.device)
    pretrain(contrast, train, epochs=args.epochs, batch_size=args.batch_size, device=args.device)
    encoder = next(contrast.query_branch.children())
    bank, features = (extract_features(encoder, part.as_tensor()).cpu() for part in (train, test))
    accuracy = 100 * knn_accuracy(bank, train.labels, features, test.labels, k=5)
    classes = len(set(train.labels.tolist()))
    print(f"kNN accuracy {accuracy:.1f} % on {classes} classes, where chance is {100 / classes:.1f} %")
    save_pretrained(f"{args.folder}/encoder", encoder=encoder, preprocessing=PREPROCESSING, overwrite=True)
    print(f"The encoder is in {args.folder}/encoder")


if __name__ == "__main__":
    main()
