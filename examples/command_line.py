"""From the command line and YAML files to the options of a script."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TypeVar

import jsonargparse

T = TypeVar("T")
_FLAG = re.compile(r"(?<=^--)[a-z][^=]*")  # of "--nnm-epoch=150", nnm-epoch


def parse(options: type[T], arguments: Sequence[str] | None = None) -> T:
    """The options from the command line: ``--config file.yaml`` (any number, later ones win), then ``--name value``.

    ``--nnm-epoch`` is ``--nnm_epoch``.
    """
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--config", action="config", help="a YAML file of options; may be given several times")
    parser.add_class_arguments(options, as_group=False)
    chosen = parser.parse_args(with_underscores(arguments)).as_dict()
    return options(**{name: value for name, value in chosen.items() if name != "config"})


def with_underscores(arguments: Sequence[str] | None = None) -> list[str]:
    """The arguments, default those of the command line, with ``_`` for ``-`` in the names of options."""
    given = sys.argv[1:] if arguments is None else arguments
    return [_FLAG.sub(lambda flag: flag[0].replace("-", "_"), each) for each in given]
