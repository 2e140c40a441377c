"""Import the public names of a package on first use.

A package has its list of public names in ``__init__.pyi``, which type checkers and editors read. :func:`attach` reads
the same file at run time.
"""

from __future__ import annotations

import ast
import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any


class _LazyPackage(ModuleType):
    """A package in which the module ``pool`` does not replace the function ``pool``.

    Importing a submodule sets an attribute of its package, which must not shadow a public name.
    """

    def __setattr__(self, name: str, value: object) -> None:
        hidden = isinstance(value, ModuleType) and name in self.__dict__.get("_lazy_symbols", ())
        if not hidden:
            super().__setattr__(name, value)


def attach(
    package: str, file: str, *, deprecated: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Create the ``__getattr__``, ``__dir__`` and ``__all__`` of a package from its stub.

    Args:
        package: The package's ``__name__``.
        file: The package's ``__file__``. The stub ``__init__.pyi`` is in the same folder.
        deprecated: Old names with the dotted path of their replacement. Using one gives a ``DeprecationWarning``.

    Returns:
        The three attributes, to be assigned in ``__init__.py``.

    Example:
        >>> import skelblocks.augment
        >>> skelblocks.augment.shear.__module__
        'skelblocks.augment.shear'
    """
    exported, sources = _read_stub(Path(file).with_suffix(".pyi"))
    old = dict(deprecated or {})
    module = sys.modules[package]
    module.__dict__["_lazy_symbols"] = {name for name, source in sources.items() if source != package} | old.keys()
    module.__class__ = _LazyPackage

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name in sources:
            source = sources[name]
            is_submodule = source == package
            found = importlib.import_module(f"{package}.{name}" if is_submodule else source)
            value = found if is_submodule else getattr(found, name)
            module.__dict__[name] = value
            return value
        if name in old:
            warnings.warn(f"{package}.{name} is deprecated; use {old[name]}", DeprecationWarning, stacklevel=2)
            place, _, symbol = old[name].rpartition(".")
            return getattr(importlib.import_module(place), symbol)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*module.__dict__, *exported})

    return __getattr__, __dir__, exported


def _read_stub(path: Path) -> tuple[list[str], dict[str, str]]:
    """``__all__`` of a stub, and the module from which each imported name comes."""
    exported: list[str] = []
    sources: dict[str, str] = {}
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            sources |= {alias.name: statement.module for alias in statement.names}
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.List):
            exported = [str(ast.literal_eval(element)) for element in statement.value.elts]
    return exported, {name: source for name, source in sources.items() if name in exported}
