"""The moment at which tests take place unless they say otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
