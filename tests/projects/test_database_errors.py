"""Which errors of the database say nothing about what it was asked."""

from __future__ import annotations

from contextlib import contextmanager

import psycopg
import pytest
from django.db import Error, IntegrityError, connection, transaction

from projects import statement_time
from projects.database_errors import is_transient
from projects.inserting import insert
from tests.factories import ProjectFactory

pytestmark = pytest.mark.django_db(transaction=True)

on_postgres = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="a server's errors")


@on_postgres
def test_a_connection_that_the_server_ended_is_transient():
    with pytest.raises(Error) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    assert is_transient(raised.value)


@on_postgres
@pytest.mark.parametrize("count", [1, 3])
def test_so_is_one_that_is_gone_when_rows_are_inserted(count):
    with pytest.raises(Error) as raised, ended_connection():
        insert(ProjectFactory.build_batch(count))

    assert is_transient(raised.value)


@pytest.mark.parametrize("count", [1, 3])
def test_a_row_that_exists_is_the_fault_of_who_inserts_it(count):
    project = ProjectFactory()

    with pytest.raises(IntegrityError) as raised:
        insert(ProjectFactory.build_batch(count, id=project.pk))

    assert not is_transient(raised.value)


@on_postgres
def test_a_statement_that_took_too_long_would_do_so_again():
    with pytest.raises(Error) as raised, statement_time.at_most(0.01), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")

    assert not is_transient(raised.value)


def test_other_errors_are_not_the_databases():
    assert not is_transient(ConnectionError())


@contextmanager
def ended_connection():
    """A transaction whose connection the server has ended."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        parameters = connection.get_connection_params()
        there = {key: parameters[key] for key in ("host", "port", "user", "dbname") if key in parameters}
        with psycopg.connect(**there) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        yield
