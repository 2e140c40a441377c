"""The papers' linear protocol: a probe on features extracted once against running the frozen encoder every epoch.

Both run 100 epochs and look at the test clips every five, as the released codes do, with the same first weights and the
same order of batches. There are few clips, so that all 100 epochs of the encoder can be run; with more, the probe's
share shrinks. With a test set 0.41 times the training set, as in NTU-60 xsub, the encoder's clips alone bound the
speed-up by (100 + 20 * 0.41) / 1.41 = 77.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.speed.case import Case, Setting
from skelblocks import STGCN, pool
from skelblocks.evaluation import LinearProbeResult, accuracy, cached_features, linear_probe

TRAIN, TEST, CLASSES, EPOCHS, EVERY, BATCH, DIM = 12, 5, 4, 100, 5, 6, 256
RATE = 0.3  # with the papers' 3 a probe of these features swings, and rounding grows until accuracies differ
SHAPE = (3, 50, 25, 2)


def every_epoch(encoder: nn.Module, sets: list[tuple[Tensor, Tensor]], *, epochs: int) -> tuple[Tensor, list[float]]:
    """Test scores after the last epoch and the accuracies on the way; nothing is kept between two epochs."""
    (x, y), (test_x, test_y) = sets
    generator = torch.Generator().manual_seed(0)
    head = nn.Linear(DIM, CLASSES)
    with torch.no_grad():
        head.weight.normal_(0, 0.02, generator=generator)
        head.bias.zero_()
    optimizer = torch.optim.SGD(head.parameters(), lr=RATE, momentum=0.9)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [80], 0.1)
    curve = []
    for epoch in range(1, epochs + 1):
        for rows in torch.randperm(TRAIN, generator=generator).split(BATCH):
            with torch.no_grad():
                features = pool(encoder(x[rows]))
            loss = F.cross_entropy(head(features), y[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
        if epoch % EVERY == 0:
            with torch.no_grad():
                logits = torch.cat([head(pool(encoder(part))) for part in test_x.split(BATCH)])
            curve.append(accuracy(logits, test_y)[1])
    return logits, curve


def once(
    encoder: nn.Module, sets: list[tuple[Tensor, Tensor]], folder: Path, *, select: str, epochs: int
) -> LinearProbeResult:
    train, test = (cached_features(encoder, clips, folder=folder) for clips, _ in sets)
    generator = torch.Generator().manual_seed(0)
    return linear_probe(
        train,
        sets[0][1],
        test,
        sets[1][1],
        select=select,
        evaluate_every=EVERY,
        epochs=epochs,
        learning_rate=RATE,
        batch_size=BATCH,
        generator=generator,
    )


def cases(setting: Setting) -> Iterator[Case]:
    """A first probe, with the extraction, the fingerprints and the writing of the files; then one that finds these."""
    torch.manual_seed(0)
    epochs, base, shape = (EVERY, 2, (3, 16, 25, 1)) if setting.small else (EPOCHS, 16, SHAPE)
    encoder = STGCN("ntu-rgb+d", base_channels=base, out_channels=DIM).eval()
    sets = []
    for n in (TRAIN, TEST):
        labels = torch.arange(n) % CLASSES
        sets.append((torch.randn(n, *shape) + labels[:, None, None, None, None], labels))

    with tempfile.TemporaryDirectory() as kept:

        def first() -> LinearProbeResult:
            with tempfile.TemporaryDirectory() as empty:
                return once(encoder, sets, Path(empty), select="test", epochs=epochs)

        expected, curve = every_epoch(encoder, sets, epochs=epochs)
        ours, last = first(), once(encoder, sets, Path(kept), select="last", epochs=epochs)
        if [value for _, value in ours.curves["test"]] != curve:
            raise AssertionError(f"linear: accuracies {ours.curves['test']} on cached features, {curve} without")
        difference = float((last.logits - expected).abs().max() / expected.abs().max())
        sizes = f"{TRAIN} and {TEST} clips {shape}, ST-GCN {base}/{DIM}, {epochs} epochs of batches of {BATCH}"
        yield Case("linear", sizes, first, lambda: every_epoch(encoder, sets, epochs=epochs), difference)

        again = once(encoder, sets, Path(kept), select="test", epochs=epochs)
        yield Case(
            "linear, a second probe",
            f"{sizes}: features from disk against extracting them again",
            lambda: once(encoder, sets, Path(kept), select="test", epochs=epochs),
            first,
            float((again.logits - ours.logits).abs().max()),
        )
