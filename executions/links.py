"""The one-time URLs of nodes that wait for somebody outside.

A token is made from the server's own key and from what it belongs to, so that every node which tells the link tells the
same one, whatever worker it runs on and however often it is tried; the database holds the SHA-256 alone (S-WH-9).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

from executions.models import Link

_SALT = "executions.links"


@dataclass(frozen=True)
class Place:
    """One node in one pass of an execution."""

    execution_id: UUID
    node_id: str
    iteration: str = ""


def token_of(place: Place) -> str:
    """Return the token of a node's link: 256 bits as base64url, always the same while ``SECRET_KEY`` is."""
    what = f"{place.execution_id}:{place.node_id}:{place.iteration}"
    digest = salted_hmac(_SALT, what, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def digest_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def url_of(place: Place, path: str) -> str:
    """Return a node's link.

    :param path: what lies between the site and the token: ``callbacks`` or ``approvals``.
    """
    return f"{settings.WEBHOOK_BASE_URL}/{path}/{token_of(place)}"


def make(places: Iterable[Place], *, now: datetime) -> None:
    """Let links lead somewhere from this commit on. Those that are there already stay as they are."""
    Link.objects.bulk_create(
        [
            Link(
                execution_id=place.execution_id,
                node_id=place.node_id,
                iteration=place.iteration,
                digest=digest_of(token_of(place)),
                created_at=now,
            )
            for place in places
        ],
        ignore_conflicts=True,
    )


def find(token: str) -> Link | None:
    """Return what a token belongs to, with its execution but for what went in and came out."""
    links = Link.objects.select_related("execution").defer("execution__execution_context", "execution__result")
    return links.filter(digest=digest_of(token)).first()
