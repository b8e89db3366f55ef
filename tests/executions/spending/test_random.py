"""Whatever is asked, settled and given back in whatever order: never above the budget, and never stuck below it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executions.spending import ledger
from executions.spending.ledger import BudgetExceeded, reserve, settle, standing_of, sums
from executions.spending.models import ModelCall
from projects.ids import new_id
from tests.clock import NOON
from tests.executions.spending.asks import ask, dollar_price
from tests.factories import BudgetFactory, WorkflowFactory

pytestmark = pytest.mark.django_db

TOKENS = st.integers(1, 1_000_000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(0, 5), TOKENS),
        st.tuples(st.just("settle"), st.integers(0, 5), st.floats(0.01, 1)),
        st.tuples(st.just("release"), st.integers(0, 5), st.none()),
        st.tuples(st.just("uncertain"), st.integers(0, 5), st.none()),
        st.tuples(st.just("end"), st.none(), st.none()),
    ),
    max_size=30,
)


@given(steps=STEPS, amount=st.integers(1, 3_000_000))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_budget_is_never_exceeded_and_what_is_left_can_always_be_had(db, steps, amount):
    ModelCall.objects.all().delete()
    workflow = WorkflowFactory()
    dollar_price(provider=f"openai-{workflow.pk}"[:60])
    of_it = replace(ask(workflow, output_tokens=0), provider=f"openai-{workflow.pk}"[:60])
    execution_id = new_id()
    budget = Decimal(amount) / 1_000_000
    BudgetFactory(project=workflow.project, amount=budget)
    asked: dict[int, int] = {}

    def of(number, tokens=0):
        return replace(of_it, execution_id=execution_id, iteration=str(number), input_tokens=tokens)

    for minute, (what, number, value) in enumerate(steps):
        now = NOON + timedelta(minutes=minute)
        match what:
            case "reserve":
                before = _gone()
                key = of(number).key
                known = ModelCall.objects.filter(**key.columns).exclude(status="released").exists()
                try:
                    reserve(of(number, value), now=now)
                except BudgetExceeded:
                    assert not known
                    assert before + Decimal(value) / 1_000_000 > budget
                else:
                    asked[number] = asked[number] if known else value
            case "settle" if number in asked:
                settle(of(number).key, {"input_tokens": max(1, int(asked[number] * value))}, model="", now=now)
            case "release":
                ledger.release(of(number).key, now=now)
            case "uncertain":
                ledger.mark_uncertain(of(number).key, now=now)
            case "end":
                ledger.close_execution(execution_id, now=now)
                assert not ModelCall.objects.filter(settled_at__isnull=True).exists()
        assert _gone() <= budget

    left = budget - _gone()
    if left:
        reserve(of(99, int(left * 1_000_000)), now=NOON)


def _gone():
    standing = standing_of(ModelCall.objects.aggregate(**sums()))
    return standing.spent + standing.reserved
