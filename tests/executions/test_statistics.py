"""How executions went over a time, for those who may see them."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from executions import statistics
from executions.models import ExecutionStatus, WorkflowExecution
from executions.percentile import Percentile, percentile
from executions.statistics import period, summarize
from projects.exceptions import Invalid
from tests.clock import NOON
from tests.factories import ExecutionFactory, ProjectFactory, VersionFactory, WorkflowFactory

BERLIN = ZoneInfo("Europe/Berlin")
ALWAYS_UTC = ZoneInfo("UTC")

LAST_MONTH = period(now=NOON, zone=ALWAYS_UTC)


def ended(created_at: datetime = NOON - timedelta(hours=1), seconds: float = 1.0, **attributes):
    return ExecutionFactory(
        ended=True,
        created_at=created_at,
        completed_at=created_at + timedelta(seconds=seconds),
        duration_seconds=seconds,
        **attributes,
    )


def total(**attributes):
    return summarize(WorkflowExecution.objects.filter(**attributes), LAST_MONTH).total


@pytest.mark.django_db
class TestSummarize:
    def test_counts_by_status(self):
        version = VersionFactory()
        for status in ("completed", "completed", "failed", "timeout", "cancelled"):
            ended(workflow_version=version, status=status)
        ExecutionFactory(workflow_version=version, created_at=NOON - timedelta(minutes=1))

        figures = total(workflow=version.workflow)

        assert figures.executions == 6
        assert figures.by_status == {
            "pending": 1,
            "running": 0,
            "completed": 2,
            "failed": 1,
            "cancelled": 1,
            "timeout": 1,
        }

    def test_success_is_measured_among_those_that_ended_by_themselves(self):
        version = VersionFactory()
        for status in ("completed", "completed", "completed", "timeout", "cancelled"):
            ended(workflow_version=version, status=status)
        ExecutionFactory(workflow_version=version, created_at=NOON - timedelta(minutes=1))

        assert total().success_rate == 0.75

    def test_says_nothing_of_success_and_duration_where_nothing_ended(self):
        ExecutionFactory(created_at=NOON - timedelta(minutes=1))

        figures = total()

        assert (figures.success_rate, figures.average_seconds, figures.p95_seconds) == (None, None, None)

    def test_adds_tokens_and_cost_to_the_last_digit(self):
        version = VersionFactory()
        ended(workflow_version=version, tokens_used=10**12, cost=Decimal("0.000000001"))
        ended(workflow_version=version, tokens_used=1, cost=Decimal("1.100000000"))

        figures = total()

        assert figures.tokens_used == 10**12 + 1
        assert figures.cost == Decimal("1.100000001")

    def test_durations_are_averaged_and_19_of_20_are_below_the_95th_percentile(self):
        version = VersionFactory()
        for seconds in range(1, 102):
            ended(workflow_version=version, seconds=seconds)

        figures = total()

        assert figures.average_seconds == pytest.approx(51)
        assert figures.p95_seconds == pytest.approx(96)

    def test_of_nothing_there_is_nothing(self):
        figures = total()

        assert figures.executions == 0
        assert figures.cost == Decimal(0)
        assert set(figures.by_status) == set(ExecutionStatus.values)

    def test_an_execution_belongs_to_the_time_in_which_it_was_accepted(self):
        version = VersionFactory()
        first, after = LAST_MONTH.since, LAST_MONTH.until
        for moment in (first - timedelta(microseconds=1), first, after - timedelta(microseconds=1), after):
            ended(moment, workflow_version=version)

        assert total().executions == 2

    def test_every_day_has_its_figures_also_those_without_executions(self):
        version = VersionFactory()
        ended(datetime(2026, 3, 1, 8, tzinfo=UTC), seconds=2, workflow_version=version)
        ended(datetime(2026, 3, 3, 8, tzinfo=UTC), seconds=4, workflow_version=version, status="failed")

        summary = summarize(
            WorkflowExecution.objects.all(),
            period(now=NOON, zone=ALWAYS_UTC, since=datetime(2026, 3, 1, tzinfo=UTC)),
        )

        assert {
            day.day: (day_figures.executions, day_figures.p95_seconds) for day, day_figures in summary.by_day.items()
        } == {
            1: (1, 2.0),
            2: (0, None),
            3: (1, 4.0),
            4: (0, None),
        }

    def test_days_begin_at_midnight_of_the_time_zone(self):
        ended(datetime(2026, 3, 2, 23, 30, tzinfo=UTC))

        def days(zone: ZoneInfo) -> list[date]:
            summary = summarize(WorkflowExecution.objects.all(), period(now=NOON, zone=zone))
            return [day for day, figures in summary.by_day.items() if figures.executions]

        assert days(ALWAYS_UTC) == [date(2026, 3, 2)]
        assert days(BERLIN) == [date(2026, 3, 3)]

    @pytest.mark.parametrize("number", [1, 30])
    def test_asks_two_queries_however_many_executions_there_are(self, number, django_assert_num_queries):
        version = VersionFactory()
        for hours in range(number):
            ended(NOON - timedelta(hours=hours * 12 + 1), workflow_version=version)

        with django_assert_num_queries(2):
            assert summarize(WorkflowExecution.objects.all(), LAST_MONTH).total.executions == number


class TestPeriod:
    def test_is_by_default_the_last_30_days_today_among_them(self):
        assert (LAST_MONTH.since, LAST_MONTH.until) == (datetime(2026, 2, 3, tzinfo=UTC), NOON)
        assert len(LAST_MONTH.days) == 30

    def test_its_default_begins_at_midnight_of_the_time_zone(self):
        assert period(now=NOON, zone=BERLIN).since == datetime(2026, 2, 2, 23, tzinfo=UTC)

    def test_the_moment_in_which_it_ends_is_no_part_of_it(self):
        whole_day = period(
            now=NOON,
            zone=ALWAYS_UTC,
            since=datetime(2026, 3, 1, tzinfo=UTC),
            until=datetime(2026, 3, 2, tzinfo=UTC),
        )

        assert whole_day.days == [date(2026, 3, 1)]

    def test_has_every_day_around_the_change_to_summer_time(self):
        march = period(
            now=NOON,
            zone=BERLIN,
            since=datetime(2026, 3, 28, tzinfo=BERLIN),
            until=datetime(2026, 3, 31, tzinfo=BERLIN),
        )

        assert march.days == [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30)]

    def test_may_have_a_leap_year(self):
        year = period(now=NOON, zone=BERLIN, since=NOON - timedelta(days=366))

        assert len(year.days) == 367

    @pytest.mark.parametrize(
        ("since", "until"),
        [
            (NOON - timedelta(days=368), None),
            (NOON, NOON),
            (NOON + timedelta(days=1), NOON),
            (NOON + timedelta(days=1), None),
            (datetime.min.replace(tzinfo=UTC), NOON),
            (None, datetime.min.replace(tzinfo=UTC)),
            (datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=ZoneInfo("America/New_York"))),
        ],
    )
    def test_refuses_times_that_make_no_sense(self, since, until):
        with pytest.raises(Invalid, match="The time "):
            period(now=NOON, zone=BERLIN, since=since, until=until)


class TestZoneOf:
    @pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "Asia/Kathmandu"])
    def test_knows_iana_names(self, name):
        assert statistics.zone_of(name).key == name

    @pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "Europe", "+02:00", "a\x00b", "x" * 5000])
    def test_refuses_all_else(self, name):
        with pytest.raises(Invalid, match="There is no time zone"):
            statistics.zone_of(name)


class TestPercentile:
    @given(st.lists(st.floats(0, 1e9), max_size=50), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
    def test_lies_between_the_least_and_the_greatest(self, values, fraction):
        found = percentile(values, fraction)

        assert found is None if not values else min(values) <= found <= max(values)

    def test_interpolates_between_the_two_nearest_values(self):
        assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
        assert percentile([10.0, 0.0], 0.95) == pytest.approx(9.5)

    @pytest.mark.django_db
    @pytest.mark.parametrize("number", [1, 2, 7, 40])
    def test_the_database_computes_the_same(self, number):
        rng = random.Random(number)
        durations = [rng.uniform(0, 100) for _ in range(number)]
        version = VersionFactory()
        for seconds in durations:
            ended(seconds=seconds, workflow_version=version)
        ExecutionFactory(workflow_version=version)  # Live: it has no duration yet.

        found = WorkflowExecution.objects.aggregate(p95=Percentile("duration_seconds", 0.95))["p95"]

        assert found == pytest.approx(percentile(durations, 0.95))


class TestEndpoints:
    """S-AUTHZ-2: sums are data too."""

    @pytest.fixture
    def workflow(self, project):
        return WorkflowFactory(project=project, published=True)

    @pytest.fixture(autouse=True)
    def _clock(self, noon):
        """Stop the clock."""

    def test_a_workflow_has_figures_of_its_own_executions_alone(self, api, workflow):
        version = workflow.versions.get()
        ended(workflow_version=version, cost=Decimal("0.5"), tokens_used=7, seconds=3)
        ended(workflow_version=VersionFactory(workflow__project=workflow.project))

        answer = api("viewer").get(f"/api/workflows/{workflow.pk}/statistics/").json()

        assert answer["total"] == {
            "executions": 1,
            "by_status": {"pending": 0, "running": 0, "completed": 1, "failed": 0, "cancelled": 0, "timeout": 0},
            "success_rate": 1.0,
            "average_seconds": 3.0,
            "p95_seconds": 3.0,
            "tokens_used": 7,
            "cost": "0.500000000",
            "is_cost_complete": True,
        }
        assert (answer["since"], answer["until"]) == ("2026-02-03T00:00:00Z", "2026-03-04T12:00:00Z")
        assert len(answer["by_day"]) == 30
        assert answer["by_day"][-1] == {"day": "2026-03-04", **answer["total"]}

    def test_a_project_has_figures_of_all_its_executions_and_of_no_others(self, api, workflow):
        ended(workflow_version=workflow.versions.get())
        ended(workflow_version=VersionFactory(workflow__project=workflow.project))
        ended()

        answer = api("viewer").get(f"/api/projects/{workflow.project_id}/statistics/").json()

        assert answer["total"]["executions"] == 2

    @pytest.mark.parametrize(("who", "status"), [("stranger", 404), ("nobody", 401), ("viewer", 200), ("owner", 200)])
    def test_strangers_find_nothing(self, api, workflow, who, status):
        client = api(who)

        assert client.get(f"/api/workflows/{workflow.pk}/statistics/").status_code == status
        assert client.get(f"/api/projects/{workflow.project_id}/statistics/").status_code == status

    def test_what_does_not_exist_looks_the_same_as_what_is_foreign(self, api):
        client = api("owner")
        foreign = ProjectFactory()

        answers = [client.get(f"/api/projects/{pk}/statistics/") for pk in (foreign.pk, NOON.year, "x", "%00")]

        assert {answer.status_code for answer in answers} == {404}
        assert answers[0].json() == answers[1].json()

    def test_times_without_an_offset_and_days_are_meant_in_the_time_zone(self, api, workflow):
        ended(datetime(2026, 2, 28, 23, 30, tzinfo=UTC), workflow_version=workflow.versions.get())

        answer = (
            api("viewer")
            .get(
                f"/api/workflows/{workflow.pk}/statistics/",
                {"since": "2026-03-01", "until": "2026-03-02T00:00:00", "timezone": "Europe/Berlin"},
            )
            .json()
        )

        assert answer["since"] == "2026-02-28T23:00:00Z"
        assert [(day["day"], day["executions"]) for day in answer["by_day"]] == [("2026-03-01", 1)]

    @pytest.mark.parametrize(
        ("query", "path"),
        [
            ({"timezone": "Mars/Olympus"}, "?timezone"),
            ({"timezone": "x' OR 1=1 --"}, "?timezone"),
            ({"timezone": "a\x00b"}, "?timezone"),
            ({"since": "yesterday"}, "?since"),
            ({"since": "2026-13-01"}, "?since"),
            ({"since": "2020-01-01"}, "?since"),
            ({"since": "0001-01-01T00:00:00+14:00"}, "?since"),
            ({"until": "0001-01-01"}, "?until"),
            ({"until": "9999-12-31T23:59:59-12:00", "since": "9999-12-31"}, "?until"),
            ({"since": "2026-03-04", "until": "2026-03-01"}, "?until"),
            ({"sinse": "2026-03-01"}, "?sinse"),
        ],
    )
    def test_says_what_is_wrong_with_a_question(self, api, workflow, query, path):
        response = api("viewer").get(f"/api/workflows/{workflow.pk}/statistics/", query)

        assert response.status_code == 400
        assert response.json()["path"] == path

    def test_the_number_of_queries_does_not_depend_on_the_number_of_executions(self, api, workflow):
        client, url = api("viewer"), f"/api/projects/{workflow.project_id}/statistics/"
        version = workflow.versions.get()
        counts = []
        for more in (1, 19):
            for _ in range(more):
                ended(workflow_version=version)
            with CaptureQueriesContext(connection) as captured:
                client.get(url)
            counts.append(len(captured))

        assert counts[0] == counts[1]

    def test_is_described_in_the_schema(self, api):
        schema = api("owner").get("/api/schema/?format=json").json()

        described = schema["paths"]["/api/workflows/{workflow_id}/statistics/"]["get"]
        assert {parameter["name"] for parameter in described["parameters"]} == {
            "workflow_id",
            "since",
            "until",
            "timezone",
        }
        assert described["responses"]["200"]["content"]["application/json"]["schema"] == {
            "$ref": "#/components/schemas/Statistics"
        }
