"""The messages of the options' parser, in words of this package and with a remedy."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from difflib import get_close_matches

from skelblocks._utils.did_you_mean import did_you_mean
from skelblocks.training.renamed_options import name_renamed

_KINDS = {
    "int": "an integer",
    "float": "a number, such as 0.1",
    "bool": "true or false",
    "str": "a text",
    "list": "a list, such as [1,2]",
    "dict": "a mapping, such as '{name: 1}'",
    "NoneType": "null",
}
_SHORT = {"lr": "learning_rate", "bs": "batch_size", "wd": "weight_decay", "tau": "temperature", "dataset": "path"}
_WRONG = re.compile(r'Parser key "([\w.]+)": (.*Expected.*?)\.? (?:Given value type: .* )?(?:Got|Given) value: (.*)')
_ALL = "--help lists all options"


def plain_error(message: str, options: Collection[str]) -> str:
    r"""Say a parser's error in plain words.

    Args:
        message: Of jsonargparse or argparse.
        options: The full names of all options, such as ``"train.epochs"``.

    Returns:
        The message, with a remedy where one is known.

    Example:
        >>> plain_error("Parser key \"train.epochs\": Expected a <class 'int'>. Got value: many", ["train.epochs"])
        'train.epochs: expected an integer, got many'
        >>> plain_error("unrecognized arguments: --train.lr 3", ["train.epochs", "train.learning_rate"])
        'unrecognized arguments: --train.lr 3; did you mean --train.learning_rate? --help lists all options'
    """
    message = " ".join(message.split())
    wrong = _WRONG.fullmatch(message)
    if wrong is not None:
        name, types, got = wrong.groups()
        expected, choices = _expected(types)
        if expected:
            return f"{name}: expected {expected}, got {got}{did_you_mean(got, choices)}"
    renamed = name_renamed(message)
    if renamed != message:
        return renamed
    unknown = re.fullmatch(r"unrecognized arguments: -{0,2}([\w.]+).*", message)
    if unknown is not None:
        dashes = "" if message.startswith("unrecognized arguments: --") else "the name of an option begins with --; "
        return f"{message}; {dashes}{_suggestion(unknown[1], options)}"
    in_file = re.fullmatch(r"(?:Group '([\w.]+)' does not accept option|Option) '(.+?)'(?: is not accepted)?", message)
    if in_file is not None:
        name = ".".join(filter(None, in_file.groups()))
        return f"{message}; {_suggestion(name, options)}"
    if message.endswith("expected one argument"):
        return f"{message}; write its value behind it"
    return message


def _expected(types: str) -> tuple[str, list[str]]:
    """What the types that a parser has tried are in words, and their choices; empty where one is not known."""
    words: list[str] = []
    choices: list[str] = []
    for literal, kind in re.findall(r"Literal(\[.*?\])|<class '([\w.]+)'>", types):
        if literal:
            try:
                values = ast.literal_eval(literal)
            except (SyntaxError, ValueError):
                return "", []
            words.append("one of " + ", ".join(map(repr, values)))
            choices += map(str, values)
        elif kind in _KINDS:
            words.append(_KINDS[kind])
        else:
            return "", []
    return " or ".join(dict.fromkeys(words)), list(dict.fromkeys(choices))


def _suggestion(name: str, options: Collection[str]) -> str:
    """An option that is like ``name``, which is none."""
    group, _, last = name.rpartition(".")
    own = _SHORT.get(last, last)
    by_last = [option for option in options if option.rpartition(".")[2] == own]
    in_group = [option for option in options if option.rpartition(".")[0] == group] if group else list(options)
    lasts = {option.rpartition(".")[2]: option for option in in_group}
    near = [lasts[each] for each in get_close_matches(own, lasts, n=1)] or get_close_matches(name, options, n=1)
    longer = [option for option in in_group if own in option.rpartition(".")[2].split("_")]
    found = next(iter([*by_last, *near, *longer]), None)
    return _ALL if found is None else f"did you mean --{found}? {_ALL}"
