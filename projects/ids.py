"""Identifiers of rows."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562): ordered by time, so that new rows lie together in an index."""
    return uuid7()
