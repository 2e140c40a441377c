"""YAML files of options, looked at before they are read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from skelblocks._utils.optional import require

_LARGEST = 1 << 20  # bytes
_DEEPEST = 16  # mappings and lists in each other


def check_file(path: Path, *, groups: Collection[str] = ()) -> None:
    """Raise ``ValueError`` for a file that is no YAML of options.

    It may be too large or too deep, refer to itself, name an option twice, or have a value in the place of a group.

    Args:
        path: The file.
        groups: The names of the groups.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: what is wrong with it, and where.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder) / "deep.yaml"
        ...     _ = place.write_text("[" * 2000 + "]" * 2000)
        ...     check_file(place)  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ...
        ValueError: config: /tmp/x/deep.yaml is nested more than 16 deep
    """
    yaml = require("yaml", extra="train")
    if not path.is_file():
        raise FileNotFoundError(f"config: expected a YAML file, got {str(path)!r}, which is not there or is no file")
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"config: expected at most {_LARGEST} bytes of options, got {path.stat().st_size} in {path}")
    depth = 0
    text = path.read_bytes()
    try:
        for event in yaml.parse(text):
            kind = type(event).__name__
            depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
            if depth > _DEEPEST:
                raise ValueError(f"config: {path} is nested more than {_DEEPEST} deep; expected groups of options")
            if kind == "AliasEvent":
                raise ValueError(f"config: {path} has an alias (*{event.anchor}); write the value out")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())[:300]
        raise ValueError(f"config: {path} is no YAML: {told}") from None
    if values is None:
        return
    if not isinstance(values, dict):
        raise ValueError(f"config: expected groups of options in {path}, got {type(values).__name__}")
    for node in (root, *(node for _, node in root.value)):
        names = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"config: {path} has {twice!r} twice; keep one")
    for name in groups:
        if not isinstance(values.get(name, {}), dict):
            raise ValueError(f"config: expected options of the group {name!r} in {path}, got {values[name]!r}")
