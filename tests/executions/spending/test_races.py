"""Many who ask in the same moment, each over a connection of its own."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection, transaction

from executions.spending import ledger
from executions.spending.ledger import BudgetExceeded, reserve, settle, standing_of, sums
from executions.spending.models import ModelCall
from tests.clock import NOON
from tests.executions.spending.asks import DOLLAR, ask, dollar_price
from tests.factories import BudgetFactory, WorkflowFactory
from tests.threads import at_once

CALLERS = 10

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workflow():
    dollar_price()
    return WorkflowFactory()


def tries(asked):
    """Return something that asks, and says whether it was let out."""

    def ask_for_it():
        try:
            reserve(asked, now=NOON)
        except BudgetExceeded:
            return False
        return True

    return ask_for_it


class TestTenAtOnce:
    def test_never_overspend_a_projects_budget_together(self, workflow):
        BudgetFactory(project=workflow.project, amount=3)

        let_out = at_once(*[tries(ask(workflow)) for _ in range(CALLERS)])

        assert sum(let_out) == ModelCall.objects.count() == 3

    def test_never_overspend_the_smaller_of_two_budgets(self, workflow):
        BudgetFactory(project=workflow.project, amount=5, period="day")
        BudgetFactory(project=workflow.project, workflow=workflow, amount=2)
        neighbour = WorkflowFactory(project=workflow.project)

        let_out = at_once(*[tries(ask(each)) for each in [workflow, neighbour] * (CALLERS // 2)])

        assert sum(let_out) == 5
        assert sum(let_out[::2]) <= 2

    def test_never_overspend_the_limit_of_an_agent_without_any_budget(self, workflow):
        asked = ask(workflow, node_limit=Decimal(4))

        let_out = at_once(*[tries(replace(asked, iteration=str(step))) for step in range(CALLERS)])

        assert sum(let_out) == 4

    def test_for_the_same_node_run_make_one_reservation(self, workflow):
        BudgetFactory(project=workflow.project, amount=1)
        asked = ask(workflow)

        assert all(at_once(*[tries(asked)] * CALLERS))
        assert ModelCall.objects.count() == 1

    def test_for_the_same_node_run_make_one_reservation_also_without_a_budget(self, workflow):
        asked = ask(workflow)

        assert all(at_once(*[tries(asked)] * CALLERS))
        assert ModelCall.objects.count() == 1

    def test_settling_and_giving_back_meanwhile_neither_overspends_nor_locks_anybody_out(self, workflow):
        budget = BudgetFactory(project=workflow.project, amount=4)
        BudgetFactory(project=workflow.project, workflow=workflow, amount=4, period="day")

        def agent(seed):
            chance = random.Random(seed)
            for step in range(6):
                asked = ask(workflow, iteration=str(step))
                if not tries(asked)():
                    continue
                # As the engine does: together with what else it records.
                with transaction.atomic():
                    match chance.choice(["settle", "release", "uncertain"]):
                        case "settle":
                            settle(asked.key, {"input_tokens": 100_000}, model="dollar", now=NOON)
                        case "release":
                            ledger.release(asked.key, now=NOON)
                        case "uncertain":
                            ledger.mark_uncertain(asked.key, now=NOON)
                    time.sleep(0.005)

        at_once(*[lambda seed=seed: agent(seed) for seed in range(CALLERS)])

        gone = standing_of(ModelCall.objects.aggregate(**sums()))
        assert 0 < gone.spent <= budget.amount
        assert gone.reserved == 0


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one transaction that writes at a time.")
def test_a_call_is_settled_while_another_one_waits_for_the_budget(workflow):
    """Settling waits for no budget: who holds one, and waits for the call, would wait for ever."""
    budget = BudgetFactory(project=workflow.project, amount=4)
    asked = ask(workflow)
    reserve(asked, now=NOON)

    with transaction.atomic():
        type(budget).objects.select_for_update().get()
        assert at_once(lambda: settle(asked.key, DOLLAR, model="dollar", now=NOON)) == [1]
