"""What the tests of triggers need beside what all tests have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection


@pytest.fixture(scope="session", autouse=True)
def no_listener_keeps_the_database(django_db_setup: None, django_db_blocker) -> Iterator[None]:
    """Hang up on the thread that hears of ends, or PostgreSQL would not let the test database be dropped."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%%'"
            )
