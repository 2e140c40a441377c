"""The error for a checkpoint that cannot be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skelblocks.interop.official.load_report import LoadReport


class CheckpointError(ValueError):
    """A checkpoint is damaged, unsafe, of another kind, or lacks weights; the message says which, and what to do.

    Attributes:
        report: The tensors found and not found, if the checkpoint could be read that far; else None.

    Example:
        >>> raise CheckpointError("model.pt: not a checkpoint")
        Traceback (most recent call last):
        ...
        skelblocks.interop.official.checkpoint_error.CheckpointError: model.pt: not a checkpoint
    """

    def __init__(self, message: str, *, report: LoadReport | None = None) -> None:
        super().__init__(message)
        self.report = report
