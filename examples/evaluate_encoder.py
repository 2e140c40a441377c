"""Evaluate a pretrained encoder on labeled clips: nearest neighbors, a linear probe, and metrics per class.

    python evaluate_encoder.py runs/demo/encoder
    python evaluate_encoder.py runs/mine/encoder --data clips.npz --picture confusion.png

The clips are synthetic, or come from an .npz file with x, y and is_train. ``skelblocks evaluate`` has the protocols of
the papers, with fine-tuning, several streams and tables. Copy this file: ``skelblocks copy evaluate_encoder .``
"""

from __future__ import annotations

import argparse
import dataclasses

import torch
from torch import Tensor

from skelblocks import streams
from skelblocks.data import ArrayDataset, Preprocessing, synthetic_motion
from skelblocks.evaluation import classification_report, extract_features, knn_accuracy, linear_probe
from skelblocks.interop import Pretrained, check_fits, from_pretrained
from skelblocks.viz import confusion_matrix


def load(path: str, found: Pretrained) -> tuple[ArrayDataset, ArrayDataset]:
    """Training and test clips, with the preprocessing of the encoder."""
    preprocessing = found.preprocessing or Preprocessing()
    if path == "synthetic":
        clips = synthetic_motion(found.layout, classes=10, subjects=20, views=3, frames=32)
        free = dataclasses.replace(preprocessing, persons=None)
        whole = ArrayDataset(
            clips.x.numpy(),
            layout=found.layout,
            labels=clips.labels.numpy(),
            class_names=clips.class_names,
            preprocessing=free,
        )
        mask = clips.cross_subject().numpy()
        parts = whole.subset(mask), whole.subset(~mask)
    else:
        parts = (
            ArrayDataset.from_file(path, layout=found.layout, preprocessing=preprocessing, split="train"),
            ArrayDataset.from_file(path, layout=found.layout, preprocessing=preprocessing, split="test"),
        )
    check_fits(parts[0], found)
    return parts


def features(found: Pretrained, part: ArrayDataset) -> Tensor:
    """Frozen, pooled features ``(n, d)`` of all clips, in the stream of the encoder."""
    clips = streams.convert(part.as_tensor(), found.stream, layout=found.layout)
    return extract_features(found.encoder, clips)


def main() -> None:
    """Evaluate a frozen encoder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("encoder", help="folder written by a run or by save_pretrained")
    parser.add_argument("--data", default="synthetic", help='"synthetic", or an .npz file with x, y and is_train')
    parser.add_argument("--picture", help="draw the confusion matrix of the linear probe into this file")
    args = parser.parse_args()
    found = from_pretrained(args.encoder)
    train, test = load(args.data, found)
    bank, queries = features(found, train), features(found, test)
    knn = knn_accuracy(bank, train.labels, queries, test.labels, k=min(5, len(train)))
    probe = linear_probe(
        bank,
        train.labels,
        queries,
        test.labels,
        learning_rate=0.1,
        standardize=True,  # features with mean 0 and deviation 1, so that the scale of an encoder does not matter
        generator=torch.Generator().manual_seed(0),
    )
    print(f"{len(train)} training clips, {len(test)} test clips of other people, {found.layout.name}, {found.stream}")
    print(f"kNN {100 * knn:.1f} %, linear {100 * probe.accuracy:.1f} %")
    report = classification_report(probe.logits, test.labels, class_names=test.class_names or None)
    for row in report.classes:
        recall, precision = (
            "    -" if share is None else f"{100 * share:5.1f}" for share in (row.recall, row.precision)
        )
        print(f"  {row.name:20} recall {recall} %, precision {precision} %")
    if args.picture:
        confusion_matrix(report.confusion, class_names=[row.name for row in report.classes]).savefig(args.picture)


if __name__ == "__main__":
    main()
