"""How lists are cut into pages. A module of its own, because REST framework's views import it."""

from __future__ import annotations

from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware
from rest_framework import exceptions as api_errors
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from projects.exceptions import Invalid


class NewestFirstPagination(CursorPagination):
    """Pages by cursor, newest rows first. For tables with another time, subclass with another ``ordering``."""

    ordering = ("-created_at", "-id")
    page_size = 50
    max_page_size = 100
    page_size_query_param = "page_size"

    def decode_cursor(self, request: Request) -> Any:
        try:
            cursor = super().decode_cursor(request)
        except api_errors.NotFound as error:
            raise _unknown_cursor() from error
        if cursor is not None and not _is_moment(cursor.position):
            raise _unknown_cursor()
        return cursor


def _is_moment(position: str | int | None) -> bool:
    if position is None:
        return True  # The first page, counted from its start.
    try:
        moment = parse_datetime(str(position))
    except ValueError:
        return False
    return moment is not None and is_aware(moment)


def _unknown_cursor() -> Invalid:
    return Invalid("The cursor is not one that was given out.", path="?cursor", hint="Follow next and previous.")
