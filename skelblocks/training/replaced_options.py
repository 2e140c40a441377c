"""Options that replace each other: the length of a run in epochs or in steps, and the length of its warm-up."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from skelblocks._utils.optional import require

# By the option that replaces: the options it replaces, and their values afterwards; None is the method's default.
_REPLACED: Mapping[str, Mapping[str, object]] = {
    "train.epochs": {"train.steps": "null"},
    "train.min_steps": {"train.steps": "null"},
    "train.steps": {"train.epochs": None, "train.min_steps": 0},
    "train.warmup_epochs": {"train.warmup_steps": "null"},
    "train.warmup_steps": {"train.warmup_epochs": 0},
}


def reset_replaced(kind: type, sources: Sequence[tuple[Sequence[str], Collection[str]]]) -> list[str]:
    """Add arguments so that ``train.epochs`` of a later source replaces ``train.steps`` of an earlier one.

    The same holds in the other direction, and for ``train.warmup_epochs`` and ``train.warmup_steps``. A source that
    sets both keeps both.

    Args:
        kind: The dataclass of all options.
        sources: Arguments in their order. Each configuration file is a source, and so are the options between files.
            Beside the arguments stand the full names of the options that they set to a value.

    Returns:
        All arguments, with those that reset what is replaced.

    Example:
        >>> from skelblocks.training import MethodOptions
        >>> words = ["--train.epochs", "3"]
        >>> reset_replaced(MethodOptions, [(["--config", "small.yaml"], ()), (words, {"train.epochs"})])
        ['--config', 'small.yaml', '--train.epochs', '3', '--train.steps=null']
    """
    names = set(_option_names(kind))
    arguments: list[str] = []
    for words, chosen in sources:
        arguments += words
        for name, replaced in _REPLACED.items():
            if name in chosen and names.issuperset(replaced):
                arguments += [
                    f"--{other}={_default(kind, other) if value is None else value}"
                    for other, value in replaced.items()
                    if other not in chosen
                ]
    return arguments


def set_in_words(words: Sequence[str], *, options: Collection[str]) -> set[str]:
    """The full names of the options that arguments set to a value other than ``null``.

    Args:
        words: Arguments such as ``--train.epochs 3``. The name of an option may be shortened.
        options: The full names of all options.

    Example:
        >>> sorted(set_in_words(["--train.epo=3", "--train.steps", "null"], options=["train.epochs", "train.steps"]))
        ['train.epochs']
    """
    yaml = require("yaml", extra="train")
    found: set[str] = set()
    for word, following in pairwise([*words, ""]):
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        text = value if equals else following
        if name == "train":
            try:
                found |= set_in_file({"train": yaml.safe_load(text)})
            except yaml.YAMLError:
                continue  # the parser of the options reports it
        elif text.strip().lower() not in ("null", "none"):
            matching = [option for option in options if option.startswith(name)]
            found |= {name} if name in options else set(matching) if len(matching) == 1 else set()
    return found


def set_in_file(values: Mapping[str, Any]) -> set[str]:
    """The full names of the options that the content of a configuration file sets to a value other than ``null``.

    Example:
        >>> sorted(set_in_file({"train": {"steps": 1000, "start": None}, "train.epochs": 3}))
        ['train.epochs', 'train.steps']
    """
    found: set[str] = set()
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{each}" for each, chosen in value.items() if chosen is not None}
        elif value is not None:
            found.add(name)
    return found


def _option_names(kind: type) -> Iterator[str]:
    for field in dataclasses.fields(kind):
        group = None if field.default_factory is dataclasses.MISSING else field.default_factory()
        if dataclasses.is_dataclass(group):
            yield from (f"{field.name}.{each.name}" for each in dataclasses.fields(group))
        else:
            yield field.name


def _default(kind: type, name: str) -> object:
    group, _, own = name.partition(".")
    factory = next(each.default_factory for each in dataclasses.fields(kind) if each.name == group)
    assert factory is not dataclasses.MISSING
    return getattr(factory(), own)
