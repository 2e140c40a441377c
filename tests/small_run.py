"""Options for a run of an example that takes seconds; a set, and a run's folder without the training."""

import json

import numpy as np
from engine import RunFolder

from skelblocks import layouts

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


def write_set(path, layout="utd-mhad", seed=0):
    joints = layouts.get(layout).joints
    rng = np.random.default_rng(seed)
    arrays = {
        "x": rng.standard_normal((24, 3, 20, len(joints), 1)).astype(np.float32),
        "y": np.arange(24) % 3,
        "subject": 1 + np.arange(24) % 4,
        "joint_names": np.array(joints),
    }
    np.savez(path, **arrays)
    return str(path)


def save_run(folder, script, *, layout="sbu", persons=1, with_layout=True, **changes):
    """A run's folder without the training."""
    made = script.Options(**{**SMALL, "layout": layout, **changes})
    method = script.build(made, layout=layouts.get(layout), persons=persons)
    RunFolder(folder, options=vars(made)).save({"method": method.state_dict()})
    if with_layout:
        (folder / "layout.json").write_text(json.dumps(layouts.get(layout).to_dict()))
    return method.eval()
