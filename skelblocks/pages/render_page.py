"""The HTML of a page, in which every name is data and only the package's own scripts and styles count."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import skelblocks
from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.optional import require
from skelblocks.pages.packed import Packed

_HERE = Path(__file__).parent
_FRAME_STYLES, _FRAME_SCRIPTS = ("page.css",), ("theme.js", "data.js")
_LONGEST = 200  # characters of a name in the text of a page


@explain_arguments
def render_page(
    template: str,
    *,
    title: str,
    values: Mapping[str, Any] | None = None,
    data: Mapping[str, Packed] | None = None,
    scripts: Sequence[str] = (),
    styles: Sequence[str] = (),
) -> str:
    """Render a template of ``pages/templates`` into one file that needs nothing else.

    The template extends ``base.html`` and fills its block ``main``; ``tables.html`` has a macro for tables. Everything
    in ``values`` is escaped. The filter ``shown`` makes control characters visible and shortens long names. Scripts
    and styles are files of ``pages/assets``; ``theme.js``, ``data.js`` and ``page.css`` are always there, and
    ``player.js`` draws the moving skeletons. They share one scope, in the order given. The Content-Security-Policy
    allows exactly these files by their hashes, and pictures in ``data:`` addresses. It allows no ``style`` attributes
    and no ``on...`` attributes in the HTML.

    Args:
        template: Name of the template, for instance ``"explore.html"``.
        title: Title of the page.
        values: What the template shows, by name.
        data: What the scripts read, by name: ``await readData(name)``.
        scripts: Names of further scripts.
        styles: Names of further style sheets.

    Returns:
        The HTML.

    Raises:
        ImportError: Jinja2 is missing.

    Example:
        >>> html = render_page("base.html", title="<script>alert(1)</script>")
        >>> "<script>alert" in html, "&lt;script&gt;alert" in html
        (False, True)
    """
    jinja2 = require("jinja2", extra="pages")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = lambda text, longest=_LONGEST: escape(text, longest=longest)
    trusted = require("markupsafe", extra="pages").Markup
    style = [_asset(name) for name in (*_FRAME_STYLES, *styles)]
    script = [_asset(name) for name in (*_FRAME_SCRIPTS, *scripts)]
    html: str = environment.get_template(template).render(
        {
            **(values or {}),
            "title": title,
            "version": skelblocks.__version__,
            "policy": _policy(style, script),
            "styles": [trusted(text) for text in style],
            "scripts": [trusted(text) for text in script],
            "data": {name: packed._replace(text=trusted(packed.text)) for name, packed in (data or {}).items()},
        }
    )
    return html


def _asset(name: str) -> str:
    text = (_HERE / "assets" / name).read_text(encoding="utf-8")
    assert not re.search("</(script|style)", text), f"{name} would end its own element"
    return text


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """What the page may do: run these scripts and styles, show pictures that it carries, and nothing else."""
    parts = {
        "default-src": "'none'",
        "script-src": " ".join(map(_source, scripts)),
        "style-src": " ".join(map(_source, styles)),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items())


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
