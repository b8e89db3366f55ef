"""Emptying the database after a test with real transactions leaves what Django's own ``flush`` leaves."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase
from django_celery_beat.models import PeriodicTask

from config.schema import parts
from projects.models import AuditEntry, Project
from tests import emptying
from tests.factories import AuditEntryFactory, ExecutionFactory, NodeRunFactory, ProjectFactory
from tests.many_rows import multiply
from tests.threads import beside

pytestmark = pytest.mark.django_db(transaction=True)


def left() -> dict[str, int]:
    """Return how many rows each table has."""
    counts = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True):
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            (counts[table],) = cursor.fetchone()
    return counts


@pytest.fixture
def as_flushed() -> dict[str, int]:
    """How many rows each table has after Django's own."""
    call_command("flush", verbosity=0, interactive=False)
    emptying.empty()
    return left()


class TestEmpty:
    def test_leaves_what_flush_leaves(self, as_flushed):
        NodeRunFactory(execution=ExecutionFactory())
        AuditEntryFactory()

        emptying.empty()

        assert left() == as_flushed

    def test_keeps_what_django_makes_as_it_is(self, as_flushed):
        if connection.vendor != "postgresql":
            pytest.skip("SQLite is emptied as Django does")
        before = set(Permission.objects.values_list("pk", flat=True))
        ProjectFactory()

        emptying.empty()

        assert set(Permission.objects.values_list("pk", flat=True)) == before != set()

    def test_makes_again_what_was_removed_of_it(self, as_flushed):
        PeriodicTask.objects.all().delete()

        emptying.empty()

        assert left() == as_flushed

    def test_takes_back_what_was_changed_of_it(self, as_flushed):
        PeriodicTask.objects.update(enabled=False)

        emptying.empty()

        assert not PeriodicTask.objects.filter(enabled=False).exists()

    def test_removes_what_was_added_to_it(self, as_flushed):
        PeriodicTask.objects.create(name="another", interval=PeriodicTask.objects.first().interval)

        emptying.empty()

        assert left() == as_flushed

    def test_leaves_the_audit_log_what_guards_it(self, as_flushed):
        AuditEntryFactory()

        emptying.empty()

        assert [part.name for part in parts() if not part.is_there] == []

    def test_gives_back_the_space_of_many_rows(self, as_flushed):
        if connection.vendor != "postgresql":
            pytest.skip("Django deletes the rows of SQLite")
        multiply(AuditEntryFactory(), 10_000)

        emptying.empty()

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_relation_size(%s)", [AuditEntry._meta.db_table])
            assert cursor.fetchone() == (0,)

    def test_waits_for_what_somebody_else_is_about_to_commit(self, as_flushed):
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has one writer at a time")
        written, go_on = threading.Event(), threading.Event()

        def write() -> None:
            with transaction.atomic():
                ProjectFactory()
                written.set()
                go_on.wait(10)

        writing = beside(write)
        assert written.wait(10)
        threading.Timer(0.2, go_on.set).start()

        emptying.empty()

        writing.join()
        assert not Project.objects.exists()


class TestTestsWithRealTransactions:
    def test_end_with_it(self):
        assert TransactionTestCase._fixture_teardown is emptying._fixture_teardown
