"""A reader can paste the examples of a page: every name is imported or defined on the page itself, where it is seen."""

import ast
import builtins
import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```\{doctest\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if BLOCK.search(page.read_text()))


def names(node, *contexts):
    """The names in ``node`` that are read, or bound by an assignment, an import, an argument or a definition."""
    found = {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, contexts)}
    if ast.Store in contexts:
        found |= {(each.asname or each.name).split(".")[0] for each in ast.walk(node) if isinstance(each, ast.alias)}
        found |= {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
        found |= {each.name for each in ast.walk(node) if isinstance(each, (ast.FunctionDef, ast.ClassDef))}
        found |= {each.name for each in ast.walk(node) if isinstance(each, ast.ExceptHandler) and each.name}
    return found


def undefined(page):
    """Names that an example of the page reads before the page binds them, apart from names of Python itself."""
    seen, found, later = {*dir(builtins), "_"}, [], set()
    hidden = set(seen)
    for block in BLOCK.findall(page):
        is_hidden = block.lstrip().startswith(":hide:")
        for example in doctest.DocTestParser().get_examples(block):
            for statement in ast.parse(example.source).body:
                bound = names(statement, ast.Store)
                hidden |= bound
                seen |= set() if is_hidden else bound
                known = hidden if is_hidden else seen
                missing = names(statement, ast.Load) - known
                if isinstance(statement, ast.FunctionDef):  # its names are read when it is called
                    later |= missing
                else:
                    found += sorted(missing)
    return [*found, *sorted(later - hidden)]


@pytest.mark.parametrize("name", PAGES)
def test_examples_of_a_page_import_what_they_use(name):
    assert not undefined((DOCS / name).read_text())


def test_a_missing_import_is_found():
    page = "```{doctest}\n>>> x = torch.ones(2)\n```\n```{doctest}\n:hide:\n>>> import torch\n```\n"
    assert undefined(page) == ["torch"]
    assert undefined(page.replace(":hide:\n", "").replace(">>> x", ">>> import torch\n>>> x")) == []
