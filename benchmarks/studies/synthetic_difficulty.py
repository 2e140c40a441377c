"""How hard the synthetic motion set is: raw coordinates, an untrained encoder, and what supervision reaches.

    python -m benchmarks.studies.synthetic_difficulty --classes 10 --clips 2 --epochs 30

The numbers at which the set's difficulty is frozen are recorded in tests/data/synthetic/test_synthetic_motion.py. All
accuracies are in percent, of one nearest neighbor by cosine.
"""

from __future__ import annotations

import argparse
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelblocks import layouts
from skelblocks.augment.recipes import weak
from skelblocks.data import SyntheticClips, synthetic_motion
from skelblocks.encoders import STGCN, pool


def nearest(features: Tensor, labels: Tensor, train: Tensor) -> float:
    unit = F.normalize(features.flatten(1), dim=1)
    found = (unit[~train] @ unit[train].T).argmax(dim=1)
    return 100 * (labels[train][found] == labels[~train]).double().mean().item()


@torch.no_grad()
def embed(encoder: nn.Module, x: Tensor) -> Tensor:
    encoder.eval()
    return torch.cat([pool(encoder(part)) for part in x.split(256)])


def supervised(x: Tensor, labels: Tensor, train: Tensor, *, layout: str, base: int, epochs: int, seed: int) -> float:
    """Test accuracy after the last epoch: a small ST-GCN, crop and shear, AdamW with one cycle of the learning rate."""
    torch.manual_seed(seed)
    classes = int(labels.max()) + 1
    encoder = STGCN(layout, base_channels=base, out_channels=8 * base, dropout=0.0).to(x.device)
    classify = nn.Linear(8 * base, classes).to(x.device)
    weights = [*encoder.parameters(), *classify.parameters()]
    numbers, batch, augment = train.nonzero()[:, 0], 32, weak()
    optimizer = torch.optim.AdamW(weights, lr=1e-2, weight_decay=1e-2)
    steps = epochs * (len(numbers) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(epochs):
        encoder.train()
        for rows in numbers[torch.randperm(len(numbers), device=x.device)].split(batch):
            if len(rows) == batch:
                loss = F.cross_entropy(classify(pool(encoder(augment(x[rows])))), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    with torch.no_grad():
        guess = classify(embed(encoder, x[~train])).argmax(dim=1)
    return 100 * (guess == labels[~train]).double().mean().item()


def measure(clips: SyntheticClips, *, layout: str, base: int, epochs: int, seed: int) -> None:
    center = layouts.get(layout).center
    x = clips.x - clips.x[:, :, :, center : center + 1]
    x = x * (clips.x != 0)  # an absent person stays absent
    for name, train in {"cross-subject": clips.cross_subject(), "cross-view": clips.cross_view()}.items():
        torch.manual_seed(seed)
        encoder = STGCN(layout, base_channels=16, out_channels=256, dropout=0.0).to(x.device)
        untrained = nearest(embed(encoder, x), clips.labels, train)
        with torch.no_grad():
            for _ in range(3):  # its batch normalizations alone see the training clips
                encoder.train()
                encoder(x[train][torch.randperm(int(train.sum()), device=x.device)[:128]])
        settled = nearest(embed(encoder, x), clips.labels, train)
        raw = nearest(x, clips.labels, train)
        line = f"{name:14} {int(train.sum()):5} train {int((~train).sum()):5} test | raw 1-NN {raw:5.1f}"
        print(f"{line} | untrained {untrained:5.1f}, with settled norms {settled:5.1f}", end="", flush=True)
        if epochs:
            start = time.perf_counter()
            ceiling = supervised(x, clips.labels, train, layout=layout, base=base, epochs=epochs, seed=seed)
            print(f" | supervised {ceiling:5.1f} ({time.perf_counter() - start:.0f} s)", end="")
        print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layout", default="ntu-rgb+d")
    for name, default in {"classes": 10, "subjects": 20, "views": 3, "clips": 2, "persons": 1, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--epochs", type=int, default=30, help="of the supervised ceiling; 0 leaves it out")
    parser.add_argument("--base", type=int, default=8, help="base channels of the supervised encoder")
    parser.add_argument("--device", default="cpu")
    options = vars(parser.parse_args())
    training = {name: options.pop(name) for name in ("epochs", "base")}
    start = time.perf_counter()
    clips = synthetic_motion(**options)
    print(f"{len(clips.labels)} clips of {len(clips.class_names)} classes in {time.perf_counter() - start:.1f} s")
    measure(clips, layout=options["layout"], seed=options["seed"], **training)


if __name__ == "__main__":
    main()
