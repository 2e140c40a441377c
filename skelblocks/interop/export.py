"""Export encoders as graphs that run without this package: torch.export and ONNX.

Axes: n clips, c channels, t frames, v joints, m persons, d features.
"""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from skelblocks import layouts
from skelblocks._utils.checks import check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.optional import require
from skelblocks._utils.whole_file import whole_file
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.encoders import DSTA, STGCN, BiGRU
from skelblocks.encoders.readout import Readout
from skelblocks.interop.exported_graph import ExportedGraph
from skelblocks.interop.graph_preparation import GraphPreparation
from skelblocks.interop.name_axes import name_axes
from skelblocks.interop.pretrained.input_description import takes_input
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import Stream

_LEAST_TORCH = (2, 11)  # the oldest whose exports have been tried
_LEAST_FRAMES = 5  # of ST-GCN: below, its map has one frame, which torch.export takes for a case of its own
_LEAST_RECORDED = 2  # of a preparation, for the same reason


@explain_arguments
def export_program(
    encoder: nn.Module,
    *,
    pool: bool = True,
    persons: int = 2,
    frames: int | None = None,
    readout: Readout = "mean",
    classifier: nn.Module | None = None,
    preparation: GraphPreparation | None = None,
) -> ExportedProgram:
    """Export the encoder in evaluation mode as one graph, for any number of clips.

    Args:
        encoder: An ``STGCN``, ``DSTA`` or ``BiGRU``; it is copied, not changed.
        pool: Whether the graph ends in features; False ends in the map.
        persons: m of the clips, which is fixed; of a ``BiGRU`` its own.
        frames: t of the clips. None leaves it open, from 5 up, which only ``STGCN`` can; ``DSTA`` has its own number
            and a ``BiGRU`` is unrolled, its graph growing with it. With a ``preparation`` that resamples, these are the
            recorded frames, and every encoder leaves them open, from 2 up.
        readout: How the feature map becomes one vector, see :func:`~skelblocks.encoders.readout`.
        classifier: A module from these features to scores, such as ``Pretrained.head``; the graph then ends in
            probabilities.
        preparation: The preparation of recorded clips to include in the graph, see
            :class:`~skelblocks.interop.GraphPreparation`. It needs at most ``persons`` persons.

    Returns:
        The program, on the encoder's device and in its dtype: ``program.module()(clips)`` takes ``(n, c, t, v, m)`` to
        features ``(n, d)``, to probabilities ``(n, classes)`` or to the map. Its open axes are called ``clips`` and
        ``frames``. ``torch.export.save`` writes it to a file.

    Raises:
        TypeError: Another encoder, or a number that is not an integer.
        ValueError: Frames or persons that the encoder does not take, or none where it needs them; a preparation for
            another skeleton or other coordinates than the encoder's; a classifier with ``pool=False``.
        ImportError: Torch is older than 2.11.

    Example:
        >>> encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=16)
        >>> program = export_program(encoder)
        >>> program.module()(torch.randn(3, 3, 64, 25, 2)).shape
        torch.Size([3, 16])
    """
    own_frames = frames
    if preparation is not None:
        _check_preparation(preparation, encoder)
        if preparation.preprocessing.frames is not None:
            own_frames = preparation.preprocessing.frames
    own_persons = _persons(preparation, persons)
    encoder, own_frames = _check(encoder, own_persons, own_frames)
    graph = ExportedGraph(
        copy.deepcopy(encoder),
        readout=readout if pool else None,
        classifier=copy.deepcopy(classifier),
        preparation=preparation,
    )
    graph = graph.eval().requires_grad_(False)
    first = next(iter(encoder.parameters()))
    if classifier is not None:
        assert graph.classifier is not None
        graph.classifier.to(first)
    recorded = preparation is not None and preparation.preprocessing.frames is not None
    input_frames, least = (frames, _LEAST_RECORDED) if recorded else (own_frames, _LEAST_FRAMES)
    channels = encoder.in_channels if preparation is None else preparation.channels
    joints = (encoder if preparation is None else preparation).layout.num_joints
    example = torch.zeros(2, channels, input_frames or 16, joints, persons, dtype=first.dtype, device=first.device)
    dynamic = {0: Dim("clips", min=1)} | ({2: Dim("frames", min=least)} if input_frames is None else {})
    # Some guards hold for every t and torch cannot prove it: they become checks of the graph.
    return torch.export.export(
        graph, (example,), dynamic_shapes=(dynamic,), prefer_deferred_runtime_asserts_over_guards=True
    )


