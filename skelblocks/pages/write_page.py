"""Writing a page to a file."""

from __future__ import annotations

from pathlib import Path

from skelblocks._utils.escape import escape
from skelblocks._utils.whole_file import whole_file

_SUFFIXES = (".html", ".htm")


def check_page_path(path: str | Path, *, name: str = "path", overwrite: bool = False) -> Path:
    """Check, before the work, that a page can be written to a path.

    Args:
        path: The file.
        name: The argument's name, which opens a message.
        overwrite: Whether the file may be there already.

    Returns:
        The path.

    Raises:
        FileExistsError: The file is there.
        FileNotFoundError: Its folder is not there.
        ValueError: The name does not end in ``.html``, so that no browser would open the file by a double click.

    Example:
        >>> check_page_path("page.pdf", name="out")
        Traceback (most recent call last):
        ...
        ValueError: out: expected a name that ends in .html, got 'page.pdf'
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"{name}: expected a name that ends in .html, got {escape(path.name)!r}")
    if path.is_dir():
        raise FileExistsError(f"{name}: {escape(path)!r} is a folder; give the name of a file")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{name}: there is a file {escape(path)!r}; choose another name, or --overwrite")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{name}: the folder {escape(path.parent)!r} is not there; make it first")
    return path


def write_page(path: str | Path, html: str, *, overwrite: bool = True) -> Path:
    """Write a page to a file, which appears when it is whole.

    Args:
        path: Ends in ``.html``.
        html: What :func:`render_page` gave.
        overwrite: Whether to replace a file that is there.

    Returns:
        The path.

    Raises:
        FileExistsError: The file is there, and ``overwrite`` is false.
        FileNotFoundError: The folder is not there.
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
