"""A method as one object: its options, its modules, its views and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from skelblocks.training.options import MethodOptions

if TYPE_CHECKING:
    from skelblocks.training.datasets import Sets

T = TypeVar("T", bound=MethodOptions)


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """A trainable method. ``skelblocks train FILE.py`` trains the object named ``page`` in the file.

    Attributes:
        name: Name of the method, which is part of the default folder.
        options: A dataclass that extends :class:`~skelblocks.training.MethodOptions`.
        build: ``build(options, layout=..., persons=..., coordinates=...)`` returns a
            :class:`~skelblocks.training.Method`.
        make_views: ``make_views(options, layout=...)`` returns a function from clips and a generator to views.
        pictures: ``pictures(method, sets, options)`` returns the method's own figures, by name.

    Example:
        >>> from skelblocks.training import load_page
        >>> page = load_page("msmclr")
        >>> page.name, page.options().loss
        ('msmclr', 'd3m')
    """

    name: str
    options: type[T]
    build: Callable[..., Any]
    make_views: Callable[..., Any]
    pictures: Callable[..., Mapping[str, Any]] | None = None

    def train(self, options: T, *, sets: Sets | None = None) -> dict[str, float]:
        """Pretrain, evaluate, save the encoders and draw; see :func:`skelblocks.training.train_page`."""
        from skelblocks.training.train_page import train_page

        return train_page(self, options, sets=sets)

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Train with options from the command line. Mistakes of the user are reported on one line.

        Args:
            arguments: The command-line arguments. Default: the arguments of this process.
        """
        from skelblocks.training.command_line import run_main

        run_main(self, arguments)
