"""The families of errors. Everything that Segue raises on purpose is one of them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the advice for a name that does not exist: the one that is meant, or those that there are."""
    known = sorted(known)
    if similar := get_close_matches(name, known, n=1):
        return f"Did you mean {similar[0]}?"
    return f"Known are: {', '.join(known)}." if known else "None is known here."


class SegueError(Exception):
    """Base class. ``code`` is part of the API and never changes; the message may.

    :param path: JSON Pointer to what is wrong in the request, where that helps.
    :param hint: what to do about it.
    """

    code = "error"

    def __init__(self, message: str, *, path: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.hint = hint


class Invalid(SegueError):
    """The request itself is wrong. ``problems`` lists all that is, each with code, path, message, hint."""

    code = "invalid"

    def __init__(
        self,
        message: str,
        *,
        problems: list[dict[str, Any]] | None = None,
        path: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, path=path, hint=hint)
        self.problems = problems or []


class Unauthenticated(SegueError):
    """Nobody has said who they are, or what they said is not true."""

    code = "unauthenticated"


class Forbidden(SegueError):
    """The caller may see the thing but not do this to it."""

    code = "forbidden"


class NotFound(SegueError):
    """There is no such thing, or none that the caller may know of."""

    code = "not_found"


class Conflict(SegueError):
    """The request makes sense, but not in the present state."""

    code = "conflict"


class Gone(SegueError):
    """It was there, and will not be again."""

    code = "gone"


class PreconditionFailed(SegueError):
    """The thing has changed since the caller read it (``If-Match``)."""

    code = "precondition_failed"


class TooLarge(SegueError):
    """The request is larger than a limit allows."""

    code = "too_large"


class Unprocessable(SegueError):
    """The request is well-formed, but contradicts an earlier one or itself."""

    code = "unprocessable"


class TooMany(SegueError):
    """The caller asks too often; ``retry_after`` seconds may help."""

    code = "too_many"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(SegueError):
    """Not now: something that this needs is down. Nothing was accepted; ``retry_after`` seconds may help."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class TooSlow(Unavailable):
    """The database took longer than a request may take. Nothing was changed; asking for less may help."""

    code = "too_slow"


class AlreadyMember(Conflict):
    """The person has a role in the project."""

    code = "already_member"


class LastOwner(Conflict):
    """The project would have no owner."""

    code = "last_owner"


class NoSuchPerson(Invalid):
    """Nobody, or not exactly one person, is called like this."""

    code = "no_such_person"


class ProjectInUse(Conflict):
    """The project still has workflows."""

    code = "project_in_use"
