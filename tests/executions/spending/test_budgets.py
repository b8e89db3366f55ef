"""Budgets as people make, change, see and remove them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from executions.exceptions import BudgetExists, InvalidBudget
from executions.spending import budgets
from executions.spending.ledger import Standing
from executions.spending.models import Budget
from projects.access import Actor
from projects.exceptions import NotFound
from projects.models import AuditEntry
from tests.clock import NOON
from tests.factories import BudgetFactory, ModelCallFactory, ProjectFactory, UserFactory, WorkflowFactory

pytestmark = pytest.mark.django_db
URL = "/api/budgets/"


class TestServices:
    @pytest.fixture
    def by(self):
        return Actor(UserFactory())

    def test_what_is_done_is_noted(self, by):
        project = ProjectFactory()

        budget = budgets.create_budget(project, period="month", amount=Decimal(50), by=by, now=NOON)
        budgets.change_budget(budget, amount=Decimal("70.5"), timezone="Europe/Berlin", by=by)
        budgets.delete_budget(budget, by=by)

        entries = AuditEntry.objects.filter(project=project).order_by("created_at", "id")
        assert [(entry.action, entry.details["amount"]) for entry in entries] == [
            ("budget.created", "50"),
            ("budget.changed", "70.5"),
            ("budget.deleted", "70.5"),
        ]
        assert not Budget.objects.exists()

    @pytest.mark.parametrize(
        ("wrong", "path"),
        [
            ({"amount": Decimal(-1)}, "/amount"),
            ({"amount": budgets.MOST + 1}, "/amount"),
            ({"period": "year"}, "/period"),
            ({"timezone": "Mars/Olympus"}, "/timezone"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, by, wrong, path):
        values = {"period": "day", "amount": Decimal(1), **wrong}

        with pytest.raises(InvalidBudget) as raised:
            budgets.create_budget(ProjectFactory(), **values, by=by, now=NOON)

        assert raised.value.path == path

    def test_a_workflow_of_another_project_is_refused(self, by):
        with pytest.raises(InvalidBudget, match="another project"):
            budgets.create_budget(
                ProjectFactory(), workflow=WorkflowFactory(), period="day", amount=Decimal(1), by=by, now=NOON
            )

    def test_one_that_somebody_has_deleted_meanwhile_stays_deleted(self, by):
        budget = BudgetFactory()
        Budget.objects.all().delete()

        with pytest.raises(NotFound, match="no such budget any more"):
            budgets.change_budget(budget, amount=Decimal(1), by=by)

        assert not Budget.objects.exists()

    def test_what_somebody_has_changed_meanwhile_stays_so(self, by):
        budget = BudgetFactory(timezone="UTC")
        Budget.objects.update(timezone="Europe/Berlin")

        changed = budgets.change_budget(budget, amount=Decimal(1), by=by)

        assert (changed.amount, changed.timezone) == (1, "Europe/Berlin")

    def test_there_is_one_for_the_same_workflows_and_period(self, by):
        workflow = WorkflowFactory()
        for of in (None, workflow):
            BudgetFactory(project=workflow.project, workflow=of, period="day")
            BudgetFactory(project=workflow.project, workflow=of, period="month")

            with pytest.raises(BudgetExists):
                budgets.create_budget(workflow.project, workflow=of, period="day", amount=Decimal(1), by=by, now=NOON)


class TestStandings:
    def test_are_what_is_spent_and_reserved_in_the_time_that_lasts(self):
        workflow = WorkflowFactory()
        of_project = BudgetFactory(project=workflow.project)
        of_workflow = BudgetFactory(project=workflow.project, workflow=workflow, period="day")
        of_execution = BudgetFactory(project=workflow.project, period="execution")
        nothing_yet = BudgetFactory()
        ModelCallFactory(workflow=workflow, cost=Decimal("0.5"))
        ModelCallFactory(workflow=workflow, status="uncertain", cost=None, reserved=Decimal("0.25"))
        ModelCallFactory(workflow=workflow, status="released", cost=None, reserved=Decimal(9))
        ModelCallFactory(workflow=workflow, open=True, reserved=Decimal(1))
        ModelCallFactory(workflow=workflow, cost=None, reserved=None)
        ModelCallFactory(workflow=WorkflowFactory(project=workflow.project), cost=Decimal(2))
        ModelCallFactory(workflow=workflow, cost=Decimal(4), created_at=NOON - timedelta(days=1))
        ModelCallFactory(workflow=workflow, cost=Decimal(8), created_at=NOON - timedelta(days=40))

        found = budgets.standings([of_project, of_workflow, of_execution, nothing_yet], now=NOON)

        assert found == {
            of_project.pk: Standing(Decimal("6.75"), Decimal(1), 1),
            of_workflow.pk: Standing(Decimal("0.75"), Decimal(1), 1),
            of_execution.pk: None,
            nothing_yet.pk: Standing(),
        }


class TestApi:
    def test_an_admin_makes_changes_and_removes_one(self, api, project):
        client = api("admin")
        body = {"project": str(project.pk), "period": "month", "amount": "50", "timezone": "Europe/Berlin"}

        made = client.post(URL, body, format="json")
        changed = client.patch(f"{URL}{made.data['id']}/", {"amount": "70.5"}, format="json")
        removed = client.delete(f"{URL}{made.data['id']}/")

        assert (made.status_code, changed.status_code, removed.status_code) == (201, 200, 204)
        assert (made.data["amount"], made.data["workflow"]) == ("50.000000000", None)
        assert made.data["now"] == {"spent": "0.000000000", "reserved": "0.000000000", "unknown_calls": 0}
        assert (changed.data["amount"], changed.data["timezone"]) == ("70.500000000", "Europe/Berlin")
        assert not Budget.objects.exists()

    def test_of_one_workflow_is_made_the_same_way(self, api, project):
        workflow = WorkflowFactory(project=project)
        body = {"project": str(project.pk), "workflow": str(workflow.pk), "period": "execution", "amount": "0.5"}

        made = api("admin").post(URL, body, format="json")

        assert made.status_code == 201
        assert (made.data["workflow"], made.data["now"]) == (workflow.pk, None)

    def test_an_editor_reads_them_and_changes_none(self, api, project):
        budget = BudgetFactory(project=project)

        assert api("editor").get(URL).json()["results"][0]["id"] == str(budget.pk)
        assert api("editor").patch(f"{URL}{budget.pk}/", {"amount": "1"}, format="json").status_code == 403

    def test_a_viewer_reads_what_is_spent_and_reserved_now(self, api, project):
        BudgetFactory(project=project)
        ModelCallFactory(workflow__project=project, cost=Decimal("0.5"), created_at=timezone.now())
        ModelCallFactory(workflow__project=project, open=True, reserved=Decimal(2), created_at=timezone.now())

        (found,) = api("viewer").get(URL).json()["results"]

        assert found["now"] == {"spent": "0.500000000", "reserved": "2.000000000", "unknown_calls": 0}

    @pytest.mark.parametrize(
        ("body", "status", "said"),
        [
            ({"period": "year", "amount": "1"}, 400, "/period"),
            ({"period": "day", "amount": "-1"}, 400, "/amount"),
            ({"period": "day", "amount": "much"}, 400, "/amount"),
            ({"period": "day", "amount": "NaN"}, 400, "/amount"),
            ({"period": "day"}, 400, "/amount"),
            ({"period": "day", "amount": "1", "timezone": "Mars"}, 400, "/timezone"),
            ({"period": "day", "amount": "1", "currency": "EUR"}, 400, "currency"),
            ({"period": "month", "amount": "1"}, 409, "budget_exists"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, api, project, body, status, said):
        BudgetFactory(project=project, period="month")

        answer = api("admin").post(URL, {"project": str(project.pk), **body}, format="json")

        assert answer.status_code == status
        assert said in answer.content.decode()

    def test_what_a_budget_is_for_is_not_changed(self, api, project):
        budget = BudgetFactory(project=project)

        answer = api("admin").patch(f"{URL}{budget.pk}/", {"amount": "1", "period": "day"}, format="json")

        assert answer.status_code == 400

    def test_lists_are_narrowed(self, api, project):
        workflow = WorkflowFactory(project=project)
        of_workflow = BudgetFactory(project=project, workflow=workflow, period="day")
        BudgetFactory(project=project, period="day")
        BudgetFactory(project=project, period="month")

        def found(**query):
            return [row["id"] for row in api("viewer").get(URL, query).json()["results"]]

        assert found(workflow=workflow.pk) == [str(of_workflow.pk)]
        assert len(found(period="day")) == 2
        assert len(found(project=project.pk)) == 3

    def test_a_list_costs_the_same_for_one_and_for_twenty(self, api, project):
        client = api("viewer")
        BudgetFactory(project=project, workflow=WorkflowFactory(project=project))

        def queries():
            with CaptureQueriesContext(connection) as captured:
                assert client.get(URL).status_code == 200
            return len(captured)

        for_one = queries()
        for _ in range(19):
            BudgetFactory(project=project, workflow=WorkflowFactory(project=project))

        assert queries() == for_one
