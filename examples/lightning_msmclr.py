"""MsMCLR as a LightningModule: the method of train_msmclr.py in the loop of PyTorch Lightning (extra ``lightning``).

    python examples/lightning_msmclr.py --epochs 2
    python examples/lightning_msmclr.py --epochs 10 --start runs/demo

It does not use the other examples. Copy this file and edit it. train_msmclr.py has the paper's options, evaluation, and
bit-exact resuming.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from lightning import LightningModule, Trainer, seed_everything
from torch import Tensor, nn
from torch.utils.data import DataLoader

from skelblocks import (
    STGCN,
    ArrayDataset,
    MomentumEncoder,
    MomentumQueue,
    MsMAttention,
    Pool,
    ProjectionHead,
    contrastive_logits,
    d3m_loss,
    extract_features,
    info_nce,
    knn_accuracy,
    recipes,
    synthetic_motion,
)
from skelblocks.data import Preprocessing, Sample
from skelblocks.distributed import gather_keys
from skelblocks.layouts import SkeletonLayout, get
from skelblocks.training import make_optimizer, start_from


class LightningMsMCLR(LightningModule):
    """Two query branches with shared weights, a key branch, a queue (section 3, eqs. 3-10; sizes of section 4.2).

    Axes: n clips, c coordinates, t frames, v joints, m persons; d embedding.
    """

    def __init__(
        self,
        layout: str | SkeletonLayout,
        *,
        coordinates: int = 3,
        base_channels: int = 16,
        channels: int = 256,
        embedding: int = 128,
        dropout: float = 0.5,
        queue_size: int = 32768,
        temperature: float = 0.07,
        key_momentum: float = 0.999,
        learning_rate: float = 0.1,
        milestones: tuple[int, ...] = (250,),
        start: str | None = None,
        start_share: float = 0.5,
    ) -> None:
        super().__init__()
        layout = get(layout)
        encoder = STGCN(
            layout, in_channels=coordinates, base_channels=base_channels, out_channels=channels, dropout=dropout
        )
        head = ProjectionHead(channels, hidden_features=channels, out_features=embedding)
        self.query_branch = nn.Sequential(encoder, Pool(), head)
        self.key_branch = MomentumEncoder(self.query_branch, momentum=key_momentum)
        self.attention = MsMAttention(channels, layout=layout)
        self.queue = MomentumQueue(embedding, size=queue_size)
        self.normal, self.strong = recipes.weak(), recipes.msmclr_strong(layout)
        self.temperature, self.learning_rate, self.milestones = temperature, learning_rate, milestones
        self.start_share, self.started = start_share, frozenset[str]()
        if start is not None:  # a released file, a pretrained folder, or a run
            found = start_from(self, start, encoders={"joint": encoder})
            self.started = found.names
            print(found.message)

    def forward(self, query: Tensor, strong: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of three views ``(n, c, t, v, m)`` against the current bank, and the keys ``(n, d)``."""
        encoder, pool, head = self.query_branch
        keys = self.key_branch(key)

        def logits(feature_map: Tensor) -> Tensor:
            return contrastive_logits(head(pool(feature_map)), keys, self.queue.bank, temperature=self.temperature)

        ordinary = logits(encoder(query))
        scales = [logits(each) for each in self.attention(encoder(strong))]  # joints, parts, bodies
        return info_nce(ordinary) + d3m_loss(scales, ordinary), keys

    def training_step(self, batch: Sample, batch_idx: int) -> dict[str, Tensor]:
        with torch.no_grad():
            views = self.normal(batch.clip), self.strong(batch.clip), self.normal(batch.clip)
        loss, keys = self(*views)
        self.log("loss", loss, prog_bar=True, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(keys))
        return {"loss": loss, "keys": keys, "ids": batch.index}

    def on_train_batch_end(self, outputs: Any, batch: Sample, batch_idx: int) -> None:
        """After the optimizer's step, update the key branch, then enqueue the keys of all processes."""
        self.key_branch.update(self.query_branch)
        self.queue.enqueue(gather_keys(outputs["keys"]), ids=gather_keys(outputs["ids"]))

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(  # the key branch has no gradient, so it is not included
            self, rate=self.learning_rate, started=self.started, share=self.start_share, weight_decay=1e-4
        )
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=list(self.milestones))
        return {"optimizer": optimizer, "lr_scheduler": schedule}


def main(epochs: int, folder: str, *, start: str | None = None, channels: int = 128) -> float:
    """Pretrain on the synthetic set, as in configs/synthetic_small.yaml. Return the kNN accuracy in percent."""
    seed_everything(0)
    clips = synthetic_motion("ntu-rgb+d", classes=10, subjects=20, views=3, frames=32)
    whole = ArrayDataset(
        clips.x.numpy(), layout="ntu-rgb+d", labels=clips.labels.numpy(), preprocessing=Preprocessing(frames=32)
    )
    train, test = whole.subset(clips.cross_subject().numpy()), whole.subset(~clips.cross_subject().numpy())
    method = LightningMsMCLR(
        "ntu-rgb+d",
        channels=channels,
        dropout=0.0,
        queue_size=256,
        key_momentum=0.99,
        learning_rate=0.02,
        start=start,
    )
    trainer = Trainer(max_epochs=epochs, default_root_dir=folder, devices=1, log_every_n_steps=1)
    trainer.fit(method, DataLoader(train, batch_size=32, shuffle=True, drop_last=True))
    bank, features = (extract_features(method.query_branch[0], part.as_tensor()) for part in (train, test))
    return 100 * knn_accuracy(bank, train.labels, features, test.labels, k=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="MsMCLR on the synthetic set, trained by PyTorch Lightning.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folder", default="runs/lightning_msmclr", help="folder for logs and checkpoints")
    parser.add_argument("--start", help="weights to start from: a released file, a pretrained folder, or a run")
    parser.add_argument("--channels", type=int, default=128, help="channels of the map; released files have 256")
    args = parser.parse_args()
    accuracy = main(args.epochs, args.folder, start=args.start, channels=args.channels)
    print(f"kNN accuracy {accuracy:.1f} % on 10 classes, where chance is 10 %")
