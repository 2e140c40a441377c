"""Open the clips for a pretrained encoder: a prepared set, or a file that is prepared while it is read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.cli.shown import Shown
from skelblocks.clips import ClipDataset, Preprocessing, batches
from skelblocks.clips.preprocessing import COORDINATES, YS
from skelblocks.data import ArrayDataset, PreparedSet, read_arrays
from skelblocks.encoders import ReadoutEncoder
from skelblocks.encoders.readout import Readout
from skelblocks.evaluation import extract_features
from skelblocks.evaluation.frozen import PRECISIONS, Precision
from skelblocks.interop.pretrained.check_fits import check_fits, check_same_coordinates
from skelblocks.interop.pretrained.pretrained import Pretrained
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.recognize_layout import recognize_layout
from skelblocks.layouts.remap import MISSING, joint_sources

_OF_FILES = ("layout", "y", "missing", "coordinates")  # options that a prepared set already records


def add_clip_options(parser: argparse.ArgumentParser, *, without: str | None = None) -> None:
    """Add the options that say where the clips are, how they were recorded, and where the encoder runs.

    Args:
        parser: The parser of the command.
        without: Help text for the case that no clips are named. Default: clips are required.
    """
    about = "a prepared set, or a .npz or .npy file of recorded clips"
    if without is None:
        parser.add_argument("clips", type=Path, help=about)
    else:
        parser.add_argument("clips", type=Path, nargs="?", help=f"{about} ({without})")
    parser.add_argument("--part", choices=("train", "test"), help="part of the set to use (default: all clips)")
    add_recording_options(parser)
    parser.add_argument("--batch-size", type=int, default=256, help="clips per batch (default: 256)")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="own",
        help="own: the encoder's precision; bf16: bfloat16; auto: bfloat16 if the device supports it in hardware "
        "(default: own)",
    )
    parser.add_argument("--device", help="device of the encoder (default: cuda if available, else cpu)")


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe recorded clips, which are not prepared yet."""
    parser.add_argument(
        "--layout",
        help="skeleton of the recorded clips: a name or a .json file (default: recognized by joint names, else the "
        "encoder's)",
    )
    parser.add_argument(
        "--missing", choices=MISSING, help="what to do about joints of the encoder that the clips lack (default: error)"
    )
    parser.add_argument(
        "--y", choices=YS, help="direction in which the second coordinate of the clips grows (default: as in training)"
    )
    parser.add_argument(
        "--coordinates",
        type=int,
        choices=COORDINATES,
        help="3: add a zero depth to 2-D clips; 2: drop the third coordinate",
    )


