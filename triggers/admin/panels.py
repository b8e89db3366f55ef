"""What the pages of workflows and executions, and the operations page, show of triggers."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils import timezone

from executions.admin.health import OPERATIONS
from executions.models import WorkflowExecution
from projects.backoffice import values
from projects.backoffice.panels import panel
from triggers.models import ScheduledJob, Trigger, WebhookDelivery, WebhookTest
from triggers.services import production_url_of, url_of
from workflows.models import Workflow

MOST = 20
# A sweep fires within seconds what is due.
OVERDUE = timedelta(seconds=60)


@panel(Workflow, title="Triggers", permission="triggers.view_trigger")
def triggers_of_workflow(request: HttpRequest, workflow: Workflow) -> str:
    """Show what starts a workflow."""
    found = Trigger.objects.filter(workflow=workflow, is_registered=True).order_by("node_id", "id")
    found = found.select_related("webhook_registration", "scheduled_job")
    rows = [
        (
            values.link(trigger, trigger.node_id),
            trigger.type,
            values.pill("on" if trigger.is_active else "off"),
            _where(trigger),
        )
        for trigger in found[: MOST + 1]
    ]
    more = values.list_link(Trigger, workflow__id__exact=workflow.pk)
    return values.table(("Node", "Type", "Switch", "Where or when"), rows, most=MOST, more=more)


@panel(Workflow, title="Test URLs", permission="triggers.view_webhooktest")
def tests_of_workflow(request: HttpRequest, workflow: Workflow) -> str:
    """Show where the draft answers, beside the URL of what is published."""
    found = WebhookTest.objects.filter(workflow=workflow).open(timezone.now()).with_production_paths()
    rows = [
        (
            values.link(test, test.node_id),
            url_of(test),
            production_url_of(test) or "not published",
            test.expires_at,
        )
        for test in found.select_related("workflow").order_by("node_id")[: MOST + 1]
    ]
    return values.table(("Node", "Test URL", "Production URL", "Until"), rows, most=MOST)


def _where(trigger: Trigger) -> str:
    if hasattr(trigger, "webhook_registration"):
        return values.link(trigger.webhook_registration)
    if hasattr(trigger, "scheduled_job"):
        job = trigger.scheduled_job
        return values.link(job, f"{job.rhythm} ({job.timezone})")
    return ""


@panel(WorkflowExecution, title="Deliveries", permission="triggers.view_webhookdelivery")
def deliveries_of_execution(request: HttpRequest, execution: WorkflowExecution) -> str:
    """Show the webhook request that started an execution, and its copies."""
    found = WebhookDelivery.objects.filter(execution=execution).defer("body", "headers", "query_string")
    rows = [
        (
            values.link(delivery, delivery.pk),
            delivery.method,
            values.pill(delivery.verdict),
            delivery.received_at,
            delivery.ip_address,
        )
        for delivery in found.order_by("-received_at", "-id")[: MOST + 1]
    ]
    more = values.list_link(WebhookDelivery, execution__id__exact=execution.pk)
    return values.table(("Delivery", "Method", "Verdict", "Received", "From"), rows, most=MOST, more=more)


@panel(OPERATIONS, title="Schedules that are overdue", permission="triggers.view_scheduledjob")
def overdue_schedules(request: HttpRequest, now: datetime) -> str:
    """Show schedules whose slot has come and was not fired: no sweep runs, or firing fails."""
    overdue = ScheduledJob.objects.due(now - OVERDUE).select_related("workflow").order_by("next_run", "id")
    rows = [
        (values.link(job), values.link(job.workflow), job.next_run, values.ago(job.next_run, now=now))
        for job in overdue[: MOST + 1]
    ]
    return values.table(("Schedule", "Workflow", "Slot", ""), rows, most=MOST)
