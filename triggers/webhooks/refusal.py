"""Why a delivery is turned away."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any


class Refused(Exception):
    """A delivery that is not accepted: what its sender is told, and what the inbox keeps.

    :param code: stable, snake_case; part of the API.
    :param message: a sentence for the sender, without internals.
    :param reason: what the operator reads in the inbox, where it may say more; by default the message.
    :param reason_code: likewise, by default the code.
    :param retry_after: seconds after which trying again can help.

    ``is_genuine`` tells whether the sender had proven itself by then, ``secret_id`` by which of the webhook's secrets.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        reason: str = "",
        reason_code: str = "",
        retry_after: int | None = None,
        problems: Sequence[dict[str, Any]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.reason = reason or message
        self.reason_code = reason_code or code
        self.retry_after = retry_after
        self.problems = list(problems)
        self.headers = headers or {}
        self.is_genuine = False
        self.secret_id = ""


def unproven(code: str, reason: str, *, challenge: str = "") -> Refused:
    """Return the refusal of a sender that has not proven itself: the same for every reason, which the inbox alone keeps.

    :param challenge: what the answer says of how to prove oneself (RFC 9110, 11.6.1).
    """
    return Refused(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        "The request could not be verified.",
        reason_code=code,
        reason=reason,
        headers={"WWW-Authenticate": challenge} if challenge else None,
    )
