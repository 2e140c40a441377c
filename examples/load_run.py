"""From a training run's folder, or a pretrained one, to its encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import torch
from datasets import DataOptions, load_sets
from method import MethodOptions, make_encoder
from run_folder import LAYOUT, kept_layout
from torch import Tensor, nn
from train_crossmoco import SideBySide

from skelblocks import layouts
from skelblocks.data import Preprocessing
from skelblocks.interop import from_pretrained
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import Stream

T = TypeVar("T")
# Where a method's state has a query encoder: alone, of AimCLR's streams, of CrossMoCo's (there may be a second one).
PREFIXES = (
    ("contrast.query_branch.0.",),
    ("streams.{stream}.contrast.query_branch.0.",),
    ("methods.{stream}.query.encoder.", "methods.{stream}.query.mlp_encoder."),
)


class LoadedRun(NamedTuple):
    """A trained encoder and what it was trained on.

    Attributes:
        encoder: On the CPU, in evaluation mode, in the precision it was saved in.
        layout: Of what it takes.
        options: All of the run; of a pretrained folder, those that tell its clips (``stream``, ``frames``), and
            its seed, where known.
        stream: What its clips are to be converted to.
        clips_layout: Of its clips, with all their joints; None where that is not known.
    """

    encoder: nn.Module
    layout: SkeletonLayout
    options: dict[str, Any]
    stream: Stream
    clips_layout: SkeletonLayout | None

    @property
    def seed(self) -> int:
        """Of the training; 0 where it is not known."""
        return int(self.options.get("seed", 0))


def load_run(folder: str | Path, *, stream: str | None = None) -> LoadedRun:
    """Load the encoder of a folder that one of the examples has trained in, or that was saved as pretrained.

    Args:
        folder: With ``checkpoint.pt``, or what ``skelblocks.interop.save_pretrained`` has written.
        stream: Which one's, where several were trained together. Default: the one that the run has evaluated.

    Raises:
        FileNotFoundError: the folder holds neither; or it is of a run that saved no layout, and its data are gone.
        ValueError: a checkpoint of another method, or without that stream; clips that the examples cannot prepare.
    """
    folder = Path(folder)
    if not (folder / "checkpoint.pt").is_file():
        return _load_pretrained(folder, stream=stream)
    state = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    options: dict[str, Any] = state["options"]
    chosen = cast(Stream, stream or options["stream"])
    states = _encoder_states(state["method"], stream=chosen)
    if not states:
        there = sorted({name.split(".")[1] for name in state["method"] if name.startswith(("streams.", "methods."))})
        what = f"of the stream {chosen!r}; it has {', '.join(there)}" if there else "of a method of these examples"
        raise ValueError(f"folder: {str(folder)!r} has no encoder {what}")
    if chosen != options["stream"] and any(name.startswith(PREFIXES[0]) for name in state["method"]):
        raise ValueError(f"stream: {str(folder)!r} was trained on {options['stream']!r} alone, not on {chosen!r}")
    layout = _layout(folder, options)
    coordinates = int(state.get("coordinates", 3))  # those that do not say are in space
    encoders = [_build(options, layout=layout, coordinates=coordinates, state=each) for each in states]
    encoder = encoders[0] if len(encoders) == 1 else SideBySide(*encoders)
    clips_layout = kept_layout(folder, joints=True) if options.get("joints") else layout
    return LoadedRun(encoder.eval(), layout, options, chosen, clips_layout)


def restored(kind: type[T], options: Mapping[str, Any]) -> T:
    """Options of a kind, as a run has them; those that it does not have keep their defaults."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in options.items() if name in names})


def _encoder_states(method: Mapping[str, Tensor], *, stream: str) -> list[dict[str, Tensor]]:
    for prefixes in PREFIXES:
        found = [
            {name.removeprefix(prefix): value for name, value in method.items() if name.startswith(prefix)}
            for prefix in (each.format(stream=stream) for each in prefixes)
        ]
        if found[0]:
            return [state for state in found if state]
    return []


def _build(
    options: Mapping[str, Any], *, layout: SkeletonLayout, coordinates: int, state: Mapping[str, Tensor]
) -> nn.Module:
    made: MethodOptions = restored(MethodOptions, options)
    persons = 1
    if made.encoder == "bigru":  # the only one whose weights count persons: a frame of it has c v m numbers
        persons = state["data_norm.weight"].numel() // (coordinates * layout.num_joints)
    encoder = make_encoder(made, layout=layout, persons=persons, coordinates=coordinates)
    encoder.to(next(value.dtype for value in state.values() if value.is_floating_point()))
    encoder.load_state_dict(state)
    return encoder


def _layout(folder: Path, options: Mapping[str, Any]) -> SkeletonLayout:
    if (folder / LAYOUT).is_file():
        return layouts.load(folder / LAYOUT)
    data: DataOptions = restored(DataOptions, options)  # of a run that was trained before layouts were saved
    if data.data != "synthetic" and not Path(data.data).exists():
        raise FileNotFoundError(f"folder: {str(folder)!r} has no {LAYOUT}, and its data {data.data!r} are not there")
    return load_sets(data).layout


def _load_pretrained(folder: Path, *, stream: str | None) -> LoadedRun:
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"folder: there is no run's checkpoint.pt and no pretrained encoder in {str(folder)!r}")
    found = from_pretrained(folder)
    made = found.metadata.get("options")
    run: Mapping[str, Any] = made if isinstance(made, Mapping) else {}
    given = found.preprocessing or Preprocessing()
    trained_on = found.stream if found.preprocessing else run.get("stream", stream or "joint")
    if (given.per, given.origin, given.scale) != ("frame", "own", None):
        raise ValueError(f"folder: the clips of {str(folder)!r} are preprocessed as in no example, {given}")
    if stream not in (None, trained_on):
        raise ValueError(f"stream: {str(folder)!r} was trained on {trained_on!r}, not on {stream!r}")
    names = ("frames", "center", "align")
    options = {"stream": trained_on, **{name: getattr(given, name) for name in names}}
    if not found.preprocessing:
        options = {name: run[name] for name in ("stream", *names) if name in run}
    if options.get("frames") is None:
        raise ValueError(
            f"folder: {str(folder)!r} does not say how many frames its clips had; save it with "
            "preprocessing=Preprocessing(frames=...)"
        )
    if isinstance(run.get("seed"), int):
        options["seed"] = run["seed"]
    return LoadedRun(found.encoder, found.layout, options, trained_on, None if run.get("joints") else found.layout)
