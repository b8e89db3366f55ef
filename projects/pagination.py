"""How lists are cut into pages. A module of its own, because REST framework's views import it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.timezone import is_aware
from rest_framework import exceptions as api_errors
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from projects.exceptions import Invalid


class NewestFirstPagination(CursorPagination):
    """Pages by cursor, newest rows first. For tables with another order, subclass with another ``ordering``."""

    ordering: tuple[str, ...] = ("-created_at", "-id")
    page_size = 50
    max_page_size = 100
    page_size_query_param = "page_size"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        self.column = queryset.model._meta.get_field(self.ordering[0].removeprefix("-"))
        return super().paginate_queryset(queryset, request, view)

    def get_page_size(self, request: Request) -> int | None:
        """Return how many rows a page has; what is more than there may be is as many as there may be."""
        asked = request.query_params.get(self.page_size_query_param)
        if asked is not None and not (asked.isascii() and asked.isdigit() and int(asked[:10]) > 0):
            raise Invalid(
                f"page_size is {asked[:20]!r}; it must be a whole number from 1 to {self.max_page_size}.",
                path="?page_size",
            )
        return super().get_page_size(request)

    def decode_cursor(self, request: Request) -> Any:
        try:
            cursor = super().decode_cursor(request)
        except api_errors.NotFound as error:
            raise _unknown_cursor() from error
        if cursor is not None and cursor.position is not None and not _fits(self.column, str(cursor.position)):
            raise _unknown_cursor()
        return cursor


def _fits(column: Any, position: str) -> bool:
    try:
        value = column.to_python(position)
    except ValidationError:
        return False
    return is_aware(value) if isinstance(value, datetime) else value is not None and "\x00" not in position


def _unknown_cursor() -> Invalid:
    return Invalid("The cursor is not one that was given out.", path="?cursor", hint="Follow next and previous.")
