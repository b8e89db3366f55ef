"""Constraints that several tables share."""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, Q


def one_of(
    table: str, column: str, choices: type[models.TextChoices], *, null: bool = False, others: Q | None = None
) -> CheckConstraint:
    """Return a CHECK that a column holds one of the values of an enum.

    :param others: what else it may hold.
    """
    allowed = Q(**{f"{column}__in": choices.values})
    if null:
        allowed |= Q(**{f"{column}__isnull": True})
    if others is not None:
        allowed |= others
    return CheckConstraint(condition=allowed, name=f"{table}_{column}_check")
