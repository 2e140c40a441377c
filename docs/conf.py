"""Sphinx settings."""

import os
import subprocess
import sys
from pathlib import Path

import skelblocks

project = "skelblocks"
author = "The skelblocks developers"
release = version = skelblocks.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "imported-members": True, "show-inheritance": False}
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # or the fields of a NamedTuple would be described twice
doctest_test_doctest_blocks = ""  # the docstrings' examples run with the tests
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"skelblocks {release}"
html_theme_options = {"source_repository": "", "navigation_with_keys": True}

HERE = Path(__file__).parent
EXTRA = HERE / "_build" / "extra"  # pages that the build writes, which are files of the documentation as they are
EXTRA.mkdir(parents=True, exist_ok=True)
html_extra_path = [str(EXTRA.relative_to(HERE))]


def _write_live_page(app: object) -> None:
    """Write the page that docs/explore.md links to, if it is missing or older than what it shows.

    Pictures are not drawn here: ``make pictures`` draws the pictures in ``docs/pictures``, which the repository keeps.
    """
    script, page = HERE / "gallery" / "explore.py", EXTRA / "live" / "explore.html"
    package = Path(skelblocks.__file__).parent
    sources = [script, *(path for ending in ("py", "js", "css", "html") for path in package.rglob(f"*.{ending}"))]
    kept = page.exists() and os.environ.get("SKELBLOCKS_KEEP_PICTURES") == "1"
    if not kept and (not page.exists() or page.stat().st_mtime < max(path.stat().st_mtime for path in sources)):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
        subprocess.run([sys.executable, str(script), str(page.parent)], check=True, env=environment)


def _run_notebooks(app: object) -> None:
    """Run every notebook's script whose page is missing or older than what it runs."""
    folder, maker = HERE / "_build" / "notebooks", HERE / "notebooks" / "make.py"
    folder.mkdir(parents=True, exist_ok=True)
    changed = max(path.stat().st_mtime for path in [maker, *Path(skelblocks.__file__).parent.rglob("*.py")])
    for script in sorted(maker.parent.glob("*.py")):
        page = folder / f"{script.stem}.md"
        kept = page.exists() and os.environ.get("SKELBLOCKS_KEEP_PICTURES") == "1"
        if (
            script != maker
            and not kept
            and (not page.exists() or page.stat().st_mtime < max(changed, script.stat().st_mtime))
        ):
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
            subprocess.run([sys.executable, str(maker), script.stem, str(folder)], check=True, env=environment)


def setup(app):
    app.connect("builder-inited", _write_live_page)
    app.connect("builder-inited", _run_notebooks)
