"""What lists sort and filter by, and what the engine looks for, is found by an index, on both databases."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection

from executions.blockers import blockers
from executions.conversations.models import Conversation, ConversationMessage
from executions.engine import limits
from executions.models import LIVE, WorkflowExecution, WorkflowExecutionLog
from tests.clock import NOON
from tests.plans import plan_of
from triggers.models import ScheduleBackfill, ScheduledJob, SkippedSlots, WebhookDelivery, WebhookRegistration
from triggers.services.schedules.overlaps import live_of
from workflows.models import Workflow

pytestmark = pytest.mark.django_db

ANY = UUID("0198c5a0-0000-7000-8000-000000000000")
executions = WorkflowExecution.objects.values("pk")
live = executions.filter(status__in=LIVE)
group = limits.Group(ANY, "acme")
newest = ("-created_at", "-id")

QUERIES = {
    "executions of a project": (executions.filter(project=ANY).order_by(*newest), "executions_project_newest"),
    "executions of a workflow": (executions.filter(workflow=ANY).order_by(*newest), "executions_workflow_newest"),
    "executions by status": (
        executions.filter(project=ANY, status="completed").order_by(*newest),
        "executions_status_newest",
    ),
    "executions by what started them": (
        executions.filter(project=ANY, triggered_by="webhook").order_by(*newest),
        "executions_trigger_newest",
    ),
    "executions of all projects that failed": (
        executions.filter(status="failed").order_by(*newest),
        "executions_ended_badly",
    ),
    "executions by time": (executions.filter(created_at__gte=NOON).order_by(*newest), "executions_newest"),
    "what is due in a project": (
        live.filter(project=ANY, wake_at__lte=NOON).order_by("wake_at", "id"),
        "executions_due",
    ),
    "what is due in a queue": (live.filter(queue="agents", wake_at__lte=NOON), "executions_due_in_queue"),
    "what is due in a project for a worker that serves one queue": (
        live.filter(queue="agents", project=ANY, wake_at__lte=NOON).order_by("wake_at", "id"),
        "executions_due_in_queue",
    ),
    "dead leases": (executions.filter(lease_expires_at__lt=NOON), "executions_leased"),
    "what is overdue": (
        live.filter(completed_at__isnull=True, deadline_at__lte=NOON).order_by("deadline_at"),
        "executions_deadline",
    ),
    "the children of an execution": (live.filter(parent=ANY, is_waited_for=True), "executions_children"),
    "the error workflow of an execution": (executions.filter(failure_of=ANY), "executions_failures"),
    "the child of a node run": (executions.filter(parent_node_run_id=ANY), "workflow_executions_child_once"),
    "what counts in a group": (group.counted.values("pk"), "executions_limited"),
    "who is the first to be let in": (group.waiting.values("pk").order_by("created_at", "id"), "executions_limited"),
    "the journal": (
        WorkflowExecutionLog.objects.values("pk").filter(execution=ANY).order_by("started_at", "id"),
        "logs_execution_order",
    ),
    "sub-workflows that are waited for": (
        blockers(WorkflowExecution(id=ANY, blocked_on="callback")).order_by().values("pk"),
        "executions_children",
    ),
    "what is in the way of one that waits for its turn": (
        blockers(WorkflowExecution(id=ANY, workflow_id=ANY, concurrency_key="eu", blocked_on="concurrency"))
        .order_by()
        .values("pk"),
        "executions_limited",
    ),
    "conversations of a project": (
        Conversation.objects.values("pk").filter(project=ANY).order_by(*newest),
        "conversations_project_newest",
    ),
    "conversations that nobody uses": (
        Conversation.objects.values("pk").filter(updated_at__lt=NOON).order_by("updated_at", "id"),
        "conversations_unused",
    ),
    "the conversation of a project that was not used for the longest time": (
        Conversation.objects.values("pk").filter(project=ANY, is_test=False).order_by("updated_at", "id"),
        "conversations_project_unused",
    ),
    "what a node run has remembered": (
        ConversationMessage.objects.values("pk").filter(node_run_id=ANY),
        "conversation_messages_node_run",
    ),
    "workflows of a project": (
        Workflow.objects.values("pk").filter(project=ANY).order_by(*newest),
        "workflows_project_newest",
    ),
    "the route of a webhook": (WebhookRegistration.objects.values("pk").filter(path="orders"), "path"),
    "deliveries of a webhook": (
        WebhookDelivery.objects.values("pk").filter(registration=ANY).order_by("-received_at", "-id"),
        "deliveries_registration_newest",
    ),
    "due schedules": (
        ScheduledJob.objects.due(NOON + timedelta(days=1)).longest_due_first().values("pk"),
        "scheduled_jobs_due",
    ),
    "schedules whose slot waits": (
        ScheduledJob.objects.values("pk").filter(waits_for__isnull=False),
        "scheduled_jobs_waiting",
    ),
    "slots that did not fire": (
        SkippedSlots.objects.values("pk").filter(job=ANY).order_by(*newest),
        "skipped_slots_job_newest",
    ),
    "backfills of a schedule": (
        ScheduleBackfill.objects.values("pk").filter(job=ANY).order_by(*newest),
        "backfills_job_newest",
    ),
    "the executions of slots": (
        executions.filter(trigger_id=ANY, scheduled_for__gte=NOON, scheduled_for__lte=NOON, rerun_of__isnull=True),
        "workflow_executions_slot_once",
    ),
    "executions of a trigger that have not ended": (live_of(ANY, ANY).order_by().values("pk"), "executions_live"),
}


# With no rows to speak of it costs as much to filter what a wider index gives.
WIDER = {
    "executions_due_in_queue": "executions_due",
    "executions_status_newest": "executions_project_newest",
    "executions_trigger_newest": "executions_project_newest",
    "executions_limited": "executions_live",
    "executions_live": "executions_workflow_newest",
}


class TestPlans:
    @pytest.mark.parametrize("what", QUERIES)
    def test_name_the_index(self, what):
        query, index = QUERIES[what]
        if connection.vendor == "postgresql" and index in WIDER:
            with connection.cursor() as cursor:
                cursor.execute(f"DROP INDEX {WIDER[index]}")

        assert index in plan_of(query[:50])
