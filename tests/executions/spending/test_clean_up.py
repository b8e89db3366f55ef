"""The ledger outlives executions, and not for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from executions import retention, tasks
from executions.live import texts
from executions.spending.models import ModelCall
from tests.clock import NOON
from tests.factories import ExecutionFactory, ModelCallFactory

pytestmark = pytest.mark.django_db


def aged(days, **more):
    return ModelCallFactory(created_at=NOON - timedelta(days=days), **more)


class TestCleanUpLedger:
    def test_removes_what_is_older_than_the_setting_says(self, settings):
        settings.MODEL_CALL_RETENTION_DAYS = 100
        aged(101)
        young = aged(99)

        assert retention.clean_up_ledger(now=NOON) == 1
        assert list(ModelCall.objects.all()) == [young]

    def test_keeps_400_days_by_default(self):
        aged(401)
        aged(399)

        assert retention.clean_up_ledger(now=NOON) == 1

    def test_keeps_what_is_reserved(self):
        aged(5000, open=True)

        assert retention.clean_up_ledger(now=NOON) == 0

    def test_is_done_in_small_transactions_up_to_a_number(self, monkeypatch):
        monkeypatch.setattr(retention, "CALLS_AT_ONCE", 2)
        for days in (500, 600, 700, 800, 900):
            aged(days)

        assert retention.clean_up_ledger(now=NOON, most=1) == 2
        assert sorted((NOON - call.created_at).days for call in ModelCall.objects.all()) == [500, 600, 700]
        assert retention.clean_up_ledger(now=NOON, most=None) == 3

    def test_happens_with_the_clean_up_of_executions(self):
        aged(5000)

        tasks.clean_up()

        assert not ModelCall.objects.exists()

    def test_happens_whatever_becomes_of_the_clean_up_of_executions(self, monkeypatch, caplog):
        def fail(**_):
            raise OSError("The storage is away.")

        monkeypatch.setattr(texts, "remove_leftovers", fail)
        aged(5000)

        tasks.clean_up()

        assert not ModelCall.objects.exists()
        assert [record.part for record in caplog.records] == ["executions.retention.clean_up"]


def test_a_call_outlives_its_execution():
    execution = ExecutionFactory(ended=True, completed_at=NOON - timedelta(days=40))
    call = ModelCallFactory(execution_id=execution.pk)

    retention.clean_up(days=30, now=NOON)

    assert ModelCall.objects.filter(pk=call.pk).exists()
