"""Whether a project may have one more execution now."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test.utils import CaptureQueriesContext

from executions.exceptions import TooManyLive, TooManyStarts
from executions.models import WorkflowExecution
from executions.quotas import take_start
from tests.clock import NOON
from tests.factories import ExecutionFactory, ProjectFactory, VersionFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def admitted(project, *, times, now=NOON):
    """Ask so often, and return how often the answer was yes."""
    return sum(is_admitted(project, now=now) for _ in range(times))


def is_admitted(project, *, now=NOON):
    try:
        take_start(project.pk, now=now)
    except (TooManyLive, TooManyStarts):
        return False
    return True


class TestWithoutLimits:
    def test_everything_is_let_in_and_nothing_looked_up(self):
        """What is accepted pays nothing for limits that nobody has set."""
        from django.db import connection

        project = ProjectFactory()

        with CaptureQueriesContext(connection) as queries:
            assert admitted(project, times=300) == 300

        assert len(queries) == 0


class TestStartsPerSecond:
    """The rate of a tenant: 50 a second, 200 at once. [S-DOS-1, S-TEN-4, S-API-2]"""

    @pytest.fixture(autouse=True)
    def limit(self, settings):
        settings.PROJECT_STARTS_PER_SECOND = 50
        settings.PROJECT_STARTS_AT_ONCE = 200

    def test_lets_a_burst_in_and_no_more(self):
        project = ProjectFactory()

        assert admitted(project, times=201) == 200

    def test_says_when_to_come_back(self):
        project = ProjectFactory()
        admitted(project, times=200)

        with pytest.raises(TooManyStarts, match="50 a second are allowed") as refused:
            take_start(project.pk, now=NOON)

        assert refused.value.retry_after == 1

    def test_goes_on_at_an_even_pace(self):
        project = ProjectFactory()
        admitted(project, times=200)

        assert admitted(project, times=60, now=NOON + SECOND) == 50
        assert admitted(project, times=300, now=NOON + 100 * SECOND) == 200

    def test_each_project_has_its_own(self):
        first, second = ProjectFactory(), ProjectFactory()
        admitted(first, times=200)

        assert is_admitted(second)

    def test_costs_one_statement(self, django_assert_num_queries):
        project = ProjectFactory()

        with django_assert_num_queries(1):
            take_start(project.pk, now=NOON)


class TestMaxLive:
    """The queue of a tenant has an end. [S-DOS-2, S-TEN-4]"""

    @pytest.fixture(autouse=True)
    def limit(self, settings):
        settings.PROJECT_MAX_LIVE = 5

    def test_lets_as_many_in_as_the_limit_says(self):
        version = VersionFactory()
        ExecutionFactory.create_batch(2, workflow_version=version)
        ExecutionFactory.create_batch(2, workflow_version=version, leased=True)

        assert admitted(version.workflow.project, times=3) == 1

    def test_says_what_is_wrong_and_when_to_come_back(self):
        version = VersionFactory()
        ExecutionFactory.create_batch(5, workflow_version=version)

        with pytest.raises(TooManyLive, match="5 executions that have not ended") as refused:
            take_start(version.workflow.project_id, now=NOON)

        assert refused.value.retry_after == 1

    def test_those_that_have_ended_do_not_count(self):
        version = VersionFactory()
        ExecutionFactory.create_batch(5, workflow_version=version, ended=True)

        assert is_admitted(version.workflow.project)

    def test_those_of_other_projects_do_not_count(self):
        ExecutionFactory.create_batch(5, workflow_version=VersionFactory())

        assert is_admitted(ProjectFactory())

    def test_what_ends_makes_room_within_a_second(self):
        version = VersionFactory()
        project = version.workflow.project
        ExecutionFactory.create_batch(5, workflow_version=version)
        assert not is_admitted(project)

        WorkflowExecution.objects.filter(project=project).delete()

        assert admitted(project, times=6, now=NOON + SECOND) == 5

    def test_counts_once_in_a_second(self, django_assert_num_queries):
        project = ProjectFactory()

        with django_assert_num_queries(1):
            assert admitted(project, times=10) == 5


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def test_no_more_get_in_than_one_after_the_other(self, settings):
        settings.PROJECT_STARTS_PER_SECOND, settings.PROJECT_STARTS_AT_ONCE = 1, 5
        settings.PROJECT_MAX_LIVE = 1000
        project = ProjectFactory()

        assert sum(at_once(*[lambda: admitted(project, times=4)] * 4)) == 5

    def test_threads_of_one_process_keep_one_count(self, settings):
        settings.PROJECT_MAX_LIVE = 5
        project = ProjectFactory()

        assert sum(at_once(*[lambda: admitted(project, times=4)] * 4)) == 5
