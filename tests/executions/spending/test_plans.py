"""What the ledger is asked is found by an index, on both databases."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection

from executions.spending import ledger
from executions.spending.ledger import AgentLimit
from executions.spending.models import Budget, ModelCall, ModelPrice
from tests.clock import NOON
from tests.plans import plan_of

pytestmark = pytest.mark.django_db

ANY = UUID("0198c5a0-0000-7000-8000-000000000000")
DAY = (NOON, NOON + timedelta(days=1))
of_project, of_workflow = Budget(project_id=ANY), Budget(project_id=ANY, workflow_id=ANY)

QUERIES = {
    "what counts under a project's budget": (ledger._counted(of_project, DAY, ANY), "model_calls_project"),
    "what counts under a workflow's budget": (ledger._counted(of_workflow, DAY, ANY), "model_calls_workflow"),
    "what an execution has spent": (ledger._counted(of_project, None, ANY), "model_calls_attempt_once"),
    "what an agent has spent": (
        ledger._of_agent(ANY, AgentLimit("agent", "3", Decimal(1))),
        "model_calls_attempt_once",
    ),
    "what is open": (ModelCall.objects.filter(execution_id=ANY, settled_at__isnull=True), "model_calls_open"),
    "a price": (
        ModelPrice.objects.filter(model__in=["a", "b"], provider__in=["p"], valid_from__lte=NOON),
        "model_prices_lookup",
    ),
    "the ledger, newest first": (ModelCall.objects.order_by("-created_at", "-id"), "model_calls_newest"),
    "what is too old": (
        ModelCall.objects.filter(created_at__lt=NOON, settled_at__isnull=False).order_by("created_at", "id"),
        "model_calls_newest",
    ),
    "budgets of a project": (
        Budget.objects.filter(project=ANY).order_by("-created_at", "-id"),
        "budgets_project_newest",
    ),
}
# With no rows to speak of it costs as much to filter what another index gives.
AS_CHEAP = {
    "model_calls_open": ["ALTER TABLE model_calls DROP CONSTRAINT model_calls_attempt_once"],
    "model_calls_attempt_once": ["DROP INDEX model_calls_open"],
    "model_calls_project": ["DROP INDEX model_calls_newest"],
    "model_calls_workflow": ["DROP INDEX model_calls_newest"],
}


def without_others(index):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for statement in AS_CHEAP.get(index, []):
                cursor.execute(statement)


@pytest.mark.parametrize("what", QUERIES)
def test_name_the_index(what):
    query, index = QUERIES[what]
    without_others(index)

    plan = plan_of(query[:50])
    if connection.vendor == "sqlite":  # Constraints have no names there.
        plan = plan.replace("sqlite_autoindex_model_calls_2", "model_calls_attempt_once")
    assert index in plan


def test_a_sum_reads_the_index_alone():
    """Under a lock that others wait for, a year of calls is not read from the table."""
    without_others("model_calls_project")
    counted = ledger._counted(of_project, DAY, ANY)

    plan = plan_of(counted.values("project_id").annotate(**ledger.sums()).order_by())

    assert "COVERING INDEX model_calls_project" in plan or "Index Only Scan using model_calls_project" in plan
