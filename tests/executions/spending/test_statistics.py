"""What models were called for and what they cost, for those who may see it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from executions.spending.models import ModelCall
from executions.spending.statistics import ModelFigures, summarize
from executions.statistics import period
from tests.clock import NOON
from tests.factories import ModelCallFactory, WorkflowFactory

pytestmark = pytest.mark.django_db
URL = "/api/statistics/models/"
LAST_MONTH = period(now=NOON, zone=ZoneInfo("UTC"))


def summary(**of):
    return summarize(ModelCall.objects.filter(**of), LAST_MONTH)


class TestSummarize:
    def test_adds_every_kind_of_token_and_the_cost_to_the_last_digit(self):
        tokens = {
            "input_tokens": 10**10,
            "cached_input_tokens": 40,
            "cache_write_tokens": 30,
            "output_tokens": 20,
            "reasoning_tokens": 10,
        }
        ModelCallFactory(**tokens, cost=Decimal("0.000000001"))
        ModelCallFactory(**tokens, cost=Decimal("1.1"))

        assert summary().total == ModelFigures(
            calls=2, **{name: 2 * count for name, count in tokens.items()}, cost=Decimal("1.100000001")
        )

    def test_tells_apart_what_is_unknown_what_is_open_and_what_was_not_charged(self):
        ModelCallFactory(cost=Decimal(1))
        ModelCallFactory(cost=None, reserved=None)
        ModelCallFactory(open=True, reserved=None)
        ModelCallFactory(open=True, reserved=Decimal(2))
        ModelCallFactory(status="uncertain", cost=None, reserved=Decimal(3))
        ModelCallFactory(status="released", cost=None, reserved=Decimal(4))

        total = summary().total

        assert (total.calls, total.unknown_calls) == (5, 2)
        assert (total.cost, total.open_cost) == (Decimal(1), Decimal(5))

    def test_of_nothing_there_is_nothing(self):
        found = summary()

        assert found.total == ModelFigures()
        assert (len(found.by_day), found.by_model, found.by_workflow) == (30, (), ())

    def test_every_day_has_its_figures_and_begins_at_midnight_of_the_zone(self):
        ModelCallFactory(created_at=datetime(2026, 3, 2, 23, 30, tzinfo=UTC), cost=Decimal(1))
        berlin = period(now=NOON, zone=ZoneInfo("Europe/Berlin"))

        days = summarize(ModelCall.objects.all(), berlin).by_day

        assert [day for day, figures in days.items() if figures.calls] == [date(2026, 3, 3)]
        assert len(days) == 30

    def test_a_call_belongs_to_the_time_in_which_it_was_reserved(self):
        first, after = LAST_MONTH.since, LAST_MONTH.until
        for moment in (first - timedelta(microseconds=1), first, after - timedelta(microseconds=1), after):
            ModelCallFactory(created_at=moment)

        assert summary().total.calls == 2

    def test_models_and_workflows_come_the_dearest_first_and_the_unknown_last(self):
        cheap, dear = WorkflowFactory(name="Cheap"), WorkflowFactory(name="Dear")
        ModelCallFactory(workflow=cheap, model="small", cost=Decimal(1))
        ModelCallFactory(workflow=dear, model="large", cost=Decimal(3))
        ModelCallFactory(workflow=dear, model="large", cost=Decimal(3))
        ModelCallFactory(workflow=cheap, model="own", base_url="http://llm/v1", cost=None, reserved=None)

        found = summary()

        assert [(each.model, each.base_url, each.figures.cost) for each in found.by_model] == [
            ("large", "", Decimal(6)),
            ("small", "", Decimal(1)),
            ("own", "http://llm/v1", Decimal(0)),
        ]
        assert [(each.name, each.figures.calls) for each in found.by_workflow] == [("Dear", 2), ("Cheap", 2)]

    def test_asks_three_queries(self, django_assert_num_queries):
        for _ in range(5):
            ModelCallFactory()

        with django_assert_num_queries(3):
            summary()


class TestEndpoint:
    def test_shows_all_that_was_added_up(self, api, project):
        workflow = WorkflowFactory(project=project, name="Triage")
        now = timezone.now()
        ModelCallFactory(workflow=workflow, created_at=now, input_tokens=7, output_tokens=5, cost=Decimal("0.5"))

        answer = api("viewer").get(URL).json()

        figures = {
            "calls": 1,
            "unknown_calls": 0,
            "input_tokens": 7,
            "cached_input_tokens": 0,
            "cache_write_tokens": 0,
            "output_tokens": 5,
            "reasoning_tokens": 0,
            "cost": "0.500000000",
            "open_cost": "0.000000000",
        }
        assert answer["total"] == figures
        assert answer["by_model"] == [{"provider": "openai", "base_url": "", "model": "gpt-4o", **figures}]
        assert answer["by_workflow"] == [{"workflow": str(workflow.pk), "name": "Triage", **figures}]
        assert len(answer["by_day"]) == 30
        assert answer["by_day"][-1] == {"day": now.astimezone(UTC).date().isoformat(), **figures}

    def test_knows_nothing_of_other_projects(self, api, project):
        ModelCallFactory(created_at=timezone.now())

        assert api("viewer").get(URL).json()["total"]["calls"] == 0

    def test_is_narrowed(self, api, project):
        workflow, other = WorkflowFactory(project=project), WorkflowFactory(project=project)
        now = timezone.now()
        ModelCallFactory(workflow=workflow, created_at=now, model="a", is_test=True)
        ModelCallFactory(workflow=other, created_at=now, model="a", provider="anthropic")
        ModelCallFactory(workflow=other, created_at=now, model="b")

        def calls(**query):
            return api("viewer").get(URL, query).json()["total"]["calls"]

        assert calls() == calls(project=project.pk) == 3
        assert calls(workflow=other.pk) == 2
        assert (calls(model="a"), calls(model="a", provider="anthropic"), calls(provider="openai")) == (2, 1, 2)
        assert (calls(is_test="true"), calls(is_test="false")) == (1, 2)
        assert calls(project="01890000-0000-7000-8000-000000000000") == 0

    @pytest.mark.parametrize(
        "query",
        [{"project": "mine"}, {"sins": "2026-01-01"}, {"timezone": "Mars"}, {"until": "1999"}, {"model": "\x00"}],
    )
    def test_refuses_what_makes_no_sense(self, api, project, query):
        assert api("viewer").get(URL, query).status_code == 400
