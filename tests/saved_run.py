"""Small sets, and a run's folder as every training leaves it, made without the training."""

import torch

from skelblocks.clips import Preprocessing
from skelblocks.encoders import STGCN
from skelblocks.interop import save_pretrained
from skelblocks.training import DataOptions, load_sets


def save_run(
    folder,
    clips,
    /,
    *,
    stream="joint",
    seed=0,
    method="mine",
    encoder=None,
    where="encoder",
    layout="utd-mhad",
    **changes,
):
    """Save an untrained encoder as a run does; ``changes`` are options in groups."""
    torch.manual_seed(seed)
    encoder = encoder or STGCN(layout, base_channels=4, out_channels=16)
    options = {
        "data": {"path": clips, "stream": stream, "frames": 16, "split": "cross-subject", "train_ids": []},
        "evaluate": {"probe": "standardized", "neighbors": 3},
        "own": {"anything": [1, 2]},
    }
    for group, values in changes.items():
        options[group] = {**options.get(group, {}), **values}
    save_pretrained(
        folder / where,
        encoder=encoder.eval(),
        preprocessing=None if options["data"].get("joints") else Preprocessing(frames=options["data"]["frames"]),
        stream=stream,
        metadata={"run": {"method": method, "stream": stream, "seed": seed, "options": options}},
        overwrite=True,
    )
    return encoder


def small_sets(**changes):
    """Twelve training and twelve test clips in memory."""
    synthetic = {"classes": 3, "subjects": 4, "views": 2, "frames": 16, "seed": 0}
    return load_sets(DataOptions(**{"layout": "sbu", "frames": 16, "synthetic": synthetic, **changes}))


def small_encoder(seed=0, **changes):
    """An untrained ST-GCN for them."""
    torch.manual_seed(seed)
    return STGCN("sbu", **{"base_channels": 4, "out_channels": 16, "dropout": 0.5, **changes})
