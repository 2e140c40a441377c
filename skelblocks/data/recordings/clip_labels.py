"""Labels of recordings and of their pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class LabelRow:
    """One line: a label of a file, of a piece of it, or of one of its persons.

    Attributes:
        line: Number of the line in the csv file, from 1.
        label: The number of the class, -1 for an empty cell.
        start: First frame, or first second, of the piece; None for the whole recording.
        end: Where the piece ends; its last frame is the one before.
        seconds: Whether ``start`` and ``end`` are in seconds.
        person: The number of the person; None for all.
    """

    line: int
    label: int
    start: float | None = None
    end: float | None = None
    seconds: bool = False
    person: int | None = None

    def frames(self, fps: float | None) -> tuple[float, float] | None:
        """The piece in frames; None for the whole recording. ``ValueError`` where seconds meet an unknown rate."""
        if self.start is None or self.end is None:
            return None
        if not self.seconds:
            return self.start, self.end
        if fps is None:
            raise ValueError(f"line {self.line} counts in seconds, and the recording's frames per second are not known")
        return self.start * fps, self.end * fps


@dataclass(frozen=True)
class ClipLabels:
    """The labels in a csv file, see :func:`read_clip_labels`.

    Attributes:
        path: The csv file; None for no labels at all.
        class_names: By number.
        clips: Label of each clip that is named.
        files: Lines of each recording.
        subjects: Number of each recording's subject.
        subject_names: By number.
        fps: Frame rate of each recording that has one.
        unread: Columns of the file that are not read.
    """

    path: Path | None = None
    class_names: tuple[str, ...] = ()
    clips: Mapping[str, LabelRow] = field(default_factory=dict)
    files: Mapping[str, tuple[LabelRow, ...]] = field(default_factory=dict)
    subjects: Mapping[str, int] = field(default_factory=dict)
    subject_names: tuple[str, ...] = ()
    fps: Mapping[str, float] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    def pieces(self, name: str) -> tuple[LabelRow, ...]:
        """The lines that label pieces of a recording."""
        return tuple(row for row in self.files.get(name, ()) if row.start is not None)

    def label(
        self, clip: str, *, file: str, start: float, stop: float, fps: float | None = None, person: int | None = None
    ) -> int:
        """The label of a clip: its own; else the label of the piece that covers at least half of it; else the file's.

        Args:
            clip: Name of the clip.
            file: Name of the recording.
            start: First frame of the clip in the recording.
            stop: The frame after its last frame.
            fps: Frame rate of the recording, for pieces in seconds.
            person: The person that the clip shows; None for several.

        Returns:
            The number of the class, -1 where there is none.

        Raises:
            ValueError: A piece in seconds of a recording without a frame rate.
        """
        if clip in self.clips:
            return self.clips[clip].label
        best, label, whole = 0.0, -1, -1
        for row in self.files.get(file, ()):
            if row.person is not None and person is not None and row.person != person:
                continue
            piece = row.frames(fps)
            if piece is None:
                whole = row.label
                continue
            shared = min(stop, piece[1]) - max(start, piece[0])
            if shared > best and 2 * shared >= stop - start:
                best, label = shared, row.label
        return whole if best == 0 else label
