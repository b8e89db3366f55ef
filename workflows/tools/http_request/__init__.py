"""The tool ``http.request``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

from django.utils import timezone

from projects.exceptions import Invalid
from workflows.http import DoorError, Postponed, Reply, media
from workflows.http.conditions import conditional_headers
from workflows.http.retry_after import asked_to_wait, retry_after_seconds
from workflows.http.secrets import Secrets
from workflows.nodes.base import Context, Effect, NodeError
from workflows.tools.base import Freshness, Tool, register
from workflows.tools.http_request.arguments import READING_METHODS, RequestArguments
from workflows.tools.http_request.pages import LAST_PAGE, MOST_REFUSALS, UNTIL, Page, Progress, follow
from workflows.tools.http_request.pagination import DEFERRED
from workflows.tools.http_request.sending import ONLY, RETRYABLE_STATUSES, Place, first_url, send, without_key

MAX_EXCERPT_CHARS = 2000
NOT_MODIFIED = 304


@register("http.request")
class HttpRequest(Tool[RequestArguments]):
    """Call an HTTP service and return its answer.

    The output always is ``{"status": 200, "headers": {…}, "body": …, "body_format": "json"}``. Header names are in lower case,
    repeated ones joined by ``", "`` (``set-cookie`` by line ends). ``body_format`` tells what ``body`` is: ``json`` (the value),
    ``text``, ``base64`` (everything else), or ``empty`` (null). Calls that may change something carry an ``Idempotency-Key``
    that is the same for every attempt.

    With ``pagination`` the body is the list of all pages' items, the rest is of the last page, and there is
    ``"pagination": {"pages": 3, "items": 250, "ended_by": "last_page", "is_complete": true}`` beside it.
    """

    Arguments = RequestArguments
    icon = "globe"
    items_at = "/body"
    url_argument = "url"
    deferred = DEFERRED
    authors_alone = ("auth", "pagination")
    example: ClassVar[dict[str, Any]] = {
        "method": "POST",
        "url": "https://api.example.com/orders/{{ encodeURIComponent(input.id) }}/confirm",
        "json": {"total": "{{ input.total }}"},
        "auth": {"type": "bearer", "token": "{{ secret('API_TOKEN') }}"},
    }

    def effect(self, arguments: Mapping[str, Any]) -> Effect:
        """A method that is not known yet, because it is an expression, counts as one that writes."""
        method = arguments.get("method", "GET")
        return Effect.READ if isinstance(method, str) and method in READING_METHODS else Effect.WRITE

    def conditional(self, arguments: Mapping[str, Any], known: Freshness) -> Mapping[str, Any]:
        """Add ``If-None-Match`` and ``If-Modified-Since`` to a GET, and let 304 be an answer."""
        given = arguments.get("headers", {})
        if arguments.get("method", "GET") != "GET" or not isinstance(given, Mapping) or arguments.get("pagination"):
            return arguments  # What an answer says of one page does not hold for the others.
        ok = arguments.get("ok_statuses", ["200-299"])
        ok = [*ok, NOT_MODIFIED] if isinstance(ok, list) and NOT_MODIFIED not in ok else ok
        return {**arguments, "headers": conditional_headers(given, known), "ok_statuses": ok}

    def freshness(self, output: Any) -> Freshness:
        """Read ``ETag`` and ``Last-Modified``."""
        return Freshness(
            etag=output["headers"].get("etag", ""),
            last_modified=output["headers"].get("last-modified", ""),
            is_unchanged=output["status"] == NOT_MODIFIED,
        )

    def call(self, arguments: RequestArguments, context: Context) -> dict[str, Any]:
        """Make the call.

        :raises NodeError: ``http_status`` if the status is not among ``ok_statuses``; ``invalid_json`` if the answer should be
            JSON and is not; ``invalid_arguments``; with pagination ``no_list``, ``page_repeated``, ``bad_next_url``,
            ``bad_cursor`` and ``pagination_limit``; with OAuth ``oauth_refused``; else the door's own code (``timeout``, ``dns``, ``address_refused``, …).
        :raises Cancelled: if the engine abandoned the node.
        """
        secrets = Secrets(context)
        if arguments.pagination is not None:
            return _all_pages(arguments, secrets, context)
        return _output(arguments, _answer(arguments, secrets, context, ONLY), secrets)


def _all_pages(arguments: RequestArguments, secrets: Secrets, context: Context) -> dict[str, Any]:
    def keep(progress: Progress) -> None:
        # What is kept is masked: a place that holds a secret would be another one. Then it begins anew, if it is put off.
        place = without_key(arguments, progress.place)
        if secrets.mask([place.url, place.mark]) == [place.url, place.mark]:
            context.keep(replace(progress, place=place).to_json())

    def ask(progress: Progress) -> Page:
        reply = _exchange(arguments, secrets, context, progress.place)
        wait = asked_to_wait(reply.status, reply.headers, now=timezone.now())
        if wait is not None and progress.pages and progress.refusals < MOST_REFUSALS:
            # Another attempt would begin at the first page, and come no further than this one.
            progress.refusals += 1
            keep(progress)
            raise Postponed(wait, "as long as the service asked for (Retry-After)")
        _, body = _body(arguments, _fine(arguments, reply, secrets), secrets)
        masked = secrets.mask(body)
        shown = {
            "number": progress.place.number,
            "status": reply.status,
            "headers": secrets.mask(dict(reply.headers)),
            "body": masked,
        }
        return Page(reply, body, shown)

    page, progress, ended_by = follow(arguments, context, first_url=first_url(arguments, secrets), ask=ask, keep=keep)
    return {
        "status": page.reply.status,
        "headers": page.shown["headers"],
        "body": progress.items,
        "body_format": "json",
        "pagination": {
            "pages": progress.pages,
            "items": len(progress.items),
            "ended_by": ended_by,
            "is_complete": ended_by in (LAST_PAGE, UNTIL),
        },
    }


def _answer(arguments: RequestArguments, secrets: Secrets, context: Context, place: Place) -> Reply:
    return _fine(arguments, _exchange(arguments, secrets, context, place), secrets)


def _exchange(arguments: RequestArguments, secrets: Secrets, context: Context, place: Place) -> Reply:
    try:
        return send(arguments, secrets, context, place)
    except DoorError as error:
        raise NodeError(
            error.code,
            f"{arguments.described}: {error.message}",
            retryable=error.retryable,
            details=_details(arguments),
        ) from error


def _fine(arguments: RequestArguments, reply: Reply, secrets: Secrets) -> Reply:
    """Return an answer, if its status is among those that are fine.

    :raises NodeError: if it is not.
    """
    if not _is_ok(reply.status, arguments.ok_statuses):
        raise _status_error(arguments, reply, secrets)
    return reply


def _is_ok(status: int, ok_statuses: list[int | str]) -> bool:
    return any(_covers(ok, status) for ok in ok_statuses)


def _covers(ok: int | str, status: int) -> bool:
    if isinstance(ok, int):
        return ok == status
    first, _, last = ok.partition("-")
    return int(first) <= status <= int(last)


def _status_error(arguments: RequestArguments, reply: Reply, secrets: Secrets) -> NodeError:
    return NodeError(
        "http_status",
        f"{arguments.described} answered with status {reply.status}.",
        retryable=reply.status in RETRYABLE_STATUSES,
        retry_after=retry_after_seconds(reply.headers.get("retry-after", ""), now=timezone.now()),
        details={**_details(arguments), "status": reply.status, **_said(reply, secrets)},
    )


def _output(arguments: RequestArguments, reply: Reply, secrets: Secrets) -> dict[str, Any]:
    body_format, body = _body(arguments, reply, secrets)
    return {
        "status": reply.status,
        "headers": secrets.mask(dict(reply.headers)),
        "body": body if body_format == "base64" else secrets.mask(body),
        "body_format": body_format,
    }


def _body(arguments: RequestArguments, reply: Reply, secrets: Secrets) -> tuple[media.BodyFormat, Any]:
    """Return an answer's body, and what it is. Not masked yet.

    :raises NodeError: if it should be JSON and is not.
    """
    try:
        return media.read(reply, arguments.response)
    except Invalid as error:
        raise NodeError(
            "invalid_json",
            f"{arguments.described} answered with what should be JSON and is not: {error.message} "
            "To take it as it is, set `response` to text.",
            details={**_details(arguments), "status": reply.status, "body": _excerpt(reply, secrets)},
        ) from error


def _excerpt(reply: Reply, secrets: Secrets) -> str:
    """Return the beginning of a body, masked before it is cut."""
    if not media.is_text(reply):
        return f"{len(reply.body):,} bytes that are no text"
    text: str = secrets.mask(media.text_of(reply))
    return text if len(text) <= MAX_EXCERPT_CHARS else f"{text[:MAX_EXCERPT_CHARS]}…"


def _said(reply: Reply, secrets: Secrets) -> dict[str, Any]:
    """Return the beginning of a body, and all of it if it is short JSON: there, services say what is wrong."""
    said: dict[str, Any] = {"body": _excerpt(reply, secrets)}
    if len(reply.body) <= MAX_EXCERPT_CHARS:
        with suppress(Invalid):
            body_format, body = media.read(reply, "auto")
            if body_format == "json":
                said["json"] = secrets.mask(body)
    return said


def _details(arguments: RequestArguments) -> dict[str, Any]:
    return {"method": arguments.method, "url": arguments.shown_url}
