"""Load official checkpoints into this package's blocks, and account for every tensor."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from skelblocks._utils.checks import check_choice
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.interop.official.checkpoint_error import CheckpointError
from skelblocks.interop.official.checkpoint_file import check_state_dict, read_state_dict
from skelblocks.interop.official.load_report import LoadReport, shorten
from skelblocks.interop.official.official_blocks import OfficialBlocks
from skelblocks.interop.official.official_checkpoint import READ, WRITE, OfficialCheckpoint, pieces, weights_dtype
from skelblocks.interop.official.official_keys import LINEAR_FORMS, Form, linear_form, official_name
from skelblocks.interop.official.official_sources import SOURCES, STREAM_SUFFIX, Source
from skelblocks.interop.official.recognize_foreign import seems_to_be
from skelblocks.interop.official.recognize_source import is_pretraining, recognize_source, same_names
from skelblocks.interop.official.unused_tensors import UNUSED, UNUSED_BUFFERS
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import Stream


@explain_arguments
def load_official(
    checkpoint: str | os.PathLike[str] | Mapping[str, Tensor],
    *,
    source: Source | Literal["auto"] = "auto",
    stream: Stream = "joint",
    layout: str | Mapping[str, Any] | SkeletonLayout = "auto",
    check_graph: bool = True,
    num_heads: int = 8,
    sharpness: float = 2.0,
    strict: bool = True,
) -> OfficialCheckpoint:
    """Load a checkpoint of a method's released code: from pretraining, from a linear evaluation, or a bare encoder.

    Sizes are read off the tensors. The prefixes of wrappers (``module.``, ``_orig_mod.``) are removed from names,
    wherever they stand. SkeAttnCLR's other names for its predictors and queues are known. Heads and classifiers may be
    linear layers or convolutions of size one; :func:`to_official` writes the form that was read. The graph ``A``
    chooses strategy and layout; weights that were trained on another graph than ours are refused. The released loader
    keeps initial random values for what a file lacks; here that is an error.

    Files do not record the number of heads and the sharpness of SkeAttnCLR's attention, nor the stream of a method that
    trains on one. MsMCLR's attention gets ``segment=8``, as it was trained. CrosSCLR's streams share layers of their
    heads; here each has its own copy. Only ST-GCN encoders are known, not SkeAttnCLR's and HiCLR's others.

    Args:
        checkpoint: A file, which is read as weights alone, or a state dict.
        source: One of ``"SkeletonCLR"``, ``"AimCLR"``, ``"CrosSCLR"``, ``"CrosNNCLR"``, ``"ActCLR"``, ``"DoGCLR"``,
            ``"MsMCLR"``, ``"HiCLR"``, ``"SkeleMixCLR"``, ``"SkeAttnCLR"``, ``"PSTL"``, ``"encoder"`` (names without
            ``encoder_q.``, as PSTL's). ``"auto"`` decides by the names and shapes. Several methods write the same
            ones, which load the same; ``.report.alternatives`` lists them.
        stream: Which of CrosSCLR's streams the result shows; for others, the name of their one stream.
        layout: The skeleton, or ``"auto"`` for any registered one that gives ``A``.
        check_graph: False takes ``A`` as it is, under the layout's name; for graphs that no strategy gives.
        num_heads: Heads of SkeAttnCLR's attention; 8 in its released configs.
        sharpness: Sharpness of the same attention; 2 in its released configs.
        strict: False reports missing and unexpected names, where True raises. Missing weights then stay random.

    Returns:
        The blocks, in evaluation mode, on the CPU, in the file's dtype. ``.report`` accounts for every tensor.

    Raises:
        CheckpointError: A damaged or unsafe file, a file of something else, values that are no weights, shapes that do
            not fit each other, a graph that is not the layout's; with ``strict``, names missing or unexpected.
            ``error.report`` has the full lists.
        ValueError: An unknown source or stream.

    Example:
        >>> from skelblocks.encoders import STGCN
        >>> from skelblocks.interop import to_official
        >>> weights = to_official(STGCN("ntu-rgb+d", base_channels=4, out_channels=8), source="PSTL")
        >>> loaded = load_official(weights)
        >>> loaded.encoder.base_channels, loaded.report.missing
        (4, ())
    """
    check_choice(source, ("auto", *SOURCES), name="source")
    check_choice(stream, STREAM_SUFFIX, name="stream")
    if isinstance(checkpoint, str | os.PathLike):
        name, tensors = str(Path(checkpoint)), read_state_dict(checkpoint)
    else:
        name, tensors = "checkpoint", check_state_dict(checkpoint, name="checkpoint")
    state, written = _official_names(tensors, name=name)
    method: Source = recognize_source(state, name=name) if source == "auto" else source
    pretraining = is_pretraining(state, source=method)
    alternatives = same_names(method, pretraining=pretraining) if source == "auto" else ()
    streams = _streams(state, method, stream, name)

    blocks = OfficialBlocks(
        state, method, pretraining, layout=layout, check_graph=check_graph, num_heads=num_heads, sharpness=sharpness
    )
    with torch.random.fork_rng(devices=[]):  # all of it is overwritten
        try:
            loaded = blocks.checkpoint(stream=stream, streams=streams)
        except CheckpointError as error:
            raise CheckpointError(f"{name}: {error}") from error
        except (ValueError, TypeError) as error:
            raise CheckpointError(
                f"{name}: its tensors' sizes make no {method} network: {error}; pass another source="
            ) from error
    loaded = replace(loaded, forms=_forms(loaded, state))
    unused, dropped, lacking = _unused(state, method, pretraining, blocks.notes)
    report = LoadReport(
        method, alternatives, dropped={written[key]: reason for key, reason in dropped.items()}, missing=lacking
    )
    report = _account(loaded, state, written, replace(report, notes=tuple(dict.fromkeys(blocks.notes))))
    if strict and not report.complete:
        raise CheckpointError(_complaint(report, name), report=report)
    _fill(loaded, state, written, name=name)
    return replace(loaded, unused=unused, report=report)


def _official_names(tensors: Mapping[str, Tensor], *, name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by the method's names, and how the file writes each."""
    state: dict[str, Tensor] = {}
    written: dict[str, str] = {}
    for key, value in tensors.items():
        meant = official_name(key)
        if meant in state:
            raise CheckpointError(f"{name}: {written[meant]!r} and {key!r} both mean {meant!r}; remove one")
        state[meant], written[meant] = value, key
    return state, written


def _streams(state: Mapping[str, Tensor], source: Source, stream: Stream, name: str) -> list[Stream]:
    if source != "CrosSCLR":
        return [stream]
    bone = any(re.match(r"(encoder_[qk]|queue|queue_ptr)_bone", key) for key in state)
    streams: list[Stream] = ["joint", "motion", "bone"] if bone else ["joint", "motion"]
    if stream not in streams:
        raise CheckpointError(
            f"{name}: expected stream to be one of its {', '.join(streams)}, got {stream!r}; pass one of them"
        )
    return streams


def _unused(
    state: Mapping[str, Tensor], source: Source, pretraining: bool, notes: list[str]
) -> tuple[dict[str, Tensor], dict[str, str], tuple[str, ...]]:
    """What the released code itself never uses: the tensors, why, and what of a group is missing."""
    unused: dict[str, Tensor] = {}
    dropped: dict[str, str] = {}
    missing: list[str] = []
    for group in UNUSED.get(source, ()):
        for letter in "qk" if pretraining else "q" if group.evaluated else "":
            names = [f"encoder_{letter}.{name}" for name in group.names]
            present = [key for key in names if key in state]
            unused.update({key: state[key].clone() for key in present})
            dropped.update(dict.fromkeys(present, group.reason))
            if present:
                missing += [key for key in names if key not in state]
            else:
                notes.append(f"{names[0]} and {len(names) - 1} more: not in the file; {group.reason}")
    for key, reason in UNUSED_BUFFERS.get(source, {}).items():
        if key in state:
            unused[key], dropped[key] = state[key].clone(), reason
    return unused, dropped, tuple(missing)


def _forms(loaded: OfficialCheckpoint, state: Mapping[str, Tensor]) -> dict[str, Form]:
    """The linear layers whose weights the file writes in another form than the method usually does."""
    forms: dict[str, Form] = {}
    for piece in pieces(loaded):
        own = piece.module.state_dict()
        for ours, (official, usual) in piece.keys.items():
            if official in state and usual in LINEAR_FORMS and own[ours].ndim == 2:
                form = linear_form(state[official])
                if form is not None and form != usual:
                    forms[official] = form
    return forms


def _account(
    loaded: OfficialCheckpoint, state: Mapping[str, Tensor], written: Mapping[str, str], report: LoadReport
) -> LoadReport:
    """Where every tensor goes, by the names alone."""
    mapped: dict[str, str] = {}
    filled: dict[str, str] = {}
    missing = list(report.missing)
    for piece in pieces(loaded):
        for ours, (official, _) in piece.keys.items():
            if official in state:
                mapped[written[official]] = f"{piece.path}.{ours}"
            else:
                missing.append(official)
        for ours in piece.ours_alone:
            filled[f"{piece.path}.{ours}"] = "-1, clips are not known"
    unexpected = tuple(key for key in written.values() if key not in mapped and key not in report.dropped)
    return replace(report, mapped=mapped, filled=filled, missing=tuple(missing), unexpected=unexpected)


def _fill(loaded: OfficialCheckpoint, state: Mapping[str, Tensor], written: Mapping[str, str], *, name: str) -> None:
    """Put the tensors into the blocks."""
    dtype = weights_dtype(state)
    for piece in pieces(loaded):
        piece.module.to(dtype).eval()
        own = piece.module.state_dict()
        for ours, (official, form) in piece.keys.items():
            if official not in state:
                continue
            value, expected = state[official], WRITE[form](own[ours])
            if value.shape != expected.shape or value.is_floating_point() != expected.is_floating_point():
                raise CheckpointError(
                    f"{name}: {written[official]!r} is {value.dtype} of shape {tuple(value.shape)}, expected "
                    f"{expected.dtype} of {tuple(expected.shape)} beside the other tensors of {piece.path}"
                )
            if form == "one" and not 0 <= int(value) < len(own["bank"]):
                raise CheckpointError(f"{name}: {written[official]!r} is {int(value)}, outside of its queue")
            own[ours] = READ[form](value)
        for ours in piece.ours_alone:
            own[ours] = torch.full_like(own[ours], -1 if ours == "ids" else 0)
        piece.module.load_state_dict(own)


def _complaint(report: LoadReport, name: str) -> str:
    lists = "; ".join(f"{len(those)} {what}: {shorten(those)}" for what, those in report.lacks())
    kind = "" if report.mapped else seems_to_be(report.unexpected)
    if kind:
        return f"{name}: expected an ST-GCN of {report.source}, got {lists}; it seems to be {kind}"
    return (
        f"{name}: expected exactly the tensors of {' or '.join((report.source, *report.alternatives))}, {lists}. Pass "
        "another source=, or strict=False to list them in .report instead; missing tensors would stay random"
    )
