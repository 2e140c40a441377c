"""Sphinx settings."""

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
doctest_global_setup = "import torch\nimport skelblocks"
doctest_test_doctest_blocks = ""  # the docstrings' examples run with the tests
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"skelblocks {release}"
html_theme_options = {"source_repository": "", "navigation_with_keys": True}

HERE = Path(__file__).parent


def _draw_pictures(app: object) -> None:
    """Those of the page about pictures, where they are missing or older than what draws them."""
    folder, script = HERE / "_build" / "pictures", HERE / "gallery.py"
    drawn = folder / "animate_clip.gif"  # the last one
    sources = [script, *(Path(skelblocks.__file__).parent / "viz").glob("*.py")]
    if not drawn.exists() or drawn.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        subprocess.run([sys.executable, str(script), str(folder)], check=True)


def setup(app):
    app.connect("builder-inited", _draw_pictures)
