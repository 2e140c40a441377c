from skelblocks.training.accuracies import accuracies, frozen_features, probe_settings
from skelblocks.training.build import (
    backbone_of,
    build_backbone,
    build_contrast,
    queue_size,
    require_joints,
    stage_start,
)
from skelblocks.training.command_line import parse_options
from skelblocks.training.dataset_split import groups, split_of
from skelblocks.training.datasets import Sets, joint_names, load_sets, match_joints
from skelblocks.training.distill_options import DistillOptions, add_distill_options
from skelblocks.training.distill_views import StudentView, Teacher, open_teacher
from skelblocks.training.errors import LostProcessError, NonFiniteLossError, RunFolderError, TrainingError
from skelblocks.training.fabric import make_fabric
from skelblocks.training.keep_encoder import Kept, keep_encoder
from skelblocks.training.loop import pretrain
from skelblocks.training.method import Method, Output
from skelblocks.training.motion_sets import Motion, motion_stream, open_motion
from skelblocks.training.optimizer import make_optimizer, set_rate
from skelblocks.training.options import (
    ContrastOptions,
    DataOptions,
    EncoderOptions,
    EvaluateOptions,
    MethodOptions,
    TrainOptions,
    options_from_dict,
)
from skelblocks.training.order import derive_seed, epoch_batches
from skelblocks.training.page import Page
from skelblocks.training.pages import copy_page, load_page, method_names
from skelblocks.training.pictures import feature_maps, first_clip, in_picture
from skelblocks.training.run_folder import RunFolder
from skelblocks.training.save_encoders import save_encoder
from skelblocks.training.schedule import learning_rate
from skelblocks.training.settle import settle
from skelblocks.training.start_from import Started, start_from
from skelblocks.training.start_weights import StartWeights, open_start
from skelblocks.training.stream_sum import StreamSum
from skelblocks.training.train_page import train_page
from skelblocks.training.views import Views

__all__ = [
    "ContrastOptions",
    "DataOptions",
    "DistillOptions",
    "EncoderOptions",
    "EvaluateOptions",
    "Kept",
    "LostProcessError",
    "Method",
    "MethodOptions",
    "Motion",
    "NonFiniteLossError",
    "Output",
    "Page",
    "RunFolder",
    "RunFolderError",
    "Sets",
    "StartWeights",
    "Started",
    "StreamSum",
    "StudentView",
    "Teacher",
    "TrainOptions",
    "TrainingError",
    "Views",
    "accuracies",
    "add_distill_options",
    "backbone_of",
    "build_backbone",
    "build_contrast",
    "copy_page",
    "derive_seed",
    "epoch_batches",
    "feature_maps",
    "first_clip",
    "frozen_features",
    "groups",
    "in_picture",
    "joint_names",
    "keep_encoder",
    "learning_rate",
    "load_page",
    "load_sets",
    "make_fabric",
    "make_optimizer",
    "match_joints",
    "method_names",
    "motion_stream",
    "open_motion",
    "open_start",
    "open_teacher",
    "options_from_dict",
    "parse_options",
    "pretrain",
    "probe_settings",
    "queue_size",
    "require_joints",
    "save_encoder",
    "set_rate",
    "settle",
    "split_of",
    "stage_start",
    "start_from",
    "train_page",
]
