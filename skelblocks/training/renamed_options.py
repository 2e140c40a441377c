"""The names of options in version 0.1, which had no groups."""

from __future__ import annotations

import re

_GROUPS = {
    "data": "stream layout frames center align split train_ids joints synthetic",
    "train": (
        "epochs batch_size learning_rate sgd_momentum weight_decay schedule milestones warmup_epochs seed workers "
        "checkpoint_every accelerator precision sync_batch_norm timeout folder resume"
    ),
    "encoder": "base_channels out_channels graph dropout initialization",
    "contrast": (
        "embedding head_norm head_bias queue_size temperature key_momentum key_momentum_schedule exclude_own_keys "
        "shear_amplitude"
    ),
    "evaluate": "probe probe_rate probe_milestone neighbors",
}
RENAMED_OPTIONS = {name: f"{group}.{name}" for group, names in _GROUPS.items() for name in names.split()} | {
    "data": "data.path",
    "encoder": "encoder.kind",
    "evaluate_every": "evaluate.every",
    "topk": "top_k",
    "spatial_rate": "joint_ratio",
    "temporal_rate": "frame_ratio",
    "rate_counts": "ratio_counts",
}


def name_renamed(message: str) -> str:
    """Add the current names of renamed options to a parser's message.

    Args:
        message: The parser's message, for instance ``"unrecognized arguments: --epochs 3"``.

    Example:
        >>> name_renamed("unrecognized arguments: --epochs 3")
        'unrecognized arguments: --epochs 3; options are in groups: epochs is train.epochs'
    """
    unknown = re.findall(r"--([a-z_]+)(?=[ =]|$)|[Oo]ption '([a-z_]+)'|key \"([a-z_]+)\": Unable", message)
    names = dict.fromkeys(name for found in unknown for name in found if name in RENAMED_OPTIONS)
    if not names:
        return message
    return f"{message}; options are in groups: {', '.join(f'{name} is {RENAMED_OPTIONS[name]}' for name in names)}"
