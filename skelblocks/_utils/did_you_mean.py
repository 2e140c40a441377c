"""Suggestions for unknown names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """Known names that are similar to ``name``, as a part of an error message; empty if there are none.

    Names are similar if they are spelled almost the same, contain each other, or have the same words in another order.

    Example:
        >>> did_you_mean("ntu", ["ntu-rgb+d", "coco-17"]), did_you_mean("left_hand", ["hand_left", "head"])
        (" (did you mean 'ntu-rgb+d'?)", " (did you mean 'hand_left'?)")
        >>> did_you_mean("xyz", ["ntu-rgb+d"])
        ''
    """
    listed = list(known)
    plain = {each: _plain(each) for each in listed}
    sought = _plain(name)
    words = [each for each in listed if sorted(plain[each].split()) == sorted(sought.split())]
    parts = [each for each in listed if len(sought) > 2 and (sought in plain[each] or plain[each] in sought)]
    spelled = get_close_matches(sought, plain.values(), n=most, cutoff=0.6)
    near = [each for spelling in spelled for each in listed if plain[each] == spelling]
    found = list(dict.fromkeys(words + near + parts))[:most]
    return f" (did you mean {' or '.join(map(repr, found))}?)" if found else ""


def _plain(name: str) -> str:
    return " ".join("".join(char if char.isalnum() else " " for char in name.lower()).split())
