"""Searching by what has an index."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def found_by_id(rows: QuerySet[M], term: str, *, belonging_to: str) -> QuerySet[M] | None:
    """Return the row with an id, or else those that belong to what has it; None if the term is no id.

    :param belonging_to: the column of what they may belong to: ``workflow``.
    """
    try:
        wanted = UUID(term)
    except ValueError:
        return None
    by_id = rows.filter(pk=wanted)
    if by_id.exists():
        return by_id
    ids: dict[str, Any] = {belonging_to: wanted}
    return rows.filter(**ids)
