"""Encoders as graphs that run without this package: torch.export and ONNX.

Axes: n samples, c channels, t frames, v joints, m persons, d features.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from skelblocks import layouts
from skelblocks._utils.checks import check_integer
from skelblocks._utils.optional import require
from skelblocks._utils.whole_file import whole_file
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.encoders import DSTA, STGCN, BiGRU
from skelblocks.encoders import pool as mean_pool
from skelblocks.interop.pretrained.input_description import takes_input
from skelblocks.streams import Stream

_LEAST_TORCH = (2, 11)  # the oldest whose exports have been tried
_LEAST_FRAMES = 5  # of ST-GCN: below, its map has one frame, which torch.export takes for a case of its own


def export_program(
    encoder: nn.Module, *, pool: bool = True, persons: int = 2, frames: int | None = None
) -> ExportedProgram:
    """The encoder in evaluation mode as one graph, for any number of clips.

    Args:
        encoder: An ``STGCN``, ``DSTA`` or ``BiGRU``; it is copied, not changed.
        pool: Whether the graph ends in the mean over frames, joints and persons, :func:`~skelblocks.encoders.pool`.
        persons: m of the clips, which is fixed; of a ``BiGRU`` its own.
        frames: t of the clips. None leaves it open, from 5 up, which only ``STGCN`` can; ``DSTA`` has its own number
            and a ``BiGRU`` is unrolled, its graph growing with it.

    Returns:
        The program, on the encoder's device and in its dtype: ``program.module()(clips)`` takes ``(n, c, t, v, m)`` to
        features ``(n, d)``, or to the map. ``torch.export.save`` writes it to a file.

    Raises:
        TypeError: another encoder, or a number that is not an integer.
        ValueError: frames or persons that the encoder does not take, or none where it needs them.
        ImportError: torch is older than 2.11.

    Example:
        >>> encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=16)
        >>> program = export_program(encoder)
        >>> program.module()(torch.randn(3, 3, 64, 25, 2)).shape
        torch.Size([3, 16])
    """
    encoder, frames = _check(encoder, persons, frames)
    graph = _Pooled(copy.deepcopy(encoder), pool=pool).eval().requires_grad_(False)
    first = next(iter(graph.parameters()))
    sizes = (encoder.in_channels, frames or 16, encoder.layout.num_joints, persons)
    example = torch.zeros(2, *sizes, dtype=first.dtype, device=first.device)
    dynamic = {0: Dim("n", min=1)} | ({2: Dim("t", min=_LEAST_FRAMES)} if frames is None else {})
    # Some guards hold for every t and torch cannot prove it: they become checks of the graph.
    return torch.export.export(
        graph, (example,), dynamic_shapes=(dynamic,), prefer_deferred_runtime_asserts_over_guards=True
    )


@takes_input
def export_onnx(
    encoder: nn.Module,
    path: str | os.PathLike[str],
    *,
    pool: bool = True,
    persons: int = 2,
    frames: int | None = None,
    preprocessing: Preprocessing | None = None,
    stream: Stream | None = None,
    opset: int = 18,
    overwrite: bool = False,
) -> None:
    """Write the encoder to an ONNX file, in float32. Needs the extra ``onnx``.

    Its input ``clips`` is ``(n, c, t, v, m)``, its output ``features`` ``(n, d)`` or the map. The model's
    ``metadata_props`` hold, as JSON, ``skelblocks.layout`` and, if given, ``skelblocks.preprocessing``
    and ``skelblocks.stream``. Unlike the program, the
    ONNX graph does not check its input: ST-GCN wants 5 frames or more.

    Args:
        encoder: As for :func:`export_program`, on any device, like the rest.
        path: The file, which appears complete or not at all.
        pool: Whether to pool.
        persons: m.
        frames: t.
        preprocessing: What must be done to a clip before.
        stream: What the encoder takes.
        opset: Version of ONNX's operators, 18 or later.
        overwrite: Whether a file there is replaced.

    Raises:
        TypeError: what :func:`export_program` refuses.
        ValueError: the same, or an older opset.
        FileExistsError: there is a file.
        FileNotFoundError: its folder is not there.
    """
    check_integer(opset, name="opset", least=18)
    path = Path(path)
    check_free(path, overwrite=overwrite)
    require("onnxscript", extra="onnx")
    require("onnx", extra="onnx")
    program = export_program(copy.deepcopy(encoder).float().cpu(), pool=pool, persons=persons, frames=frames)
    if isinstance(encoder, BiGRU):  # torch 2.11 would write a GRU whole, and wrongly
        program = program.run_decompositions()
    written = torch.onnx.export(
        program, dynamo=True, opset_version=opset, verbose=False, input_names=["clips"], output_names=["features"]
    )
    assert written is not None
    written.model.metadata_props.update(describe_graph(encoder, preprocessing, stream))
    with whole_file(path) as place:
        written.save(str(place), external_data=False)


@takes_input
def save_program(
    program: ExportedProgram,
    path: str | os.PathLike[str],
    *,
    encoder: nn.Module,
    preprocessing: Preprocessing | None = None,
    stream: Stream | None = None,
    overwrite: bool = False,
) -> None:
    """Write what :func:`export_program` gives to a ``.pt2`` file; layout and preprocessing are among its extra files.

    Args:
        program: The program.
        path: The file, which appears complete or not at all.
        encoder: What it was made from.
        preprocessing: What must be done to a clip before.
        stream: What the encoder takes.
        overwrite: Whether a file there is replaced.

    Raises:
        FileExistsError: there is a file.
        FileNotFoundError: its folder is not there.
    """
    path = Path(path)
    check_free(path, overwrite=overwrite)
    with whole_file(path) as place:
        torch.export.save(program, place, extra_files=describe_graph(encoder, preprocessing, stream))


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise unless the path's folder is there, and no file at it that must stay, and no folder."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: the folder {str(path.parent)!r} is not there; make it first")
    if path.is_dir() or (path.exists() and not overwrite):
        raise FileExistsError(f"path: there is something at {str(path)!r}; choose another, or pass overwrite=True")


def describe_graph(encoder: nn.Module, preprocessing: Preprocessing | None, stream: Stream | None) -> dict[str, str]:
    """What goes with a graph, as JSON: the layout, and preprocessing and stream where they are known."""
    values: dict[str, Any] = {"layout": layouts.get(encoder.layout).to_dict()}  # type: ignore[arg-type]
    if preprocessing is not None:
        values["preprocessing"] = preprocessing.to_dict()
    if stream is not None:
        values["stream"] = stream
    return {f"skelblocks.{name}": json.dumps(value) for name, value in values.items()}


class _Pooled(nn.Module):
    def __init__(self, encoder: nn.Module, *, pool: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.pool = pool

    def forward(self, clips: Tensor) -> Tensor:
        feature_map: Tensor = self.encoder(clips)
        return mean_pool(feature_map) if self.pool else feature_map


def _check(encoder: nn.Module, persons: int, frames: int | None) -> tuple[STGCN | DSTA | BiGRU, int | None]:
    """The encoder, and the frames of the graph: None where they are open."""
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
