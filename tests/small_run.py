"""Options for a run of an example that takes seconds; small sets, an encoder, and a run's folder without training."""

import numpy as np
import torch
from datasets import DataOptions, load_sets
from run_folder import RunFolder

from skelblocks import layouts
from skelblocks.encoders import STGCN

SMALL = {
    "synthetic": {"classes": 3, "subjects": 4, "views": 2, "frames": 16},
    "frames": 16,
    "base_channels": 4,
    "out_channels": 16,
    "embedding": 8,
    "queue_size": 8,
    "batch_size": 4,
    "epochs": 2,
    "learning_rate": 0.01,
    "neighbors": 3,
    "probe": "standardized",
    "accelerator": "cpu",
}


def write_set(path, layout="utd-mhad", *, seed=0, **changes):
    """An .npz file of 24 clips; ``changes`` are arrays besides, or in place of its own; None leaves one out."""
    joints = layouts.get(layout).joints
    rng = np.random.default_rng(seed)
    arrays = {
        "x": rng.standard_normal((24, 3, 20, len(joints), 1)).astype(np.float32),
        "y": np.arange(24) % 3,
        "subject": 1 + np.arange(24) % 4,
        "joint_names": np.array(joints),
    }
    np.savez(path, **{name: values for name, values in {**arrays, **changes}.items() if values is not None})
    return str(path)


def save_run(folder, script, *, layout="sbu", persons=1, coordinates=3, with_layout=True, **changes):
    """A run's folder without the training."""
    made = script.Options(**{**SMALL, "layout": layout, **changes})
    method = script.build(made, layout=layouts.get(layout), persons=persons, coordinates=coordinates)
    run = RunFolder(folder, options=vars(made))
    run.save({"method": method.state_dict(), "coordinates": coordinates})
    if with_layout:
        run.write_layout(layouts.get(layout), resume=False)
    return method.eval()


def small_sets(**changes):
    synthetic = {"classes": 3, "subjects": 4, "views": 2, "frames": 16, "seed": 0}
    return load_sets(DataOptions(**{"layout": "sbu", "frames": 16, "synthetic": synthetic, **changes}))


def small_encoder(seed=0, **changes):
    torch.manual_seed(seed)
    return STGCN("sbu", **{"base_channels": 4, "out_channels": 16, "dropout": 0.5, **changes})
