"""The blocks and pages that the map of the field names are there."""

import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PACKAGES = ("attention", "augment", "contrast", "encoders", "losses", "streams")
TEXT = (DOCS / "field.md").read_text(encoding="utf-8")


def methods():
    """The rows of the first table, each a list of cells."""
    table = TEXT.split("## Methods with momentum")[1].split("## Out of scope")[0]
    rows = [line.strip().strip("|").split(" | ") for line in table.splitlines() if re.match(r"\| 20\d\d ", line)]
    return [[cell.strip() for cell in row] for row in rows]


def test_every_row_is_whole():
    rows = methods()
    assert len(rows) >= 25
    assert {len(row) for row in rows} == {10}
    for _, method, idea, *accuracies, source, _, _, blocks, missing in rows:
        assert all((method, idea, blocks, missing))
        for accuracy in accuracies:
            assert re.fullmatch(r"\d\d\.\d|not checked|not printed", accuracy), method
        assert (source == "-") == (accuracies[0] == "not checked"), method


@pytest.mark.parametrize("row", methods(), ids=lambda row: row[1].split(" (")[0])
def test_every_block_of_a_method_is_there(row):
    names = re.findall(r"`(\w+)`", row[8])
    assert names
    for name in names:
        homes = [importlib.import_module(f"skelblocks.{package}") for package in PACKAGES]
        assert any(hasattr(home, name) for home in homes), name


def test_every_page_of_a_method_is_there():
    pages = re.findall(r"\]\((methods/[\w.-]+\.md)\)", TEXT)
    assert pages
    for page in pages:
        assert (DOCS / page).is_file(), page
