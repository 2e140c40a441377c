"""Check that a checkpoint can be resumed with the current options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skelblocks.training.options import MethodOptions

FORMAT = 2  # version of the checkpoint format; version 1 had options without groups
# Options that may change on resume: where and how the run executes, its length, and its evaluation. The file of a set
# or skeleton may move, because its content is compared separately. The steps of a run and of its warm-up are compared
# by the epochs that they lead to. Blocks that run again in backward give the same bits.
_FREE = frozenset(
    {"data.path", "data.layout", "data.joints", "encoder.checkpoint", "train.start"}
    | {f"train.{name}" for name in ("accelerator", "checkpoint_every", "folder", "resume", "timeout", "workers")}
    | {"train.min_steps", "train.steps", "train.warmup_steps"}
)
_LENGTH = frozenset({"train.epochs"})


def check_same_run(
    state: Mapping[str, Any], options: Mapping[str, Any], *, checkpoint: Path, fixed_length: bool
) -> None:
    """Raise ``ValueError`` unless a checkpoint's run learns from the same data in the same way.

    Args:
        state: State of the checkpoint.
        options: The current options, in groups.
        checkpoint: Path of the checkpoint, for the message.
        fixed_length: Whether the number of epochs must be the same.

    Example:
        >>> state = {"format": 2, "options": {"data": {"stream": "joint"}}}
        >>> check_same_run(state, {"data": {"stream": "bone"}}, checkpoint=Path("c.pt"), fixed_length=False)
        Traceback (most recent call last):
        ...
        ValueError: train.resume: c.pt has other options: data.stream is 'joint' there and 'bone' here; choose another
        train.folder, or train.resume=false
    """
    if state.get("format") != FORMAT or not isinstance(state.get("options"), Mapping):
        raise ValueError(
            f"train.resume: {checkpoint} was written by another version of skelblocks, or is not a checkpoint of a "
            "run; finish it with that version, choose another train.folder, or start again with train.resume=false"
        )
    # A checkpoint of an earlier version lacks the options that came later; its run had their defaults.
    saved, mine = {**flat(MethodOptions().to_dict()), **flat(state["options"])}, flat(options)
    names = [
        name
        for name in sorted(mine.keys() | flat(state["options"]).keys())
        if name not in _FREE and not name.startswith("evaluate.") and (fixed_length or name not in _LENGTH)
    ]
    changed = [name for name in names if saved.get(name) != mine.get(name)]
    if changed:
        shown = ", ".join(f"{name} is {saved.get(name)!r} there and {mine.get(name)!r} here" for name in changed)
        raise ValueError(
            f"train.resume: {checkpoint} has other options: {shown}; choose another train.folder, or train.resume=false"
        )


def check_same_start(state: Mapping[str, Any], start: Mapping[str, Any] | None, *, checkpoint: Path) -> None:
    """Raise ``ValueError`` unless a checkpoint's run started from the same weights. Their path may differ.

    Args:
        state: State of the checkpoint.
        start: Record of the current start weights, or None for a run with new weights.
        checkpoint: Path of the checkpoint, for the message.

    Example:
        >>> check_same_start({}, {"path": "w.pt", "sha256": "a1"}, checkpoint=Path("c.pt"))
        Traceback (most recent call last):
        ...
        ValueError: train.resume: c.pt started from nothing, this run starts from w.pt (sha256 a1); pass the same
        --train.start, choose another train.folder, or train.resume=false
    """
    saved = state.get("start")
    if (saved or {}).get("sha256") != (start or {}).get("sha256"):
        raise ValueError(
            f"train.resume: {checkpoint} started from {_described(saved)}, this run starts from {_described(start)}; "
            "pass the same --train.start, choose another train.folder, or train.resume=false"
        )


def _described(start: Mapping[str, Any] | None) -> str:
    return f"{start['path']} (sha256 {str(start['sha256'])[:12]})" if start else "nothing"


def flat(options: Mapping[str, Any], group: str = "") -> dict[str, Any]:
    """Options in groups as one mapping of dotted names; ``data.synthetic`` stays one option.

    Example:
        >>> flat({"train": {"epochs": 3}, "loss": "d3m"})
        {'train.epochs': 3, 'loss': 'd3m'}
    """
    found: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping) and not group:
            found |= flat(value, f"{name}.")
        else:
            found[group + name] = value
    return found
