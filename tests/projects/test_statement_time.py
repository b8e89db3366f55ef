"""How long the database may work on one statement, by what a process is for. [S-DOS-5]"""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from projects import statement_time
from projects.models import Project
from projects.problems import describe

on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no limit of time.")


def limit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return cursor.fetchone()[0]


def sleep(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


@pytest.fixture
def new_connections():
    """Take the limit of this process back, and the connections that have it."""
    yield
    statement_time.limit_this_process(0)
    connection.close()


@on_postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("new_connections")
class TestLimitThisProcess:
    def test_holds_on_every_connection_that_is_opened_from_then_on(self):
        statement_time.limit_this_process(5)
        for _ in range(2):
            connection.close()

            assert limit() == "5s"

    def test_is_no_limit_when_it_is_zero(self):
        statement_time.limit_this_process(5)
        statement_time.limit_this_process(0)
        connection.close()

        assert limit() == "0"

    def test_ends_what_takes_longer_and_nothing_else(self):
        """At the limit, and beyond it."""
        statement_time.limit_this_process(1)
        connection.close()

        sleep(0.5)
        with pytest.raises(OperationalError) as ended:
            sleep(30)

        assert statement_time.ran_out(ended.value)
        assert Project.objects.count() == 0  # The connection lives.


@on_postgresql
@pytest.mark.django_db
class TestAtMost:
    def test_holds_inside_and_not_after(self):
        with statement_time.at_most(7):
            assert limit() == "7s"
        assert limit() == "0"

    def test_leaves_the_limit_of_the_process_as_it_was_also_after_a_fault(self):
        with statement_time.at_most(9):
            with pytest.raises(ZeroDivisionError), statement_time.at_most(7):
                raise ZeroDivisionError
            assert limit() == "9s"

    def test_zero_changes_nothing(self):
        with statement_time.at_most(9), statement_time.at_most(0):
            assert limit() == "9s"


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_request_that_takes_too_long_is_told_to_ask_for_less():
    with pytest.raises(OperationalError) as ended, statement_time.at_most(1):
        sleep(30)

    problem = describe(ended.value)

    assert (problem.status, problem.code, problem.headers) == (503, "too_slow", {"Retry-After": "5"})
    assert "shorter time" in problem.hint


def test_other_errors_did_not_run_out_of_time():
    assert not statement_time.ran_out(OperationalError("the server closed the connection"))
