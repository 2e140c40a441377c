"""The differences between runs and their baselines, as a Markdown table."""

from __future__ import annotations

from skelblocks._utils.escape import escape
from skelblocks.evaluation import PairedInterval
from skelblocks.protocols.results import Results
from skelblocks.protocols.row_differences import COMPARED, row_differences


def differences_table(results: Results) -> str:
    """Tabulate by how much each run beats each baseline and untrained encoder, with intervals.

    Args:
        results: The results of the evaluation.

    Returns:
        Markdown; empty if there is nothing to compare with.
    """
    found = row_differences(results)
    lines = [
        f"| {escape(line, to='markdown')} | {escape(other, to='markdown')} | "
        + " | ".join(_cell(protocols.get(protocol)) for protocol in COMPARED)
        + " |"
        for line, beside in found.items()
        for other, protocols in beside.items()
    ]
    if not lines:
        return ""
    head = [f"| | minus | {' | '.join(COMPARED)} |", "|---" * (len(COMPARED) + 2) + "|"]
    caption = "Differences of top-1 accuracy in points, with 95 % bootstrap intervals over people, or over clips."
    return "\n".join(["", *head, *lines, "", caption, ""])


def _cell(interval: PairedInterval | None) -> str:
    if interval is None:
        return ""
    return f"{interval.difference:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]"