def chosen_device(name: str | None) -> torch.device:
    """The named device. Raises a ``ValueError`` if this machine does not have it."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: {name!r} is not available on this machine; try 'cpu'") from error
    return device


def open_clips(args: argparse.Namespace, pretrained: Pretrained) -> ClipDataset:
    """Open the clips of a command in the form that the encoder takes.

    Clips of another skeleton are remapped to the encoder's skeleton, with a note on standard error.

    Raises:
        FileNotFoundError: there are no clips.
        ValueError: clips that do not fit the encoder.
    """
    path: Path = args.clips
    if not path.exists():
        raise FileNotFoundError(
            f"clips: there is no file or folder {escape(path)!r} (looked in {escape(Path.cwd())}); check the path"
        )
    if path.is_dir():
        for name in _OF_FILES:
            if getattr(args, name) is not None:
                raise ValueError(
                    f"{name}: expected no --{name} for a prepared set, which records its own; leave it out, or prepare "
                    "the set again"
                )
        prepared = PreparedSet(path, part=args.part)
        check_fits(prepared, pretrained)
        return prepared
    if pretrained.preprocessing is None:
        raise ValueError(
            "clips: the encoder's folder does not record how to prepare clips; save it with "
            "preprocessing=Preprocessing(...), or prepare the clips with skelblocks prepare"
        )
    layout = _recorded_layout(path, args.layout, pretrained)
    settings = recorded_settings(args, pretrained.preprocessing, layout, pretrained.layout)
    dataset = ArrayDataset.from_file(path, layout=layout, split=args.part, preprocessing=settings)
    check_same_coordinates(dataset, pretrained.encoder)
    return dataset


@torch.no_grad()
def features_of(
    pretrained: Pretrained, dataset: ClipDataset, *, readout: Readout, batch_size: int, precision: Precision
) -> Tensor:
    """Features ``(n, d)`` of all clips, float32, on the CPU. Raises a ``ValueError`` if one is not finite."""
    encoder = ReadoutEncoder(pretrained.encoder, readout)
    dtype = next(pretrained.encoder.parameters()).dtype
    seen = False

    def finished(shown: Shown) -> Iterator[Tensor]:
        nonlocal seen
        done = 0
        for sample in batches(dataset, batch_size, ahead=2):
            seen = seen or bool(sample.clip.any())
            yield pretrained.finish(sample.clip.to(dtype))
            done += len(sample.clip)
            shown.show(done)

    with Shown(len(dataset), unit="clips") as shown:
        features = extract_features(encoder, finished(shown), precision=precision).float().cpu()
    if not seen:
        raise ValueError(
            "clips: expected a visible person in some clip, got only zeros; look at the file with skelblocks inspect"
        )
    if not bool(torch.isfinite(features).all()):
        place = int((~torch.isfinite(features)).any(dim=1).nonzero()[0])
        raise ValueError(
            f"clips: expected finite features, got NaN or infinity for {escape(dataset.names[place])!r}; check the "
            "clip's coordinates and the encoder's weights"
        )
    return features


def _recorded_layout(path: Path, named: str | None, pretrained: Pretrained) -> SkeletonLayout:
    """The skeleton of a file: the user's choice, else by the file's joint names, else the encoder's."""
    if named is not None:
        return layouts.get_or_load(named)
    arrays = read_arrays(path)
    names = [str(name) for name in arrays.get("joint_names", ())]
    source = None if pretrained.preprocessing is None else pretrained.preprocessing.source
    known = [pretrained.layout, *([] if source is None else [layouts.get(source)])]
    for layout in known:
        if layout.joints == tuple(names):
            return layout
    if names:
        try:
            return recognize_layout(num_joints=len(names), joint_names=names)
        except ValueError:
            return pretrained.layout  # loading the clips then reports the mismatch
    clips = arrays["clips"]
    fitting = [layout for layout in known if clips.ndim == 5 and layout.num_joints == clips.shape[3]]
    return fitting[0] if fitting else pretrained.layout


def recorded_settings(
    args: argparse.Namespace, expected: Preprocessing, recorded: SkeletonLayout, own: SkeletonLayout
) -> Preprocessing:
    """The encoder's preprocessing, adapted to clips recorded with another skeleton, direction or depth.

    Args:
        args: Parsed options of :func:`add_recording_options`.
        expected: Preprocessing of the encoder.
        recorded: Skeleton of the clips.
        own: Skeleton of the encoder.

    Raises:
        ValueError: The clips lack joints that the encoder needs.
    """
    as_trained = expected.source is None or layouts.get(expected.source) == recorded
    changes: dict[str, Any] = {"y": expected.y if as_trained else "up", "to": own, "source": None}
    for name in ("y", "missing", "coordinates"):
        if getattr(args, name) is not None:
            changes[name] = getattr(args, name)
    settings = replace(expected, **changes)
    if recorded != own:
        try:
            _, approximated = joint_sources(recorded, own, missing=settings.missing)
        except ValueError as error:
            text = str(error).replace('pass missing="nearest"', "add --missing nearest")
            raise ValueError(f"clips: {text}") from error
        names = [joint for joint, lacked in zip(own.joints, approximated, strict=True) if lacked]
        made_of_others = f"; made from other joints: {', '.join(map(escape, names))}" if names else ""
        print(f"clips of {escape(recorded.name)} as {escape(own.name)}{made_of_others}", file=sys.stderr)
    return settings
