"""What is new in the list that a poll has found. Pure: facts in, decision out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any


class Unusable(Exception):
    """The list, a key or a cursor is nothing that can be compared. Says what is wrong, a sentence."""


@dataclass(frozen=True)
class Item:
    """One item of the list.

    :param key: the hash of what tells it apart; None where only the cursor counts.
    :param cursor: how far it is; None where there is no cursor in items.
    """

    value: Any
    key: str | None = None
    cursor: Any = None


@dataclass(frozen=True)
class Chosen:
    """What a poll comes to.

    :param new: the items that start executions, in this order.
    :param seen: keys of items of this list that are dealt with, now or before.
    :param cursor: the furthest that is dealt with.
    :param left_over: new items that wait for the next poll.
    """

    new: tuple[Item, ...]
    seen: frozenset[str]
    cursor: Any
    left_over: int = 0


def key_of(value: Any, *, index: int) -> str:
    """Return the hash of a key. 7 and "7" are different keys.

    :raises Unusable: if it is null.
    """
    if value is None:
        raise Unusable(f"The key of item {index} is null.")
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def choose(
    items: Sequence[Item], *, known: Collection[str], cursor: Any, is_first: bool, skips_first: bool, most: int
) -> Chosen:
    """Decide what is new: not known by its key, and beyond the cursor; with both, at the cursor too.

    :param items: in the order in which they were found.
    :param known: hashes of keys that were dealt with before.
    :param cursor: the furthest that was dealt with; None before the first time.
    :param skips_first: whether the first poll deals with what is there by starting nothing.
    :param most: how many may be new; with cursors alone also those that are as far as the last of them.
    :raises Unusable: if cursors cannot be compared.
    """
    has_keys = any(item.key is not None for item in items)
    has_cursors = any(item.cursor is not None for item in items)
    if has_cursors:
        _check_comparable([item.cursor for item in items], cursor)
    candidates = [item for item in _each_once(items) if item.key not in known and _is_beyond(item, cursor, has_keys)]
    if has_cursors:
        candidates.sort(
            key=lambda item: item.cursor
        )  # The nearest first: what is left over is further than what is taken.
    taken = len(candidates) if is_first and skips_first else most
    if has_cursors and not has_keys:
        while 0 < taken < len(candidates) and candidates[taken].cursor == candidates[taken - 1].cursor:
            taken += 1
    dealt_with, left = candidates[:taken], candidates[taken:]
    waiting = {item.key for item in left}
    furthest = [item.cursor for item in dealt_with if item.cursor is not None]
    return Chosen(
        new=() if is_first and skips_first else tuple(dealt_with),
        seen=frozenset(item.key for item in items if item.key is not None and item.key not in waiting),
        cursor=max([*furthest, *([] if cursor is None else [cursor])], default=None) if has_cursors else cursor,
        left_over=len(left),
    )


def _each_once(items: Sequence[Item]) -> list[Item]:
    found: dict[Any, Item] = {}
    for index, item in enumerate(items):
        found.setdefault(index if item.key is None else item.key, item)
    return list(found.values())


def _is_beyond(item: Item, cursor: Any, has_keys: bool) -> bool:
    if item.cursor is None or cursor is None:
        return True
    return bool(item.cursor >= cursor if has_keys else item.cursor > cursor)


def _check_comparable(cursors: Sequence[Any], known: Any) -> None:
    kinds = {_kind(each) for each in [*cursors, *([] if known is None else [known])]}
    if kinds not in ({"text"}, {"number"}):
        raise Unusable(
            f"Cursors must be all numbers or all texts, the one of the last poll too; here are {' and '.join(sorted(kinds))}."
        )


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "booleans"
        case int() | float():
            return "number"
        case str():
            return "text"
        case None:
            return "nulls"
        case _:
            return "lists or objects"
