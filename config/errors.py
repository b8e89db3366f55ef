"""What Django itself answers when no view could: JSON for programs, Django's pages for people."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from projects.problems import Problem, describe

PROGRAMS_CALL = ("/api/", "/webhooks/", "/webhooks-test/", "/callbacks/")


@csrf_exempt  # It changes nothing, and a program that mistyped a path wants to hear that, and not of cookies.
def no_such_route(request: HttpRequest) -> HttpResponse:
    """Answer below ``/api/`` where no view is; last of its URLs, so that a forgotten slash is not a silent redirect."""
    hint = None if request.path.endswith("/") else f"Paths of the API end with a slash: {request.path}/"
    return _json(Problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such path in the API.", hint=hint))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(PROGRAMS_CALL):
        return defaults.bad_request(request, exception)
    problem = describe(exception)
    return _json(problem or Problem(HTTPStatus.BAD_REQUEST, "invalid", "The request is malformed."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(PROGRAMS_CALL):
        return defaults.permission_denied(request, exception)
    return _json(Problem(HTTPStatus.FORBIDDEN, "forbidden", "You may not do this."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(PROGRAMS_CALL):
        return defaults.page_not_found(request, exception)
    return _json(Problem(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path."))


def server_error(request: HttpRequest) -> HttpResponse:
    if not request.path.startswith(PROGRAMS_CALL):
        return defaults.server_error(request)
    message = "Something went wrong in Segue. It is in its log; nothing was half done."
    return _json(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "error", message))


def length_required() -> HttpResponse:
    """Answer that a body was not read, because nothing said how long it is."""
    message = "Send a Content-Length: a body in chunks is not read here."
    return _json(Problem(HTTPStatus.LENGTH_REQUIRED, "length_required", message))


def unavailable(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Answer that something is down, or took too long. Asks the database nothing."""
    if request.path.startswith(PROGRAMS_CALL):
        return _json(problem)
    page = render_to_string("503.html", {"message": problem.message, "hint": problem.hint or ""})
    return HttpResponse(page, status=problem.status, headers=problem.headers)


def _json(problem: Problem) -> HttpResponse:
    return JsonResponse(problem.as_json(), status=problem.status, headers=problem.headers)
