"""A report that accounts for every tensor of an official checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from skelblocks.interop.official.official_sources import Source

_SHOWN = 8
_LONGEST = 160  # characters of a name: a file can hold any


@dataclass(frozen=True)
class LoadReport:
    """Every tensor of the file is in exactly one of ``mapped``, ``dropped`` and ``unexpected``.

    Args:
        source: The method whose names they are.
        alternatives: Other methods that write the same names; the weights load the same.
        mapped: For each tensor of the file that was loaded, where it is in the :class:`OfficialCheckpoint`.
        dropped: For each tensor that was known and not loaded, why.
        missing: Names that the method's files have and this one has not.
        unexpected: Names in the file that the method's files do not have.
        filled: For each of our tensors that official files know nothing of, what it holds.
        notes: What else a user ought to know, for instance whole modules that the file leaves out.

    Example:
        >>> report = LoadReport("AimCLR", mapped={"encoder_q.A": "encoder.adjacency"}, missing=("queue",))
        >>> report.complete
        False
        >>> print(report)
        AimCLR: 1 tensors loaded, 0 dropped, 1 missing, 0 unexpected
          missing: queue
    """

    source: Source
    alternatives: tuple[Source, ...] = ()
    mapped: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    filled: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is missing and nothing unexpected."""
        return not (self.missing or self.unexpected)

    def __str__(self) -> str:
        names = " or ".join((self.source, *self.alternatives))
        lines = [
            f"{names}: {len(self.mapped)} tensors loaded, {len(self.dropped)} dropped, {len(self.missing)} missing, "
            f"{len(self.unexpected)} unexpected"
        ]
        reasons: dict[str, list[str]] = {}
        for what, table in (("dropped", self.dropped), ("filled", self.filled)):
            for name, reason in table.items():
                reasons.setdefault(f"{what} ({reason})", []).append(name)
        lines += [f"  {what}: {shorten(those)}" for what, those in reasons.items()]
        lines += [f"  {what}: {shorten(those)}" for what, those in self.lacks()]
        return "\n".join((*lines, *(f"  note: {note}" for note in self.notes)))

    def lacks(self) -> list[tuple[str, tuple[str, ...]]]:
        """``("missing", names)`` and ``("unexpected", names)``, whichever has any."""
        return [(what, those) for what in ("missing", "unexpected") if (those := getattr(self, what))]


def shorten(names: Iterable[str], *, most: int = _SHOWN) -> str:
    """The first names, and how many there are more.

    Example:
        >>> shorten("abcde", most=2)
        'a, b and 3 more'
    """
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(name[:_LONGEST] if name.isprintable() else repr(name[:_LONGEST]) for name in listed[:most]) + more
