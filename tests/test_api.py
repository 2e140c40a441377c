"""The public names, pinned: a name that goes or comes is a deliberate edit of api.json and a line in the CHANGELOG."""

import importlib
import importlib.util
import json
import typing
from pathlib import Path

import pytest

PINNED = json.loads((Path(__file__).parent / "api.json").read_text())
if importlib.util.find_spec("huggingface_hub") is None:
    PINNED["skelblocks.interop"].remove("HubEncoder")


@pytest.mark.parametrize("module", PINNED)
def test_public_names_are_the_pinned_ones(module):
    public = importlib.import_module(module).__all__
    assert list(public) == PINNED[module], (
        f"after a deliberate change: update tests/api.json and the CHANGELOG ({module})"
    )


@pytest.mark.parametrize("module", PINNED)
def test_every_public_name_is_there_and_documented(module):
    namespace = importlib.import_module(module)
    for name in namespace.__all__:
        symbol = getattr(namespace, name)
        if callable(symbol) and not typing.get_origin(symbol):  # an alias such as a Literal has no place for one
            assert symbol.__doc__, f"{module}.{name} has no docstring"


def test_the_version_is_the_same_wherever_it_stands():
    root = Path(__file__).parents[1]
    version = importlib.import_module("skelblocks").__version__
    assert f"\nversion: {version}\n" in (root / "CITATION.cff").read_text()
    released = [line for line in (root / "CHANGELOG.md").read_text().splitlines() if line.startswith("## [")]
    assert released[0] == "## [Unreleased]"
    assert released[1].startswith(f"## [{version}] - ")
