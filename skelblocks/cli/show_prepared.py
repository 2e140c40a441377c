"""The summary that ``prepare`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skelblocks._utils.escape import escape


def show_prepared(manifest: Mapping[str, Any], out: Path, *, split: str = "--protocol") -> None:
    """Print the size of a set, its parts, and why clips were left out.

    Args:
        manifest: What :func:`~skelblocks.data.prepare` returns.
        out: The folder of the set.
        split: The option that says which clips train.
    """
    parts = ", ".join(f"{count} {name}" for name, count in manifest["parts"].items())
    print(f"{escape(out)}: {manifest['clips']} clips {tuple(manifest['shape'])}, {parts}; sha256 {manifest['sha256']}")
    if not manifest["parts"]["train"]:
        print(f"The set has no training part, which training needs; choose one with {split}.")
    reasons = Counter(entry["reason"] for entry in manifest["rejected"])
    if reasons:
        count = len(manifest["rejected"])
        clips = f"{count} clip{'' if count == 1 else 's'}"
        print(f"{clips} left out; {escape(out / 'manifest.json')} lists each with its reason:")
    for reason, count in reasons.most_common(5):
        name = next(entry["name"] for entry in manifest["rejected"] if entry["reason"] == reason)
        print(f"  {count}  {'such as ' if count > 1 else ''}{escape(name)}: {escape(reason)}")
    if len(reasons) > 5:
        print(f"  and {len(reasons) - 5} more reasons")
