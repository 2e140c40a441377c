"""Options for a run of a method that takes seconds, and small sets."""

import dataclasses
import importlib.util
import sys

import numpy as np

from skelblocks import layouts
from skelblocks.training import load_page
from skelblocks.training.pages import pages_folder

METHODS = [
    "skeletonclr",
    "aimclr",
    "msmclr",
    "skeattnclr",
    "crossmoco",
    "actclr",
    "pstl",
    "crossclr",
    "skelemixclr",
    "hiclr",
    "isc",
]
SMALL = {
    "synthetic": {"classes": 3, "subjects": 4, "views": 2, "frames": 16},
    "frames": 16,
    "base_channels": 4,
    "out_channels": 16,
    "embedding": 8,
    "projector_features": 16,
    "sequence_channels": 16,
    "queue_size": 8,
    "batch_size": 4,
    "epochs": 2,
    "learning_rate": 0.01,
    "neighbors": 3,
    "probe": "standardized",
    "accelerator": "cpu",
}


OF_SOME_METHODS = {"projector_features", "sequence_channels"}  # left out where a method has no such option


def in_groups(kind, changes):
    """Options by their own names as the nested dict of YAML files: {"epochs": 2} as {"train": {"epochs": 2}}."""
    found = {}
    for name, value in changes.items():
        groups = [
            field.name
            for field in dataclasses.fields(kind)
            if dataclasses.is_dataclass(getattr(kind(), field.name)) and hasattr(getattr(kind(), field.name), name)
        ]
        if groups:
            found.setdefault(groups[0], {})[name] = value
        elif name not in OF_SOME_METHODS or hasattr(kind(), name):
            found[name] = value
    return found


def options_of(kind, /, **changes):
    """An instance of a method's options with some of them changed, each by its own name."""
    made = kind()
    for name, value in in_groups(kind, changes).items():
        group = getattr(made, name, None)
        grouped = dataclasses.is_dataclass(group)
        made = dataclasses.replace(made, **{name: dataclasses.replace(group, **value) if grouped else value})
    return made


def small_options(page, /, **changes):
    """A page's options for a run of seconds."""
    return options_of(page.options, **{**SMALL, **changes})


def small_method(page, *, layout="sbu", persons=1, coordinates=3, **changes):
    """A page's method in small sizes."""
    chosen = small_options(page, **changes)
    return page.build(chosen, layout=layouts.get(layout), persons=persons, coordinates=coordinates)


def module_of(name):
    """The module of a method's page."""
    return sys.modules[load_page(name).build.__module__]


def load_file(name):
    """A file of the examples that is no method's page, as a module."""
    spec = importlib.util.spec_from_file_location(name, pages_folder() / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


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
