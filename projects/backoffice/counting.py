"""Counting at most so far, and for at most so long: lists of millions open as fast as lists of tens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.paginator import Paginator
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils.functional import cached_property

from projects import statement_time

MOST_COUNTED = 10_000
PATIENCE_SECONDS = 2
PAGE_SECONDS = 15

_SET_TIMEOUT = "SELECT set_config('statement_timeout', %s, true)"


class TooSlow(Exception):
    """The database did not answer in the time that a page may take."""


@contextmanager
def patience(seconds: int = PATIENCE_SECONDS) -> Iterator[None]:
    """Give the database so long for each statement. SQLite has no such limit, and is for small installations.

    :raises TooSlow: if one takes longer.
    """
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            (before,) = cursor.fetchone()
            cursor.execute(_SET_TIMEOUT, [f"{seconds * 1000}"])
            yield
            # This block may lie in another one, or in a transaction that goes on.
            cursor.execute(_SET_TIMEOUT, [before])
    except OperationalError as error:
        if statement_time.ran_out(error):
            raise TooSlow from error
        raise


def count_at_most(rows: QuerySet[Any], most: int = MOST_COUNTED) -> int:
    """Return the number of rows, or ``most + 1`` if there are more, or if counting takes too long."""
    try:
        with patience():
            return rows.order_by().values("pk")[: most + 1].count()
    except TooSlow:
        return most + 1


class BoundedPaginator(Paginator):  # type: ignore[type-arg] # Not subscriptable at run time.
    """Pages through the first :data:`MOST_COUNTED` rows; who looks for others narrows the list."""

    @cached_property
    def _counted(self) -> int:
        return count_at_most(self.object_list)  # type: ignore[arg-type]

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @property
    def has_more(self) -> bool:
        """Whether there are more rows than are counted."""
        return self._counted > MOST_COUNTED
