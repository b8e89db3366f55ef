"""The paths of webhooks: fixed parts, and parameters in braces that stand for any one part.

A **pattern** is a path whose parameters have lost their names: ``orders/{id}/items`` is ``orders/{}/items``. Which paths a request
can match is counted out beforehand, so that finding them takes no more than looking at a few exact patterns: the first part
is fixed, and with parameters there are at most eight parts, three of them parameters. That makes at most 64 patterns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

MAX_PARAMETERS = 3
MAX_PARTS = 8

_FIXED = "[A-Za-z0-9_-]+"
_PARAMETER = r"\{[a-z][a-z0-9_]{0,63}\}"
PATH_PATTERN = f"{_FIXED}(/({_FIXED}|{_PARAMETER}))*"

_IS_FIXED = re.compile(_FIXED)
_NAMED = re.compile(_PARAMETER)
ANY = "{}"


def pattern_of(path: str) -> str:
    """Return a path without the names of its parameters.

    >>> pattern_of("orders/{id}")
    'orders/{}'
    """
    return _NAMED.sub(ANY, path)


def parameters_of(path: str) -> list[str]:
    """Return the names of a path's parameters, in order."""
    return [name[1:-1] for name in _NAMED.findall(path)]


def overlap(one: str, other: str) -> bool:
    """Test whether some request matches both of two patterns."""
    parts, others = one.split("/"), other.split("/")
    pairs = zip(parts, others, strict=False)
    return len(parts) == len(others) and all(ANY in (mine, theirs) or mine == theirs for mine, theirs in pairs)


def candidates(parts: Sequence[str]) -> list[str]:
    """Return every pattern that the parts of a request's path match, the most particular first.

    A fixed part goes before a parameter, and what comes earlier in the path decides.

    >>> candidates(["orders", "7"])
    ['orders/7', 'orders/{}']
    """
    if not _IS_FIXED.fullmatch(parts[0]):
        return []
    places = range(1, len(parts)) if len(parts) <= MAX_PARTS else range(0)
    choices = [each for count in range(MAX_PARAMETERS + 1) for each in combinations(places, count)]
    return [
        "/".join(ANY if at in some else part for at, part in enumerate(parts)) for some in sorted(choices, key=_rank)
    ]


def values_in(path: str, parts: Sequence[str]) -> dict[str, str]:
    """Return what the parameters of a path stand for in a request whose parts match it."""
    return {
        name[1:-1]: part
        for name, part in zip(path.split("/"), parts, strict=True)
        if _NAMED.fullmatch(name) is not None
    }


def _rank(places: tuple[int, ...]) -> tuple[bool, ...]:
    return tuple(at in places for at in range(MAX_PARTS))