@takes_input
@explain_arguments
def export_onnx(
    encoder: nn.Module,
    path: str | os.PathLike[str],
    *,
    pool: bool = True,
    persons: int = 2,
    frames: int | None = None,
    readout: Readout = "mean",
    classifier: nn.Module | None = None,
    class_names: Sequence[str] = (),
    preparation: GraphPreparation | None = None,
    preprocessing: Preprocessing | None = None,
    stream: Stream | None = None,
    opset: int = 18,
    overwrite: bool = False,
) -> None:
    """Write the encoder to an ONNX file, in float32. Needs the extra ``onnx``.

    Its input ``clips`` is ``(n, c, t, v, m)``, its output ``features`` ``(n, d)`` or the map, or with a classifier
    ``probabilities`` ``(n, classes)``. Open axes are called ``clips`` and ``frames``. The graph takes nothing by a list
    of frames (``Gather``), which some runtimes misread. The model's ``metadata_props`` hold, as JSON,
    ``skelblocks.layout`` (of the clips that the graph takes) and, if given, ``skelblocks.preprocessing``,
    ``skelblocks.stream`` and ``skelblocks.class_names``. Unlike the program, the ONNX graph does not check its input:
    ST-GCN wants 5 frames or more, a preparation 2.

    Args:
        encoder: As for :func:`export_program`, on any device, like the rest.
        path: The file, which appears complete or not at all.
        pool: Whether to pool.
        persons: m.
        frames: t.
        readout: How the feature map becomes one vector.
        classifier: From features to scores.
        class_names: Names of its classes.
        preparation: The preparation of recorded clips in the graph.
        preprocessing: The preprocessing that clips need before the graph, or that ``preparation`` does.
        stream: The stream that the encoder takes.
        opset: Version of ONNX's operators, 18 or later.
        overwrite: Whether to replace an existing file.

    Raises:
        TypeError: What :func:`export_program` refuses.
        ValueError: The same, or an older opset.
        FileExistsError: The file exists already.
        FileNotFoundError: The folder of the file does not exist.
    """
    check_integer(opset, name="opset", least=18)
    path = Path(path)
    check_free(path, overwrite=overwrite)
    require("onnxscript", extra="onnx")
    require("onnx", extra="onnx")
    program = export_program(
        copy.deepcopy(encoder).float().cpu(),
        pool=pool,
        persons=persons,
        frames=frames,
        readout=readout,
        classifier=classifier,
        preparation=preparation,
    )
    output = "features" if classifier is None else "probabilities"
    if isinstance(encoder, BiGRU):  # torch 2.11 would write a GRU whole, and wrongly
        program = program.run_decompositions()
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    registry.setLevel(logging.ERROR)  # it warns about a missing torchvision, which these graphs do not need
    try:
        written = torch.onnx.export(
            program, dynamo=True, opset_version=opset, verbose=False, input_names=["clips"], output_names=[output]
        )
    finally:
        registry.setLevel(level)
    assert written is not None
    name_axes(written.model, output=output)
    layout = layouts.get(encoder.layout) if preparation is None else preparation.layout  # type: ignore[arg-type]
    written.model.metadata_props.update(describe_graph(layout, preprocessing, stream, class_names))
    with whole_file(path) as place:
        written.save(str(place), external_data=False)


