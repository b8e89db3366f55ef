"""Workflow triggers: the end of an execution starts the workflows that wait for such ends of its workflow.

The start belongs to the transaction that ends the execution, whoever ends it: both or neither. What keeps a follower from
starting never keeps the execution from ending: the log of events says why, as for every event.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from executions.engine.failures import told
from executions.models import ExecutionStatus, WorkflowExecution
from executions.services import result_of
from projects.database_errors import is_transient
from projects.exceptions import SegueError
from triggers.models import Event, Subscription
from triggers.services.events import plan_event, write_event
from workflows.models import TriggerType, Workflow
from workflows.nodes.trigger.workflow import End, topic_of

logger = logging.getLogger(__name__)

ENDS: dict[ExecutionStatus, End] = {
    ExecutionStatus.COMPLETED: "completed",
    ExecutionStatus.FAILED: "failed",
    ExecutionStatus.TIMEOUT: "failed",
    ExecutionStatus.CANCELLED: "cancelled",
}

# Asked at every end of every execution, so it is one short statement, and its text is always the same.
_HAS_FOLLOWERS_SQL = f"""
SELECT 1 FROM {Subscription._meta.db_table}
 WHERE project_id = %s AND type = %s
   AND topic IN (%s, (SELECT %s || name FROM {Workflow._meta.db_table} WHERE id = %s)) LIMIT 1
"""  # noqa: S608 - names of our tables


def start_followers(execution: WorkflowExecution, *, now: datetime) -> None:
    """Start what waits for such an end. Sub-workflows, reruns, error workflows and manual runs count like any other, tests do not.

    :raises django.db.Error: if the database went away: then the execution has not ended either.
    """
    end = ENDS[ExecutionStatus(execution.status)]
    if execution.is_test or not _has_followers(execution, end):
        return
    try:
        # A savepoint: whatever goes wrong here is undone alone.
        with transaction.atomic():
            _start(execution, end, now=now)
    except Exception as error:
        if is_transient(error):
            raise
        logger.exception("The followers of an execution were not started.", extra={"execution_id": str(execution.pk)})


def _has_followers(execution: WorkflowExecution, end: End) -> bool:
    field = WorkflowExecution._meta.pk
    project_id, workflow_id = (
        field.get_db_prep_value(each, connection) for each in (execution.project_id, execution.workflow_id)
    )
    by_id = topic_of(end, str(execution.workflow_id))
    with connection.cursor() as cursor:
        cursor.execute(
            _HAS_FOLLOWERS_SQL, [project_id, TriggerType.WORKFLOW.value, by_id, topic_of(end, ""), workflow_id]
        )
        return cursor.fetchone() is not None


def _start(execution: WorkflowExecution, end: End, *, now: datetime) -> None:
    payload = told(execution) | {"result": _result(execution)}
    event = Event(
        project_id=execution.project_id,
        type=TriggerType.WORKFLOW,
        name=f"execution.{execution.status}",
        data=payload,
        source=execution.workflow_name,
        received_at=now,
        emitted_by=execution,
        depth=execution.depth + 1,
        hops=execution.execution_context.get("hops", 0),
    )
    # Its name of today, which may not be the one that it had when the execution began.
    names = Workflow.objects.filter(pk=execution.workflow_id).values_list("name", flat=True)
    topics = [topic_of(end, name) for name in (str(execution.workflow_id), *names)]
    write_event(plan_event(event, payload, Q(topic__in=topics), now=now), now=now)


def _result(execution: WorkflowExecution) -> Any:
    """Return an execution's result, unless it is larger than what an event may hold, or cannot be read."""
    try:
        value = result_of(execution)
    except SegueError as error:
        return {"left_out": error.message}
    size = len(orjson.dumps(value))
    if size <= settings.WEBHOOK_MAX_BODY_BYTES:
        return value
    return {"left_out": f"{size:,} bytes: the execution's own page has all of it."}
