"""Prices, budgets and the ledger in the admin, and what the pages of projects and workflows show of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from executions.models import LiveText, WorkflowExecution, WorkflowExecutionLog
from executions.spending.models import Budget, ModelCall, ModelPrice
from projects.backoffice import values
from projects.models import AuditEntry, Project
from tests.admin.rows import url
from tests.factories import (
    BudgetFactory,
    ExecutionFactory,
    LiveTextFactory,
    ModelCallFactory,
    ModelPriceFactory,
    NodeRunFactory,
    ProjectFactory,
    WorkflowFactory,
)
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


def see(browser, row):
    response = browser.get(url("change", type(row), row.pk))
    assert response.status_code == 200
    return response.content.decode()


class TestPrices:
    FORM = {
        "provider": "llm.internal:8080",
        "model": "mine",
        "valid_from_0": "2026-01-01",
        "valid_from_1": "00:00:00",
        "input": "0.5",
        "output": "2",
        "note": "As agreed.",
    }

    def test_an_operator_adds_changes_and_removes_one(self, browser):
        browser.post(url("add", ModelPrice), self.FORM)
        row = ModelPrice.objects.get()
        assert (row.model, row.input, row.cached_input, row.source) == ("mine", Decimal("0.5"), None, "operator")

        browser.post(url("change", ModelPrice, row.pk), {**self.FORM, "input": "0.25"})
        row.refresh_from_db()
        assert row.input == Decimal("0.25")

        browser.post(url("delete", ModelPrice, row.pk), {"post": "yes"})
        assert not ModelPrice.objects.exists()
        assert AuditEntry.objects.filter(action__startswith="model_price.").count() == 3

    def test_what_is_refused_becomes_a_message(self, browser):
        answer = browser.post(url("add", ModelPrice), {**self.FORM, "input": "100001"}, follow=True)

        assert "from 0 to 100,000 US dollars" in answer.content.decode()
        assert not ModelPrice.objects.exists()

    def test_a_published_one_is_only_read(self, browser):
        row = ModelPriceFactory(source="genai-prices 1")

        assert "genai-prices 1" in see(browser, row)
        assert browser.post(url("change", ModelPrice, row.pk), self.FORM).status_code == 403
        assert browser.post(url("delete", ModelPrice, row.pk), {"post": "yes"}).status_code == 403
        row.refresh_from_db()
        assert row.input == 1

    def test_says_in_which_unit_it_is(self, browser):
        assert "US dollars for a million tokens." in browser.get(url("add", ModelPrice)).content.decode()

    def test_are_listed_without_zeros_at_their_ends(self, browser):
        ModelPriceFactory(input=Decimal("0.110"))

        assert 'field-input_shown">0.11</td>' in browser.get(url("changelist", ModelPrice)).content.decode()


class TestBudgets:
    def test_an_operator_adds_changes_and_removes_one(self, browser):
        workflow = WorkflowFactory()
        form = {
            "project": workflow.project_id,
            "workflow": workflow.pk,
            "period": "day",
            "amount": "5",
            "timezone": "Europe/Berlin",
        }

        browser.post(url("add", Budget), form)
        budget = Budget.objects.get()
        assert (budget.workflow, budget.amount, budget.timezone) == (workflow, 5, "Europe/Berlin")

        browser.post(url("change", Budget, budget.pk), {"amount": "6", "timezone": "UTC"})
        budget.refresh_from_db()
        assert (budget.amount, budget.timezone, budget.period) == (6, "UTC", "day")

        browser.post(url("delete", Budget, budget.pk), {"post": "yes"})
        assert not Budget.objects.exists()
        assert AuditEntry.objects.filter(action__startswith="budget.").count() == 3

    @pytest.mark.parametrize("wrong", [{"timezone": "Mars"}, {"amount": "-1"}, {"workflow": "of another project"}])
    def test_what_is_refused_becomes_a_message(self, browser, wrong):
        form = {"project": ProjectFactory().pk, "period": "day", "amount": "5", "timezone": "UTC", **wrong}
        if "workflow" in wrong:
            form["workflow"] = WorkflowFactory().pk

        answer = browser.post(url("add", Budget), form, follow=True)

        assert answer.status_code == 200
        assert not Budget.objects.exists()

    def test_say_beside_a_field_what_is_wrong_and_keep_what_was_filled_in(self, browser):
        form = {"project": ProjectFactory().pk, "period": "day", "amount": "-5", "timezone": "UTC"}

        answer = browser.post(url("add", Budget), form)

        assert answer.context["adminform"].form.errors == {"amount": ["It must be from 0 to 100,000,000 US dollars."]}
        assert 'value="-5"' in answer.content.decode()

    def test_say_what_is_gone(self, browser):
        workflow = WorkflowFactory()
        budget = BudgetFactory(project=workflow.project, amount=Decimal(7))
        now = timezone.now()
        ModelCallFactory(workflow=workflow, created_at=now, cost=Decimal("1.25"))
        ModelCallFactory(workflow=workflow, created_at=now, open=True, reserved=Decimal("0.5"))
        ModelCallFactory(workflow=workflow, created_at=now, cost=None, reserved=None)

        page = see(browser, budget)

        assert "7 USD a month" in page
        assert "1.25 USD, and 1 call of unknown cost" in page
        assert "0.5 USD" in page

    def test_are_listed_with_what_is_gone_whatever_their_number_with_as_many_queries(self, browser):
        counts = []
        for amount in (3, 4):
            workflow = WorkflowFactory()
            BudgetFactory(project=workflow.project, amount=Decimal(7))
            ModelCallFactory(workflow=workflow, created_at=timezone.now(), cost=Decimal(amount))
            with CaptureQueriesContext(connection) as asked:
                page = browser.get(url("changelist", Budget)).content.decode()
            counts.append(len(asked))
            assert f"{amount} USD" in page

        assert counts[0] == counts[1]

    def test_say_what_to_fill_in(self, browser):
        assert "Empty: all workflows of the project together." in browser.get(url("add", Budget)).content.decode()


class TestTheLedger:
    @pytest.fixture
    def call(self):
        ModelCallFactory(model="another-model")
        return ModelCallFactory(model="wanted-model")

    @pytest.mark.parametrize(
        ("columns", "shown"),
        [
            ({"cost": Decimal("0.0050")}, "0.005 USD"),
            ({"cost": None}, "unknown"),
            ({"open": True, "reserved": Decimal("0.5")}, "at most 0.5 USD"),
            ({"status": "uncertain", "cost": None, "reserved": Decimal("0.5")}, "at most 0.5 USD"),
            ({"status": "released", "cost": None}, "0 USD"),
        ],
    )
    def test_says_of_each_call_what_is_known_of_its_cost(self, browser, columns, shown):
        ModelCallFactory(**columns)

        page = browser.get(url("changelist", ModelCall)).content.decode()

        assert f'field-cost_shown">{shown}</td>' in page

    def test_shows_a_call_whose_execution_is_gone(self, browser, call):
        assert str(call.execution_id) in see(browser, call)

    @pytest.mark.parametrize("column", ["pk", "execution_id", "model"])
    def test_finds_calls_by_their_ids_their_executions_and_their_models(self, browser, call, column):
        response = browser.get(url("changelist", ModelCall), {"q": f" {getattr(call, column)} "})

        assert list(response.context["cl"].result_list) == [call]

    def test_is_narrowed_to_a_provider(self, browser):
        call = ModelCallFactory(provider="anthropic")
        ModelCallFactory(provider="openai")

        response = browser.get(url("changelist", ModelCall), {"provider": "anthropic"})

        assert list(response.context["cl"].result_list) == [call]

    def test_is_not_read_for_what_it_can_be_narrowed_to(self, browser, call):
        with CaptureQueriesContext(connection) as queries:
            browser.get(url("changelist", ModelCall))

        assert not [query["sql"] for query in queries if "DISTINCT" in query["sql"]]

    def test_looks_for_an_id_by_its_index(self, browser, call):
        with CaptureQueriesContext(connection) as queries:
            browser.get(url("changelist", ModelCall), {"q": str(call.execution_id)})

        assert not [query["sql"] for query in queries if "LIKE" in query["sql"]]


class TestLiveTexts:
    def test_are_listed_without_what_went_into_their_executions(self, browser):
        LiveTextFactory()

        with CaptureQueriesContext(connection) as queries:
            browser.get(url("changelist", LiveText))

        assert not [query["sql"] for query in queries if '"execution_context"' in query["sql"]]


class TestPanels:
    @pytest.fixture
    def workflow(self):
        workflow = WorkflowFactory(name="Triage")
        now = timezone.now()
        ModelCallFactory(workflow=workflow, created_at=now, cost=Decimal("1.5"))
        ModelCallFactory(workflow=workflow, created_at=now, model="own", cost=None, reserved=None)
        ModelCallFactory(workflow=workflow, created_at=now - timedelta(days=40), cost=Decimal(99))
        return workflow

    def test_a_project_shows_its_models_and_workflows(self, browser, workflow):
        page = see(browser, Project.objects.get(pk=workflow.project_id))

        assert "Models, the last 30 days" in page
        assert "at least 1.5 USD" in page
        assert all(each in page for each in ("gpt-4o", "own", "unknown", "Triage"))
        assert "99" not in page.split("Models, the last 30 days")[1].split("</section>")[0]

    def test_a_workflow_shows_its_models(self, browser, workflow):
        assert "at least 1.5 USD" in see(browser, Workflow.objects.get(pk=workflow.pk))

    def test_nothing_is_shown_where_no_model_was_called(self, browser):
        assert "Models, the last 30 days" not in see(browser, WorkflowFactory())


class TestExecutions:
    def test_show_the_calls_of_models_that_they_have_made(self, browser):
        execution = ExecutionFactory(ended=True)
        call = ModelCallFactory(execution_id=execution.pk, model="gpt-4o", node_id="ask.model", cost=Decimal("0.25"))

        panel = see(browser, execution).split("Calls of models")[1].split("</section>")[0]

        assert url("change", ModelCall, call.pk) in panel
        assert all(each in panel for each in ("gpt-4o", "ask.model", "0.25 USD"))

    def test_without_an_agent_show_none(self, browser):
        assert "Calls of models" not in see(browser, ExecutionFactory(ended=True))

    @pytest.mark.parametrize(
        ("cost", "is_complete", "shown"),
        [("0.5", True, "0.5 USD"), ("0.5", False, "at least 0.5 USD"), ("0", False, "unknown")],
    )
    def test_say_whether_they_know_their_cost(self, browser, cost, is_complete, shown):
        execution = ExecutionFactory(ended=True, tokens_used=7, cost=Decimal(cost), is_cost_complete=is_complete)

        assert f"7, {shown}" in see(browser, WorkflowExecution.objects.get(pk=execution.pk))

    def test_a_node_run_of_unknown_cost_says_so(self, browser):
        run = NodeRunFactory(cost=None)

        page = see(browser, WorkflowExecutionLog.objects.get(pk=run.pk))

        assert "unknown" in page


@pytest.mark.parametrize(
    ("amount", "is_complete", "text"),
    [
        (None, True, "unknown"),
        ("0", True, ""),
        ("0", False, "unknown"),
        ("12.500000000", True, "12.5 USD"),
        ("1E+3", False, "at least 1000 USD"),
    ],
)
def test_money_is_written_as_people_say_it(amount, is_complete, text):
    assert values.money(None if amount is None else Decimal(amount), is_complete=is_complete) == text
