from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection


@pytest.fixture
def audit_log_triggers(db):
    """Put back what the test database of SQLite lacks (see ``django_db_setup``), for this test alone."""
    if connection.vendor == "sqlite":
        migration = import_module("projects.migrations.0002_append_only_audit").Migration
        (operation,) = migration.operations
        no_delete = operation.sqlite[0][1]
        with connection.cursor() as cursor:
            cursor.execute(no_delete)
