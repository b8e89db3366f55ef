"""What whoever changes a row does first."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model

from projects.exceptions import NotFound

M = TypeVar("M", bound=Model)


def locked(row: M, *, no_key: bool = False) -> M:
    """Read a row as it is now, and let nobody else change it until the transaction's end.

    :param no_key: let rows that refer to it be added meanwhile.
    :raises NotFound: if somebody has deleted it.
    """
    rows = type(row)._default_manager.select_for_update(no_key=no_key)
    found = rows.filter(pk=row.pk).first()
    if found is None:
        raise NotFound(f"There is no such {row._meta.verbose_name} any more.")
    return found
