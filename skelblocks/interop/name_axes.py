"""Readable names for the open axes of an ONNX graph."""

from __future__ import annotations

from typing import Any


def name_axes(model: Any, *, output: str) -> None:
    """Name the open axes of a model ``clips`` and ``frames``, in place, and drop the shapes inside the graph.

    torch names open axes by numbers, such as ``s7``. Shapes inside the graph follow from the input's shape. If they are
    kept, some runtimes reject other sizes.

    Args:
        model: An ``onnx_ir`` model with one input ``(clips, c, frames, v, m)``.
        output: The name of its output.
    """
    (clips,), outputs = model.graph.inputs, model.graph.outputs
    names = {str(clips.shape[place]): name for place, name in ((0, "clips"), (2, "frames"))}
    for value in (clips, *outputs):
        for place, size in enumerate(value.shape):
            if not isinstance(size, int):
                value.shape[place] = names.get(str(size), f"{output}_frames")
    kept = {id(value) for value in (clips, *outputs)}
    for node in model.graph:
        for value in node.outputs:
            if id(value) not in kept:
                value.shape = None
                value.type = None
