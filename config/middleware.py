"""What every request passes through on its way to a view."""

from __future__ import annotations

from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from config import errors
from projects.exceptions import Unavailable
from projects.problems import describe


class AskForLength:
    """Refuses bodies for the API whose length is not said: Django would take them for empty, and do what was not asked.

    Webhooks read such bodies themselves.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_unknown = "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH")
        return (
            errors.length_required() if is_unknown and request.path.startswith("/api/") else self._get_response(request)
        )


class SayUnavailable:
    """Answers where no view did: a database that is down, or takes too long, is a 503 that says so and not a fault of ours."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for what is worth another try; anything else is for Django."""
        if not isinstance(exception, (OperationalError, InterfaceError, Unavailable)):
            return None
        problem = describe(exception)
        return errors.unavailable(request, problem) if problem else None
