"""Import optional packages where they are used."""

from __future__ import annotations

import importlib
from typing import Any

_PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn", "umap": "umap-learn"}  # if it differs from the module


def require(module: str, *, extra: str) -> Any:
    """Import ``module``, or raise an error that names the extra of skelblocks to install.

    Args:
        module: Dotted name, for instance ``"matplotlib.pyplot"``.
        extra: The extra of this package that lists it.

    Returns:
        The module.

    Raises:
        ImportError: the package is not installed.

    Example:
        >>> require("no_such_package", extra="viz")
        Traceback (most recent call last):
        ...
        ImportError: this needs the package 'no_such_package': pip install "skelblocks[viz]"
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if error.name is None or error.name.split(".")[0] != package:
            raise  # the package is installed, but one of its dependencies is not
        name = _PACKAGES.get(package, package)
        raise ImportError(f'this needs the package {name!r}: pip install "skelblocks[{extra}]"') from error
