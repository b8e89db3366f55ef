"""What tables have in common, whatever they are written as: limits, and columns with names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import Batch, objects
from workflows.nodes.transform.paths import MISSING, Path, read

MAX_CELLS = 500_000
MAX_COLUMNS = 1_000


def refuse_unclear(
    names: Sequence[str], *, code: str, instead: str = "Name the columns with `columns`, or set `header: false`."
) -> None:
    """Do nothing if each column has a name of its own.

    :raises NodeError: with the code.
    """
    if "" in names:
        position = names.index("") + 1
        raise NodeError(code, f"Column {position} has no name. {instead}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise NodeError(code, f"Two columns are called {twice[:60]!r}. {instead}")


def refuse_missing(required: Sequence[str], names: Sequence[str]) -> None:
    """Do nothing if all columns are there that must be.

    :raises NodeError: ``missing_column``.
    """
    if missing := [name for name in required if name not in names]:
        raise NodeError(
            "missing_column",
            f"There is no column {missing[0][:60]!r}. There {'is' if len(names) == 1 else 'are'}: "
            f"{', '.join(names)[:300] or 'none'}.",
            details={"missing": missing},
        )


def table_of(batch: Batch, columns: list[Path] | None) -> tuple[list[str], list[list[Any]]]:
    """Return the names of the columns, and the rows. Items that are all lists are rows without names.

    :param columns: the fields, in order; nothing for all keys as they first come.
    :raises NodeError: ``not_an_object``.
    """
    if columns is not None:
        return columns, [[read(item, path) for path in columns] for item in objects(batch)]
    if batch.items and all(isinstance(item, list) for item in batch.items):
        return [], list(batch.items)
    names = list(dict.fromkeys(key for item in objects(batch) for key in item))
    return names, [[item.get(name, MISSING) for name in names] for item in batch.items]
