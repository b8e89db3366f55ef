"""Rows are changed by a prepared statement as Django's own update changes them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution
from projects.updating import update
from tests.clock import NOON
from tests.factories import ExecutionFactory

pytestmark = pytest.mark.django_db

CHANGES = {
    "status": ExecutionStatus.FAILED,
    "error": {"message": "ä ' \" %s", "of": [1, None]},
    "result": None,
    "completed_at": NOON + timedelta(microseconds=1),
    "duration_seconds": 0.25,
    "blocked_on": None,
    "wake_at": None,
    "blocked_detail": "",
}


def values(execution):
    return WorkflowExecution.objects.filter(pk=execution.pk).values().get()


def test_every_kind_of_value_arrives_as_it_does_by_django():
    ours, djangos = ExecutionFactory(blocked_on=BlockedOn.QUEUE), ExecutionFactory(blocked_on=BlockedOn.QUEUE)

    update(WorkflowExecution, {"id": ours.pk}, CHANGES)
    WorkflowExecution.objects.filter(pk=djangos.pk).update(**CHANGES)

    assert {name: values(ours)[name] for name in CHANGES} == {name: values(djangos)[name] for name in CHANGES}


@pytest.mark.parametrize(
    ("where", "changed"),
    [
        ({"fence": 3}, 1),
        ({"fence": 4}, 0),
        ({"status__in": (ExecutionStatus.PENDING, ExecutionStatus.RUNNING)}, 1),
        ({"status__in": (ExecutionStatus.FAILED,)}, 0),
        ({"lease_owner__isnull": True}, 1),
        ({"lease_owner__isnull": False}, 0),
    ],
)
def test_only_rows_that_the_condition_holds_for_are_changed(where, changed):
    execution = ExecutionFactory(fence=3)

    assert update(WorkflowExecution, {"id": execution.pk, **where}, {"blocked_detail": "new"}) == changed
    assert (values(execution)["blocked_detail"] == "new") == bool(changed)


def test_a_raised_column_grows_by_one():
    execution = ExecutionFactory(fence=3)

    update(WorkflowExecution, {"id": execution.pk}, {}, raised="fence")

    assert values(execution)["fence"] == 4
