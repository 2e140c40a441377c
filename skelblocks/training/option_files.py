"""Read YAML files of options, and check them before they are parsed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from skelblocks._utils.did_you_mean import did_you_mean
from skelblocks._utils.optional import require

_LARGEST = 1 << 20  # bytes
_DEEPEST = 16  # levels of nested mappings and lists


def read_option_file(path: Path, *, groups: Collection[str] = (), carried: Collection[str] = ()) -> dict[str, Any]:
    """Read a YAML file of options. Raise ``ValueError`` for any other file.

    The check finds files that are too large or too deep, that refer to themselves, that repeat an option, or that have
    a value in place of a group.

    Args:
        path: The file.
        groups: The names of the groups.
        carried: The names of the configurations that skelblocks carries, one of which may be meant.

    Returns:
        The content of the file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is invalid; the message says where.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder) / "deep.yaml"
        ...     _ = place.write_text("[" * 2000 + "]" * 2000)
        ...     read_option_file(place)  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ...
        ValueError: config: /tmp/x/deep.yaml is nested more than 16 deep
    """
    yaml = require("yaml", extra="train")
    if not path.is_file():
        near = did_you_mean(path.name.removesuffix(".yaml"), carried)
        raise FileNotFoundError(
            f"config: expected a YAML file, got {str(path)!r}, which does not exist or is not a file{near}; "
            "`skelblocks copy` lists the configurations of skelblocks"
        )
    if path.stat().st_size > _LARGEST:
        raise ValueError(
            f"config: expected at most {_LARGEST} bytes of options, got {path.stat().st_size} in {path}; name a "
            "configuration"
        )
    depth = 0
    text = path.read_bytes()
    try:
        for event in yaml.parse(text):
            kind = type(event).__name__
            depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
            if depth > _DEEPEST:
                raise ValueError(f"config: {path} is nested more than {_DEEPEST} deep; expected groups of options")
            if kind == "AliasEvent":
                raise ValueError(f"config: expected no aliases, got *{event.anchor} in {path}; write the value out")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"config: {path} is not valid YAML: {reason}; expected lines such as train: {{epochs: 10}}"
        ) from None
    if values is None:
        raise ValueError(
            f"config: expected groups of options in {path}, got none; write some, such as train: {{epochs: 10}}, or "
            "leave the file out"
        )
    if not isinstance(values, dict):
        raise ValueError(
            f"config: expected groups of options in {path}, got {type(values).__name__}; write for instance "
            "train: {epochs: 10}"
        )
    for node in (root, *(node for _, node in root.value)):
        names = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"config: expected every option once, got {twice!r} twice in {path}; keep one")
    for name in groups:
        if not isinstance(values.get(name, {}), dict):
            raise ValueError(
                f"config: expected options of the group {name!r} in {path}, got {values[name]!r}; write {name}: "
                f"{{option: value}}"
            )
    return values
