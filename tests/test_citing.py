"""The page on citing names blocks that exist and entries that BibTeX can read."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLE, ENTRIES = (ROOT / "docs" / "citing.md").read_text(encoding="utf-8").split("```bibtex\n")
PACKAGES = ("attention", "augment", "contrast", "encoders", "losses")


@pytest.mark.parametrize("name", re.findall(r"`([\w.]+)`", TABLE))
def test_every_block_is_there(name):
    attribute = name.removeprefix("recipes.")
    homes = [importlib.import_module(f"skelblocks.{package}") for package in PACKAGES]
    homes.append(importlib.import_module("skelblocks.augment.recipes"))
    assert any(hasattr(home, attribute) for home in homes)


def test_entries_are_whole():
    entries = re.findall(r"^@\w+\{(\w+),\n(.*?)^\}$", ENTRIES, re.MULTILINE | re.DOTALL)
    assert len({key for key, _ in entries}) == len(entries) == ENTRIES.count("\n@") + 1
    for key, fields in entries:
        assert fields.count("{") == fields.count("}"), key
        names = re.findall(r"^  (\w+) +=", fields, re.MULTILINE)
        assert {"title", "author"} <= set(names), key


def test_the_readme_and_the_citation_file_name_the_same_paper():
    [doi] = re.findall(r"doi: (\S+)", (ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert doi in ENTRIES
    assert doi in (ROOT / "README.md").read_text(encoding="utf-8")
