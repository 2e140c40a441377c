from skelblocks.training.accuracies import accuracies, frozen_features, probe_settings
from skelblocks.training.dataset_split import groups, split_of
from skelblocks.training.datasets import Sets, joint_names, load_sets, match_joints
from skelblocks.training.options import (
    ContrastOptions,
    DataOptions,
    EncoderOptions,
    EvaluateOptions,
    MethodOptions,
    TrainOptions,
)

__all__ = [
    "ContrastOptions",
    "DataOptions",
    "EncoderOptions",
    "EvaluateOptions",
    "MethodOptions",
    "Sets",
    "TrainOptions",
    "accuracies",
    "frozen_features",
    "groups",
    "joint_names",
    "load_sets",
    "match_joints",
    "probe_settings",
    "split_of",
]
