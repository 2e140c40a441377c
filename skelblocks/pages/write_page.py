"""Write a page to a file."""

from __future__ import annotations

from pathlib import Path

from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.whole_file import whole_file

_SUFFIXES = (".html", ".htm")


def check_page_path(path: str | Path, *, name: str = "path", overwrite: bool = False) -> Path:
    """Check, before the work, that a page can be written to a path.

    Args:
        path: The file.
        name: The argument's name, which opens a message.
        overwrite: Whether the file may exist already.

    Returns:
        The path.

    Raises:
        FileExistsError: The file exists already.
        FileNotFoundError: The folder of the file does not exist.
        ValueError: The name does not end in ``.html``, so that no browser would open the file by a double click.

    Example:
        >>> check_page_path("page.pdf", name="out")
        Traceback (most recent call last):
        ...
        ValueError: out: expected a name that ends in .html, got 'page.pdf'; rename it
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"{name}: expected a name that ends in .html, got {escape(path.name)!r}; rename it")
    if path.is_dir():
        raise FileExistsError(f"{name}: expected a file, but {escape(path)!r} is a folder; choose another name")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{name}: {escape(path)!r} exists already; choose another name, or add --overwrite")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{name}: the folder {escape(path.parent)!r} does not exist; create it first")
    return path


@explain_arguments
def write_page(path: str | Path, html: str, *, overwrite: bool = True) -> Path:
    """Write a page to a file atomically.

    Args:
        path: Ends in ``.html``.
        html: What :func:`render_page` gave.
        overwrite: Whether to replace a file that is there.

    Returns:
        The path.

    Raises:
        FileExistsError: The file exists already, and ``overwrite`` is false.
        FileNotFoundError: The folder does not exist.
        ValueError: The name does not end in ``.html``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_page(f"{folder}/page.html", render_page("base.html", title="A page")).name  # doctest: +SKIP
        'page.html'
    """
    path = check_page_path(path, overwrite=overwrite)
    with whole_file(path) as place:
        place.write_text(html, encoding="utf-8", newline="")
    return path
