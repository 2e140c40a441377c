"""The cost of an encoder and of its method: parameters, and operations of one forward pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.evaluation import model_cost
from skelblocks.training.build import build_backbone
from skelblocks.training.command_line import parse_options
from skelblocks.training.option_checks import check_count
from skelblocks.training.options import MethodOptions
from skelblocks.training.pages import load_page

_CLIPS = 2  # enough, since operations are proportional to the number of clips


@dataclass(kw_only=True)
class CostOptions:
    """The method and the sizes to count. None means the value in the method's options."""

    method: str = "msmclr"  # a method's name, or a FILE.py that `skelblocks train` takes
    recipe: list[str] = field(default_factory=list)  # YAML files of training options; default: the papers' settings
    frames: int | None = None  # frames per clip
    persons: int = 2  # persons per clip
    coordinates: int = 3  # coordinates per joint: 3, or 2 in a picture
    layout: str | None = None  # skeleton: a name or a .json file; default: ntu-rgb+d
    batch_size: int | None = None  # clips per batch; MsMCLR's table 9 has 128
    out: str | None = None  # folder for the results; default: runs/cost

    def __post_init__(self) -> None:
        for name in ("frames", "persons", "coordinates", "batch_size"):
            if getattr(self, name) is not None:
                check_count(getattr(self, name), name=name)
        if self.coordinates not in (2, 3):
            raise ValueError(f"coordinates: expected 2 or 3, got {self.coordinates}; choose one of them")


def method_cost(options: CostOptions) -> dict[str, Any]:
    """Count the parameters and operations of an encoder and of its method's forward pass, for one batch of clips.

    Operations are counted in two ways: as torch does, and as MsMCLR's table 9 does.

    Args:
        options: The method and the sizes.

    Returns:
        ``{"method", "batch_size"}``, and the parameters, MACs and FLOPs of encoder and method by each way of counting.

    Raises:
        FileNotFoundError: There is no such method or file.
        ValueError: The sizes do not fit the method.
    """
    page = load_page(options.method)
    arguments = [f"--config={path}" for path in options.recipe]
    chosen: Any = _resized(parse_options(page.options, arguments), options)
    layout = layouts.get_or_load(chosen.data.layout or "ntu-rgb+d")
    shape: dict[str, Any] = {"layout": layout, "persons": options.persons, "coordinates": options.coordinates}
    with torch.random.fork_rng(devices=[]):
        clips = torch.randn(_CLIPS, options.coordinates, chosen.data.frames, layout.num_joints, options.persons)
        views = page.make_views(chosen, layout=layout)(clips, torch.Generator().manual_seed(0))
        encoder = build_backbone(chosen, **shape)
        method = page.build(chosen, **shape)
    ids = torch.arange(_CLIPS)
    batch_size = chosen.train.batch_size
    counted: dict[str, Any] = {"method": page.name, "batch_size": batch_size}
    for convention in ("torch", "table9"):
        parts = {
            "encoder": model_cost(encoder, views[0], convention=convention),
            page.name: model_cost(
                method, *views, convention=convention, forward=lambda copied, *x: copied(*x, ids=ids, epoch=0)
            ),
        }
        for name, part in parts.items():
            whole = {metric: getattr(part, metric) * batch_size // _CLIPS for metric in ("macs", "flops")}
            counted[f"{name}, {convention}"] = part.to_dict() | whole
    return counted


def cost_table(counted: Mapping[str, Any]) -> str:
    """Tabulate what :func:`method_cost` counted.

    Args:
        counted: The result of :func:`method_cost`.

    Returns:
        Markdown, in millions and billions.

    Example:
        >>> counts = {"parameters": 2e6, "macs": 3e9, "flops": 6e9}
        >>> print(cost_table({"encoder, torch": counts, "batch_size": 128}))
        | | parameters, M | MACs, G | FLOPs, G |
        |---|--:|--:|--:|
        | encoder, torch | 2.00 | 3.0 | 6.0 |
        <BLANKLINE>
        One forward of a batch of 128 clips.
        <BLANKLINE>
    """
    lines = ["| | parameters, M | MACs, G | FLOPs, G |", "|---|--:|--:|--:|"]
    for name, row in counted.items():
        if isinstance(row, Mapping):
            cells = (f"{row['parameters'] / 1e6:.2f}", f"{row['macs'] / 1e9:.1f}", f"{row['flops'] / 1e9:.1f}")
            lines.append(f"| {escape(name, to='markdown')} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"One forward of a batch of {counted['batch_size']} clips.", ""])


def _resized(chosen: MethodOptions, options: CostOptions) -> MethodOptions:
    """The method's options with the requested sizes."""
    data = {name: value for name in ("frames", "layout") if (value := getattr(options, name)) is not None}
    size = options.batch_size or chosen.train.batch_size
    contrast = chosen.contrast
    if contrast.queue_size == "auto":  # a run sets it by the number of clips, but it does not change the cost
        contrast = dataclasses.replace(contrast, queue_size=size)
    return dataclasses.replace(
        chosen,
        data=dataclasses.replace(chosen.data, **data),
        train=dataclasses.replace(chosen.train, batch_size=size),
        contrast=contrast,
    )
