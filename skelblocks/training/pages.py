"""Find pages and configurations, and load a page."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import zlib
from pathlib import Path
from typing import Any

import skelblocks
from skelblocks._utils.did_you_mean import did_you_mean
from skelblocks._utils.escape import escape
from skelblocks.training.page import Page

_PREFIX = "train_"


def pages_folder() -> Path:
    """The folder of the pages: ``examples/`` in a checkout, else the copy inside the installed package."""
    package = Path(skelblocks.__file__).parent
    carried = package / "_examples"
    return carried if carried.is_dir() else package.parent / "examples"


def method_names() -> list[str]:
    """The methods that have a page.

    Example:
        >>> method_names()
        ['actclr', 'aimclr', 'crossclr', 'crossmoco', 'hiclr', 'isc', 'msmclr', 'pstl', 'skeattnclr',
         'skelemixclr', 'skeletonclr']
    """
    return sorted(path.stem.removeprefix(_PREFIX) for path in pages_folder().glob(f"{_PREFIX}*.py"))


def load_page(name: str) -> Page[Any]:
    """Load a page.

    Args:
        name: One of :func:`method_names`, or the path of a Python file that defines ``page``.

    Returns:
        The file's ``page``.

    Raises:
        FileNotFoundError: The method or file does not exist.
        ValueError: The file cannot be run, or defines no ``page``.

    Example:
        >>> load_page("skeletonclr").name
        'skeletonclr'
    """
    path = Path(name) if name.endswith(".py") else pages_folder() / f"{_PREFIX}{name}.py"
    if not path.is_file():
        near = did_you_mean(name, method_names()) or _not_a_page(name)
        raise FileNotFoundError(
            f"page: expected a file or one of {', '.join(method_names())}, got {name!r}{near}; "
            "`skelblocks copy msmclr .` copies a page that you can edit"
        )
    page = getattr(_import(path), "page", None)
    if not isinstance(page, Page):
        raise ValueError(
            f"page: expected {path} to define page = skelblocks.training.Page(...), got {type(page).__name__}; "
            "`skelblocks copy msmclr .` copies an example"
        )
    return page


def load_script(name: str) -> Any:
    """Load one of the other pages, such as ``"distill"``, as a module.

    Raises:
        FileNotFoundError: The page does not exist.
    """
    path = pages_folder() / f"{name}.py"
    if not path.is_file():
        raise FileNotFoundError(f"name: expected one of {', '.join(copies())}, got {name!r}")
    return _import(path)


def _not_a_page(name: str) -> str:
    if name.endswith(".py"):
        return f" (looked in {escape(Path.cwd())})"
    return ", whose name does not end in .py" if Path(name).exists() else ""


def _import(path: Path) -> Any:
    name = f"skelblocks_page_{path.stem}_{zlib.crc32(str(path.resolve()).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"page: expected a Python file, got {str(path)!r}; name a .py file")
    known = sys.modules.get(name)
    if known is not None and known.__dict__.get("_stamp") == _stamp(path):
        return known
    module = importlib.util.module_from_spec(spec)
    module.__dict__["_stamp"] = _stamp(path)
    sys.modules[name] = module  # dataclasses look up their module here
    try:
        spec.loader.exec_module(module)
    except ImportError:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"page: {path} cannot be run: {type(error).__name__}: {error}") from error
    return module


def _stamp(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size


def find_config(name: str) -> Path | None:
    """The path of a configuration that comes with skelblocks, or None.

    Args:
        name: Name of the configuration, such as ``"synthetic_small"`` or ``"evaluate/small"``.

    Example:
        >>> find_config("synthetic_small").name
        'synthetic_small.yaml'
    """
    folder = pages_folder() / "configs"
    path = folder / f"{name}.yaml"
    return path if path.is_file() and folder in path.parents and ".." not in Path(name).parts else None


def copy_page(name: str, to: str | Path) -> Path:
    """Copy a page or a configuration so that you can edit it.

    Args:
        name: A method, another page such as ``"plain_torch"``, or a configuration.
        to: An existing folder, or the path of the new file.

    Returns:
        The new file.

    Raises:
        FileExistsError: The file exists already.
        FileNotFoundError: The page or the folder does not exist.
    """
    folder = pages_folder()
    candidates = [folder / f"{_PREFIX}{name}.py", folder / f"{name}.py", find_config(name)]
    source = next((path for path in candidates if path is not None and path.is_file()), None)
    if source is None or ".." in Path(name).parts:
        raise FileNotFoundError(
            f"name: expected one of {', '.join(copies())}, got {name!r}{did_you_mean(name, copies())}"
        )
    place = Path(to) / source.name if Path(to).is_dir() else Path(to)
    if place.exists():
        raise FileExistsError(f"to: {place} exists already; choose another place, or remove it first")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"to: there is no folder {place.parent}; create it first")
    shutil.copyfile(source, place)
    return place


def copies() -> list[str]:
    """The names that :func:`copy_page` accepts: methods, other pages, configurations."""
    pages = [path.stem for path in sorted(pages_folder().glob("*.py")) if not path.stem.startswith(_PREFIX)]
    return [*method_names(), *pages, *config_names()]


def config_names() -> list[str]:
    """The configurations of skelblocks."""
    configs = pages_folder() / "configs"
    return sorted(str(path.relative_to(configs).with_suffix("")) for path in configs.rglob("*.yaml"))
