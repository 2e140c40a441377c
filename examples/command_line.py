"""From the command line and YAML files to the options of a script."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import jsonargparse
import torch

import skelblocks
from skelblocks.distributed import is_main_process

T = TypeVar("T")
_FLAG = re.compile(r"(?<=^--)[a-z][^=]*")  # of "--nnm-epoch=150", nnm-epoch
_OPTION = re.compile(r"^    (\w+): .*?  # (.*)$", re.MULTILINE)  # a field of a dataclass, and the comment behind it


def main(train: Callable[[T], Mapping[str, float]], options: type[T]) -> None:
    """A training script: options in, the last epoch's figures out; what the user can mend is one line.

    It ends with the place, for who has edited the script: the innermost line that is no package's.
    """
    try:
        result = train(parse(options))
    except (ValueError, OSError) as wrong:
        frames = traceback.extract_tb(wrong.__traceback__)
        packages = (
            str(Path(skelblocks.__file__).parent),
            str(Path(torch.__file__).parents[1]),
            str(Path(os.__file__).parent),
        )
        own = [each for each in frames if not each.filename.startswith(packages)]
        at = (own or frames)[-1]  # a script may itself be installed
        raise SystemExit(f"error: {wrong} ({Path(at.filename).name}, line {at.lineno})") from None
    if is_main_process():
        print(", ".join(f"{name} {value:.4g}" for name, value in result.items()))


def parse(options: type[T], arguments: Sequence[str] | None = None) -> T:
    """The options from the command line: ``--config file.yaml`` (any number, later ones win), then ``--name value``.

    ``--nnm-epoch`` is ``--nnm_epoch``. ``--help`` shows the comments behind the fields of the dataclass.
    """
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--config", action="config", help="a YAML file of options; may be given several times")
    add_options(parser, options)
    chosen = parser.parse_args(with_underscores(arguments)).as_dict()
    return options(**{name: value for name, value in chosen.items() if name != "config"})


def add_options(parser: jsonargparse.ArgumentParser, options: type, **nested: type) -> None:
    """An argument for every field of a dataclass, with the comment behind the field as its help.

    Args:
        parser: Of the command.
        options: The dataclass.
        nested: By the names of its fields that are dataclasses themselves, their types.
    """
    parser.add_class_arguments(options, as_group=False)
    for action in parser._actions:
        field, _, inner = action.dest.partition(".")
        owner, name = (nested.get(field), inner) if inner else (options, field)
        said = _comments(owner).get(name) if owner is not None else None
        action.help = said.replace("%", "%%") if said else action.help


def _comments(options: type) -> dict[str, str]:
    classes = [each for each in reversed(options.__mro__) if dataclasses.is_dataclass(each)]
    return dict(match for each in classes for match in _OPTION.findall(inspect.getsource(each)))


def with_underscores(arguments: Sequence[str] | None = None) -> list[str]:
    """The arguments, default those of the command line, with ``_`` for ``-`` in the names of options."""
    given = sys.argv[1:] if arguments is None else arguments
    return [_FLAG.sub(lambda flag: flag[0].replace("-", "_"), each) for each in given]
