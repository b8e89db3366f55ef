"""What must hold of the ledger in a live database, and that its breach is found."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from executions.invariants import check_all
from projects.ids import new_id
from tests.clock import NOON
from tests.factories import ExecutionFactory, ModelCallFactory

pytestmark = pytest.mark.django_db


def broken():
    return {rule.name for rule, ids in check_all(NOON) if ids}


def test_nothing_is_wrong_with_what_is_added_up_rightly():
    ModelCallFactory(execution_id=ExecutionFactory().pk, open=True)
    ended = ExecutionFactory(ended=True, cost=Decimal("0.000000003"))
    for cost in ("0.000000001", "0.000000002"):
        ModelCallFactory(execution_id=ended.pk, cost=Decimal(cost))
    ModelCallFactory(execution_id=ended.pk, status="released", cost=None)
    partly = ExecutionFactory(ended=True, cost=0, is_cost_complete=False)
    ModelCallFactory(execution_id=partly.pk, status="uncertain", cost=None)
    # Its execution was cleaned up.
    ModelCallFactory()

    assert broken() == set()


def long_ended():
    long_ago = NOON - timedelta(minutes=10)
    return ExecutionFactory(ended=True, is_cost_complete=False, started_at=long_ago, completed_at=long_ago).pk


@pytest.mark.parametrize("execution_id", [long_ended, new_id])
def test_finds_money_that_is_reserved_for_nobody(execution_id):
    ModelCallFactory(execution_id=execution_id(), open=True)

    assert broken() == {"nothing_stays_reserved"}


@pytest.mark.parametrize("cost", ["0", "0.004", "0.006"])
def test_finds_an_execution_that_cost_another_sum_than_its_calls(cost):
    ended = ExecutionFactory(ended=True, cost=Decimal(cost))
    ModelCallFactory(execution_id=ended.pk, cost=Decimal("0.005"))

    assert broken() == {"cost_is_the_ledgers"}


def test_finds_an_execution_that_says_it_knows_a_cost_that_nobody_knows():
    ended = ExecutionFactory(ended=True)
    ModelCallFactory(execution_id=ended.pk, cost=None, reserved=None)

    assert broken() == {"unknown_is_said"}
