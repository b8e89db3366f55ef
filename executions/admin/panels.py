"""What the pages of projects and workflows show of their executions."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from executions import statistics
from executions.charts import bars
from executions.models import WorkflowExecution
from projects.backoffice import values
from projects.backoffice.counting import TooSlow, patience
from projects.backoffice.panels import panel
from projects.models import Project
from workflows.models import Workflow

PERMISSION = "executions.view_workflowexecution"
MOST_LATEST = 10


@panel(Project, title="The last 30 days", permission=PERMISSION)
def project_statistics(request: HttpRequest, project: Project) -> str:
    """Show how a project's executions went."""
    return _statistics(WorkflowExecution.objects.filter(project=project))


@panel(Workflow, title="The last 30 days", permission=PERMISSION)
def workflow_statistics(request: HttpRequest, workflow: Workflow) -> str:
    """Show how a workflow's executions went."""
    return _statistics(WorkflowExecution.objects.filter(workflow=workflow))


@panel(Project, title="Latest executions", permission=PERMISSION)
def latest_of_project(request: HttpRequest, project: Project) -> str:
    """Show a project's latest executions."""
    return _latest(WorkflowExecution.objects.filter(project=project), project=project.pk)


@panel(Workflow, title="Latest executions", permission=PERMISSION)
def latest_of_workflow(request: HttpRequest, workflow: Workflow) -> str:
    """Show a workflow's latest executions."""
    return _latest(WorkflowExecution.objects.filter(workflow=workflow), workflow__id__exact=workflow.pk)


def _statistics(executions: QuerySet[WorkflowExecution]) -> str:
    zone = timezone.get_current_timezone()
    period = statistics.period(now=timezone.now(), zone=statistics.zone_of(str(zone)))
    try:
        with patience():
            summary = statistics.summarize(executions, period)
    except TooSlow:
        return "There are too many executions to add up here; ask the API for a shorter time."
    total = summary.total
    if not total.executions:
        return "No executions in this time."
    context = {
        "total": total,
        "by_status": [(status, count) for status, count in total.by_status.items() if count],
        "success": values.NOTHING if total.success_rate is None else f"{total.success_rate:.1%}",
        "average": values.seconds(total.average_seconds),
        "p95": values.seconds(total.p95_seconds),
        "cost": values.money(total.cost, is_complete=total.is_cost_complete),
        "chart": bars(summary.by_day),
    }
    return render_to_string("admin/segue/statistics.html", context)


def _latest(executions: QuerySet[WorkflowExecution], **filters: Any) -> str:
    latest = executions.select_related("workflow_version").defer("execution_context", "result")
    rows = [
        (
            values.link(execution, values.short_id(execution)),
            values.pill(execution.status),
            f"{execution.workflow_name} {execution.workflow_version.label}",
            execution.triggered_by,
            execution.created_at,
            values.seconds(execution.duration_seconds),
        )
        for execution in latest.order_by("-created_at", "-id")[: MOST_LATEST + 1]
    ]
    headings = ("Execution", "Status", "Workflow", "Started by", "Accepted", "Took")
    return values.table(headings, rows, most=MOST_LATEST, more=values.list_link(WorkflowExecution, **filters))
