"""Parse options from the command line and YAML files, and report errors on one line."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import os
import re
import sys
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import torch

import skelblocks
from skelblocks._utils.escape import one_line
from skelblocks._utils.keep_freed_memory import keep_freed_memory
from skelblocks._utils.optional import require
from skelblocks.distributed import is_main_process
from skelblocks.training.errors import TrainingError
from skelblocks.training.option_files import read_option_file
from skelblocks.training.options import options_from_dict
from skelblocks.training.page import Page
from skelblocks.training.pages import config_names, find_config
from skelblocks.training.parser_errors import plain_error
from skelblocks.training.replaced_options import reset_replaced, set_in_file, set_in_words

T = TypeVar("T")
USER_ERRORS = (ValueError, OSError, ImportError, TrainingError)
_WITHOUT_VALUE = ("--help", "--print_config", "--print-config")
_FLAG = re.compile(r"(?<=^--)[a-z][^=]*")  # train.batch-size in "--train.batch-size=8"
_ALIASES = {"--precision": "--train.precision", "--start": "--train.start", "--to": "--data.to"}
# A field of a dataclass, and the comment after it. The formatter puts the default of a long field on its own line.
_OPTION = re.compile(r"^    (\w+): (?:.*\(\n)?.*?  # (.*)$", re.MULTILINE)


def parse_options(kind: type[T], arguments: Sequence[str] | None = None, *, prog: str | None = None) -> T:
    """Read options from ``--config FILE`` (repeatable, later files win), then from ``--group.name VALUE``.

    ``--config NAME`` reads a configuration that comes with skelblocks. ``--train.batch-size`` is the same as
    ``--train.batch_size``. ``--train.epochs`` replaces the ``train.steps`` of a file, and the other way round.
    ``--help`` shows the comments after the fields of the dataclasses.

    Args:
        kind: A dataclass, whose fields may be dataclasses.
        arguments: The command-line arguments. Default: the arguments of this process.
        prog: Name of the command in ``--help``.

    Returns:
        An instance of ``kind``.

    Raises:
        ValueError: An option is unknown, a value has the wrong type or is out of range, or a file cannot be read.
        ImportError: jsonargparse is not installed (extra ``train``).

    Example:
        >>> from skelblocks.training import MethodOptions
        >>> parse_options(MethodOptions, ["--train.epochs", "3"]).train.epochs
        3
    """
    return parse_command(kind, arguments, prog=prog)[0]


def parse_command(
    kind: type[T], arguments: Sequence[str] | None = None, *, prog: str | None = None, places: str | None = None
) -> tuple[T, list[str]]:
    """Read options as :func:`parse_options` does, and positional arguments.

    Args:
        kind: A dataclass, whose fields may be dataclasses.
        arguments: The command-line arguments. Default: the arguments of this process.
        prog: Name of the command in ``--help``.
        places: Name of the positional arguments, for instance ``"runs"``; at least one is required. Default: the
            command takes none.

    Returns:
        An instance of ``kind``, and the positional arguments.

    Raises:
        ValueError: An option is unknown, a value has the wrong type or is out of range, or a file cannot be read.
        ImportError: jsonargparse is not installed (extra ``train``).

    Example:
        >>> from skelblocks.training import TrainOptions
        >>> options, runs = parse_command(TrainOptions, ["runs/a", "--seed", "3", "runs/b"], places="runs")
        >>> options.seed, runs
        (3, ['runs/a', 'runs/b'])
    """
    parser = options_parser(kind, prog=prog)
    words = [with_underscores(each) for each in (sys.argv[1:] if arguments is None else arguments)]
    if "train" in _groups(kind):
        words = [_unaliased(each) for each in words]
    if places is not None:
        parser.add_argument("_places", nargs="*", metavar=places, help=f"{places}, at least one")
        words = _places_first(words)
    try:
        names = [action.dest for action in parser._actions]
        arguments = reset_replaced(kind, _sources(words, groups=_groups(kind), options=names))
        chosen = parser.parse_args(arguments).as_dict()
    except RecursionError:
        raise ValueError(
            "options: expected plain values and lists of them, got one that is nested too deeply; write it flat"
        ) from None
    except (
        argparse.ArgumentError,
        AttributeError,
        KeyError,
        TypeError,
    ) as error:  # the parser's errors for some unusual values
        raise ValueError(plain_error(str(error), [action.dest for action in parser._actions])) from error
    found = chosen.pop("_places", [])
    if places is not None and not found:
        raise ValueError(f"{places}: expected at least one, got none; name it on the command line")
    return options_from_dict(kind, {name: value for name, value in chosen.items() if name != "config"}), found


def _places_first(arguments: Sequence[str]) -> list[str]:
    """Move positional arguments before options, because argparse takes positional arguments only in one piece."""
    found: tuple[list[str], list[str]] = ([], [])
    value = False  # whether the previous word was an option that takes a value
    for argument in arguments:
        option = argument.startswith("-") and not value
        found[option or value].append(argument)
        value = option and argument.startswith("--") and "=" not in argument and argument not in _WITHOUT_VALUE
    return [*found[0], *found[1]]


def options_parser(kind: type, *, prog: str | None = None) -> Any:
    """A jsonargparse parser with an argument for every field of a dataclass and of the dataclasses in it."""
    jsonargparse = require("jsonargparse", extra="train")
    parser = jsonargparse.ArgumentParser(prog=prog, exit_on_error=False)
    parser.add_argument("--config", action="config", help="a YAML file of options; repeatable")
    parser.add_class_arguments(kind, as_group=False)
    hints = get_type_hints(kind)
    for action in parser._actions:
        group, _, name = action.dest.rpartition(".")
        owner = hints.get(group) if group else kind
        text = _comments(owner).get(name) if isinstance(owner, type) else None
        action.help = text.replace("%", "%%") if text else action.help
    return parser


def _comments(kind: type) -> dict[str, str]:
    classes = [each for each in reversed(kind.__mro__) if dataclasses.is_dataclass(each)]
    return dict(match for each in classes for match in _OPTION.findall(inspect.getsource(each)))


def _groups(kind: type) -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(kind).items() if dataclasses.is_dataclass(hint)}


def with_underscores(argument: str) -> str:
    """Replace ``-`` by ``_`` in the option name of an argument.

    Example:
        >>> with_underscores("--train.batch-size=8")
        '--train.batch_size=8'
    """
    return _FLAG.sub(lambda flag: flag[0].replace("-", "_"), argument)


def _unaliased(argument: str) -> str:
    """Replace a short option name in an argument by the full name."""
    name, equals, value = argument.partition("=")
    return _ALIASES.get(name, name) + equals + value


def _sources(
    arguments: Sequence[str], *, groups: Collection[str], options: Collection[str]
) -> list[tuple[list[str], set[str]]]:
    """Check each configuration file, and divide the arguments into files and what stands between them.

    Names of configurations that come with skelblocks are replaced by their paths.
    """
    sources: list[tuple[list[str], set[str]]] = []
    words: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        flag, equals, value = argument.partition("=")
        name = None if flag != "--config" else value if equals else next(remaining, None)
        if name is None:
            words.append(argument)
            continue
        path = Path(name) if Path(name).exists() else find_config(name) or Path(name)
        values = read_option_file(path, groups=groups, carried=config_names())
        sources += [(words, set_in_words(words, options=options)), ([f"--config={path}"], set_in_file(values))]
        words = []
    return [*sources, (words, set_in_words(words, options=options))]


def run_main(page: Page[Any], arguments: Sequence[str] | None = None) -> None:
    """Train a page with options from the command line and print the metrics of the last epoch.

    Args:
        page: The method.
        arguments: The command-line arguments. Default: the arguments of this process.

    Raises:
        SystemExit: The user made a mistake. Its message is one line, with the line of the user's own file if the error
            comes from there.
    """
    keep_freed_memory()
    try:
        run_page(page, arguments)
    except USER_ERRORS as error:
        raise SystemExit(f"error: {one_line(error)}{place_of(error)}") from None


def run_page(page: Page[Any], arguments: Sequence[str] | None = None, *, prog: str | None = None) -> None:
    """The same as :func:`run_main`, but errors keep their traceback."""
    result = page.train(parse_options(page.options, arguments, prog=prog))
    if is_main_process():
        print(", ".join(f"{name} {value:.4g}" for name, value in result.items()))  # noqa: T201


def place_of(error: BaseException) -> str:
    """`` (FILE, line N)`` if an error came from a file outside of packages, such as the user's own page."""
    packages = tuple(str(Path(file).parent) for file in (skelblocks.__file__, Path(torch.__file__).parent, os.__file__))
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(packages)]
    own = [frame for frame in own if not frame.filename.startswith("<")]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
