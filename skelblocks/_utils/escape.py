"""Make text from files and users safe to print, to put into a table, or to draw."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Literal, TypeAlias, get_args

from skelblocks._utils.checks import check_choice

Target: TypeAlias = Literal["terminal", "markdown", "html", "picture", "csv"]
TARGETS: tuple[Target, ...] = get_args(Target)

# Categories of control, surrogate, separator and format characters. Format characters can reorder or hide text.
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp", "Cf"})
_JOINERS = "\u200c\u200d"  # format characters that Persian, Indic scripts and emoji need
_FORMULA = ("=", "+", "-", "@")  # start of a spreadsheet formula
_MARKDOWN = re.compile(r"[\\`*|~$\[\]]|(?<![^\W_])_|_(?![^\W_])")  # except underscores within words


def escape(text: object, *, to: Target = "terminal", longest: int | None = None) -> str:
    r"""Escape a name: put it on one line, without anything that the target would interpret.

    Control characters, ANSI escapes, line breaks, characters that change the direction of writing, and lone surrogates
    become visible escapes such as ``\x1b``. Apply it to each name, not to the whole message, which may have several
    lines.

    Args:
        text: A name, a path, or anything that ``str`` accepts.
        to: The target. ``"terminal"`` and ``"picture"`` escape the characters above. ``"markdown"`` also escapes
            characters for table cells, links, HTML and emphasis. ``"html"`` also escapes HTML. ``"csv"`` adds an
            apostrophe before text that a spreadsheet would read as a formula.
        longest: Number of characters to keep; the middle of a longer text becomes an ellipsis. Default: all.

    Returns:
        The escaped text.

    Raises:
        ValueError: ``to`` is unknown.

    Example:
        >>> print(escape("clap\x1b[31m\nhands"))
        clap\x1b[31m\nhands
        >>> print(escape("clap|<b>left_hand", to="markdown"))
        clap\|&lt;b&gt;left_hand
        >>> escape("=1+1", to="csv")
        "'=1+1"
        >>> escape("01_walk_towards.npz", longest=11)
        '01_wa…s.npz'
    """
    check_choice(to, TARGETS, name="to")
    shown = "".join(_visible(character) for character in str(text))
    if longest is not None and len(shown) > longest:
        shown = shown[: longest // 2] + "…" + shown[len(shown) - (longest - longest // 2 - 1) :]
    if to == "markdown":
        return html.escape(_MARKDOWN.sub(r"\\\g<0>", shown), quote=False)
    if to == "csv" and shown.lstrip().startswith(_FORMULA):
        return f"'{shown}"
    return html.escape(shown) if to == "html" else shown


def _visible(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _UNSAFE:
        return character
    return character.encode("unicode_escape").decode("ascii")


def one_line(message: object) -> str:
    r"""Put a whole message on one line that is safe to print.

    Args:
        message: Text, or an error.

    Example:
        >>> one_line("a file\n  named \x1b[31m")
        'a file named \\x1b[31m'
    """
    return escape(" ".join(str(message).split()))
