"""Look for phrases of tests/phrases.txt in what users read; part of `make lint`."""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
READ = ("README.md", "docs/**/*.md", "skelblocks/**/*.py", "examples/**/*.py")


class Phrase(NamedTuple):
    """What not to write, and what to write in its place."""

    pattern: re.Pattern[str]
    advice: str


def read_phrases(path: Path = ROOT / "tests" / "phrases.txt") -> list[Phrase]:
    """The phrases of a file; blank lines and comments are left out."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.rsplit(" -> ", 1) for line in lines if line and not line.startswith("#"))
    return [Phrase(re.compile(pattern), advice) for pattern, advice in pairs]


def find_phrases(paths: Iterable[Path], phrases: Iterable[Phrase]) -> Iterator[str]:
    """A line for each phrase that is found: the place, the phrase and the advice."""
    known = list(phrases)
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for pattern, advice in known:
                for match in pattern.finditer(line):
                    yield f"{path}:{number}: {match.group().strip()!r}; write {advice}"


def main() -> int:
    """Print what is found; the exit code is 1 if there is something."""
    paths = sorted({path for pattern in READ for path in ROOT.glob(pattern) if "_build" not in path.parts})
    found = list(find_phrases(paths, read_phrases()))
    print("\n".join(found) or f"no such phrase in {len(paths)} files")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
