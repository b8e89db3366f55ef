"""What every request passes through on its way to a view."""

from __future__ import annotations

from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from config import errors
from projects.exceptions import Unavailable
from projects.problems import describe


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
