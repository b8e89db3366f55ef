"""Rows made and inserted the fast way are the same as those made the usual way."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import ExecutionStatus, WorkflowExecutionLog
from projects.ids import new_id
from projects.inserting import insert, new_row
from tests.clock import NOON
from tests.factories import ExecutionFactory

VALUES = {
    "node_id": "n",
    "node_type": "output",
    "status": ExecutionStatus.RUNNING,
    "started_at": NOON,
    "created_at": NOON,
}


def test_a_new_row_is_what_its_model_makes():
    values = VALUES | {"id": new_id(), "execution_id": new_id()}

    made, usual = new_row(WorkflowExecutionLog, **values), WorkflowExecutionLog(**values)

    assert {**vars(made), "_state": None} == {**vars(usual), "_state": None}
    assert made._state.adding


def test_what_is_made_anew_for_each_row_is_not_shared():
    assert new_row(WorkflowExecutionLog, **VALUES).ports is not new_row(WorkflowExecutionLog, **VALUES).ports


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 3])
def test_rows_are_inserted_whole_in_one_statement(count):
    execution = ExecutionFactory()
    rows = [
        new_row(
            WorkflowExecutionLog,
            id=new_id(),
            execution_id=execution.pk,
            attempt=number + 1,
            output_data={"n": [None, "ä"]},
            **VALUES,
        )
        for number in range(count)
    ]

    with CaptureQueriesContext(connection) as queries:
        insert(rows)

    stored = execution.node_runs.order_by("attempt")
    assert [(run.node_id, run.output_data, run.started_at) for run in stored] == [
        ("n", {"n": [None, "ä"]}, NOON)
    ] * count
    assert len(queries) <= 1  # COPY is no query of Django's.