@takes_input
@explain_arguments
def save_program(
    program: ExportedProgram,
    path: str | os.PathLike[str],
    *,
    encoder: nn.Module,
    class_names: Sequence[str] = (),
    preparation: GraphPreparation | None = None,
    preprocessing: Preprocessing | None = None,
    stream: Stream | None = None,
    overwrite: bool = False,
) -> None:
    """Write the result of :func:`export_program` to a ``.pt2`` file. Its extra files record layout and preprocessing.

    Args:
        program: The program.
        path: The file, which appears complete or not at all.
        encoder: The exported encoder.
        class_names: Names of the classes, for a program that outputs probabilities.
        preparation: The preparation of recorded clips in the program.
        preprocessing: The preprocessing that clips need before the program, or that ``preparation`` does.
        stream: The stream that the encoder takes.
        overwrite: Whether to replace an existing file.

    Raises:
        FileExistsError: The file exists already.
        FileNotFoundError: The folder of the file does not exist.
    """
    path = Path(path)
    check_free(path, overwrite=overwrite)
    layout = layouts.get(encoder.layout) if preparation is None else preparation.layout  # type: ignore[arg-type]
    with whole_file(path) as place:
        described = describe_graph(layout, preprocessing, stream, class_names)
        torch.export.save(program, place, extra_files=described)


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise unless the path's folder exists, and the path is free or may be overwritten."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: expected an existing folder, got {str(path.parent)!r}; create it first")
    if path.is_dir() or (path.exists() and not overwrite):
        raise FileExistsError(
            f"path: {str(path)!r} exists already; choose another, or pass overwrite=True (--overwrite)"
        )


def describe_graph(
    layout: SkeletonLayout, preprocessing: Preprocessing | None, stream: Stream | None, class_names: Sequence[str]
) -> dict[str, str]:
    """The metadata of a graph as JSON: the layout, and preprocessing, stream and classes if known."""
    values: dict[str, Any] = {"layout": layout.to_dict()}
    if preprocessing is not None:
        values["preprocessing"] = preprocessing.to_dict()
    if stream is not None:
        values["stream"] = stream
    if class_names:
        values["class_names"] = list(class_names)
    return {f"skelblocks.{name}": json.dumps(value) for name, value in values.items()}


def _persons(preparation: GraphPreparation | None, persons: int) -> int:
    """Persons of the clips that the encoder gets."""
    check_integer(persons, name="persons")
    room = None if preparation is None else preparation.preprocessing.persons
    if room is not None and persons > room:
        raise ValueError(f"persons: expected at most the {room} of the preparation, got {persons}")
    return persons if room is None else room


def _check_preparation(preparation: GraphPreparation, encoder: nn.Module) -> None:
    own = layouts.get(encoder.layout)  # type: ignore[arg-type]
    channels = preparation.preprocessing.channels_of(preparation.channels)
    if preparation.target.joints != own.joints or channels != encoder.in_channels:
        raise ValueError(
            f"preparation: expected one that gives {encoder.in_channels} coordinates of {own.name!r}, as the encoder "
            f"takes them, got {channels} of {preparation.target.name!r}; pass target=encoder.layout, or set coordinates"
        )


def _check(encoder: nn.Module, persons: int, frames: int | None) -> tuple[STGCN | DSTA | BiGRU, int | None]:
    """The encoder, and the frames of the graph: None if they are open."""
    if tuple(map(int, torch.__version__.split(".")[:2])) < _LEAST_TORCH:
        raise ImportError(f"export: expected torch 2.11 or later, got {torch.__version__}; upgrade it")
    if not isinstance(encoder, STGCN | DSTA | BiGRU):
        raise TypeError(f"encoder: expected an STGCN, DSTA or BiGRU, got {type(encoder).__name__}; export it yourself")
    check_integer(persons, name="persons")
    if frames is not None:
        check_integer(frames, name="frames")
    if isinstance(encoder, DSTA):
        if frames not in (None, encoder.frames):
            raise ValueError(f"frames: this DSTA is made for {encoder.frames}, got {frames}; leave it out")
        return encoder, encoder.frames
    if isinstance(encoder, BiGRU):
        if persons != encoder.persons:
            raise ValueError(f"persons: this BiGRU is made for {encoder.persons}, got {persons}")
        if frames is None:
            raise ValueError("frames: a BiGRU is unrolled over time, which fixes its frames; pass their number")
    return encoder, frames
