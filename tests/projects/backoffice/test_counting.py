"""Lists of millions open as fast as lists of tens."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects.backoffice import counting
from projects.backoffice.counting import BoundedPaginator, TooSlow, count_at_most, patience
from projects.models import Project
from tests.factories import ProjectFactory

pytestmark = pytest.mark.django_db

on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no limit of time.")


def timeout() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return cursor.fetchone()[0]


class TestPatience:
    @on_postgresql
    def test_ends_a_statement_that_takes_too_long_and_leaves_the_transaction_whole(self):
        ProjectFactory()

        with pytest.raises(TooSlow), patience(1), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")

        assert Project.objects.count() == 1
        assert timeout() == "0"

    @on_postgresql
    def test_inside_another_one_leaves_the_outer_one_as_it_was(self):
        with patience(9):
            with patience(3):
                assert timeout() == "3s"
            assert timeout() == "9s"
        assert timeout() == "0"

    def test_lets_other_faults_through(self):
        with pytest.raises(ZeroDivisionError), patience():
            raise ZeroDivisionError


class TestCountAtMost:
    def test_counts_as_far_as_it_is_told(self):
        for _ in range(5):
            ProjectFactory()

        assert [count_at_most(Project.objects.all(), most) for most in (10, 5, 4, 2)] == [5, 5, 5, 3]

    def test_reads_no_more_than_that(self):
        with CaptureQueriesContext(connection) as captured:
            count_at_most(Project.objects.all(), 7)

        assert any("LIMIT 8" in query["sql"] for query in captured)

    def test_takes_what_takes_too_long_for_more(self, monkeypatch):
        def impatience(seconds: int = 0):
            raise TooSlow

        monkeypatch.setattr(counting, "patience", impatience)

        assert count_at_most(Project.objects.all(), 7) == 8


class TestBoundedPaginator:
    def test_pages_through_the_first_rows_and_says_that_there_are_more(self, monkeypatch):
        monkeypatch.setattr(counting, "count_at_most", lambda rows: count_at_most(rows, 4))
        monkeypatch.setattr(counting, "MOST_COUNTED", 4)
        for _ in range(6):
            ProjectFactory()

        paginator = BoundedPaginator(Project.objects.order_by("pk"), 2)

        assert (paginator.count, paginator.num_pages, paginator.has_more) == (4, 2, True)

    def test_of_few_rows_is_an_ordinary_one(self):
        ProjectFactory()

        paginator = BoundedPaginator(Project.objects.order_by("pk"), 2)

        assert (paginator.count, paginator.has_more) == (1, False)


class TestTheList:
    def test_says_that_there_are_more(self, client, monkeypatch):
        from tests.factories import UserFactory

        monkeypatch.setattr(counting, "MOST_COUNTED", 2)
        monkeypatch.setattr(counting, "count_at_most", lambda rows: count_at_most(rows, 2))
        for _ in range(4):
            ProjectFactory()
        client.force_login(UserFactory(superuser=True))

        assert "more than 2 projects" in client.get("/admin/projects/project/").content.decode().replace("\n", " ")

    def test_that_takes_too_long_says_what_to_do(self, client, monkeypatch):
        from projects.backoffice import pages
        from tests.factories import UserFactory

        def impatience(seconds: int):
            raise TooSlow

        monkeypatch.setattr(pages, "patience", impatience)
        client.force_login(UserFactory(superuser=True))

        response = client.get("/admin/projects/project/")

        assert response.status_code == 503
        assert "Narrow the list" in response.content.decode()
