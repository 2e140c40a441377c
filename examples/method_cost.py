"""What an encoder and its method cost: parameters, and operations of one forward."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from command_line import parse
from method import make_encoder

from skelblocks import layouts
from skelblocks.evaluation import model_cost


@dataclass(kw_only=True)
class CostOptions:
    """Of which method, and in which sizes; None: as the training script has it."""

    method: Literal["skeletonclr", "aimclr", "msmclr", "skeattnclr", "crossmoco"] = "msmclr"
    recipe: list[str] = field(default_factory=list)  # YAML files of the training script; without, the papers' settings
    frames: int | None = None
    persons: int = 2
    coordinates: int = 3  # of a joint; 2 in a picture
    layout: str | None = None
    batch_size: int | None = None  # 128 in MsMCLR's table 9
    out: str | None = None


def cost(options: CostOptions) -> dict[str, Any]:
    """Parameters and operations of an encoder and of its method's forward, for one batch of clips.

    Counted as torch does, and as MsMCLR's table 9.
    """
    example = importlib.import_module(f"train_{options.method}")
    chosen = parse(example.Options, [f"--config={path}" for path in options.recipe])
    given = {name: getattr(options, name) for name in ("frames", "layout", "batch_size")}
    chosen = dataclasses.replace(chosen, **{name: value for name, value in given.items() if value is not None})
    layout = layouts.get_or_load(chosen.layout or "ntu-rgb+d")
    made: dict[str, Any] = {"layout": layout, "persons": options.persons, "coordinates": options.coordinates}
    # Operations are so many a clip.
    clips = torch.randn(2, options.coordinates, chosen.frames, layout.num_joints, options.persons)
    views = example.make_views(chosen, layout=layout)(clips, torch.Generator().manual_seed(0))
    encoder = make_encoder(chosen, **made)
    method = example.build(chosen, **made)
    ids = torch.arange(len(clips))
    counted: dict[str, Any] = {"method": options.method, "batch_size": chosen.batch_size}
    for convention in ("torch", "table9"):
        parts = {
            "encoder": model_cost(encoder, views[0], convention=convention),
            options.method: model_cost(
                method, *views, convention=convention, forward=lambda copied, *x: copied(*x, ids=ids, epoch=0)
            ),
        }
        for name, part in parts.items():
            whole = {figure: getattr(part, figure) * chosen.batch_size // len(clips) for figure in ("macs", "flops")}
            counted[f"{name}, {convention}"] = part.to_dict() | whole
    return counted


def cost_table(counted: Mapping[str, Any]) -> str:
    """As Markdown."""
    lines = ["| | parameters, M | MACs, G | FLOPs, G |", "|---|--:|--:|--:|"]
    for name, row in counted.items():
        if isinstance(row, dict):
            lines.append(
                f"| {name} | {row['parameters'] / 1e6:.2f} | {row['macs'] / 1e9:.1f} | {row['flops'] / 1e9:.1f} |"
            )
    return "\n".join([*lines, "", f"One forward of a batch of {counted['batch_size']} clips.", ""])
