"""An execution's page: what became of each node, why it does not move, what went in and came out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast, Left
from django.forms import TextInput
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from executions import services
from executions.admin.health import operations_view
from executions.admin.outputs import shown_result
from executions.admin.rerunning import rerun_from
from executions.admin.words import why
from executions.blockers import MOST_BLOCKERS, blockers
from executions.engine.clock import database_now
from executions.live.reader import present_position
from executions.models import WorkflowExecution, WorkflowExecutionLog
from executions.pictures import picture_of
from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import ProjectFilter
from projects.backoffice.pages import ReadOnlyPage
from projects.backoffice.searching import found_by_id
from workflows.models import Workflow

MOST_NODE_RUNS = 200
MOST_RERUNS = 20
MOST_CHILDREN = 20
EXCERPT = 160
# A path of passes.
NUMBERS = r"^\d+(\.\d+)*$"


@admin.register(WorkflowExecution)
class ExecutionPage(ReadOnlyPage[WorkflowExecution]):
    """Only the engine writes executions. Here they are seen, cancelled and run again."""

    change_form_template = "admin/segue/execution.html"
    list_display = ("short_id", "state", "workflow_link", "reason", "origin", "created_at", "took")
    list_display_links = ("short_id",)
    list_select_related = ("workflow_version", "workflow")
    list_filter = ("status", "blocked_on", "triggered_by", "created_at", ProjectFilter)
    search_fields = ("pk",)
    search_help_text = "The id of an execution or of a workflow, or a part of a workflow's name."
    large_columns = ("execution_context", "result")
    actions = ("cancel", "rerun", "rerun_newest", rerun_from)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WorkflowExecution], search_term: str
    ) -> tuple[QuerySet[WorkflowExecution], bool]:
        """Search by what has an index: ids, and the names of workflows, of which there are few."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = found_by_id(queryset, term, belonging_to="workflow")
        if found is None:
            found = queryset.filter(workflow__in=Workflow.objects.filter(name__icontains=term).values("pk"))
        return found, False

    def get_urls(self) -> list[URLPattern]:
        health = path("operations/", self.admin_site.admin_view(operations_view), name="executions_operations")
        return [health, *super().get_urls()]

    def row_context(self, request: HttpRequest, row: WorkflowExecution) -> dict[str, Any]:
        now = database_now()
        # Before the rest is read: what happens meanwhile is told.
        watched_from = "" if row.has_ended else present_position(row.pk).to_id()
        children = list(row.children.defer("execution_context", "result").order_by("pk")[: MOST_CHILDREN + 1])
        wanted = NodeRunsWanted(request.GET)
        node_runs = list(_node_runs(row, wanted)[: MOST_NODE_RUNS + 1])
        waits_for = list(blockers(row).defer("execution_context", "result")[: MOST_BLOCKERS + 1])
        return {
            "why": why(row, now=now),
            "watched_from": watched_from,
            "blockers": waits_for[:MOST_BLOCKERS],
            "has_more_blockers": len(waits_for) > MOST_BLOCKERS,
            # The drawing has escaped whatever the version holds.
            "picture": mark_safe(picture_of(row)),  # noqa: S308
            "wanted": wanted,
            "node_runs": node_runs[:MOST_NODE_RUNS],
            "more_node_runs": values.list_link(WorkflowExecutionLog, execution__id__exact=row.pk, **wanted.columns)
            if len(node_runs) > MOST_NODE_RUNS
            else "",
            "trigger_value": values.payload(row.execution_context.get("trigger")),
            "begins_at": row.execution_context.get("node_id"),
            "result": shown_result(row),
            "error": values.payload(row.error),
            "took": self.took(row),
            "cost": values.money(row.cost, is_complete=row.is_cost_complete),
            "rerun_from": row.execution_context.get("rerun_from"),
            "reruns": row.reruns.order_by("-created_at", "-id")[:MOST_RERUNS],
            "children": children[:MOST_CHILDREN],
            "more_children": values.list_link(WorkflowExecution, parent__id__exact=row.pk)
            if len(children) > MOST_CHILDREN
            else "",
            "error_workflow": row.failure_handlers.order_by("pk").first(),
        }

    @admin.display(description="execution")
    def short_id(self, execution: WorkflowExecution) -> SafeString:
        return format_html('<code title="{}">{}</code>', execution.pk, values.short_id(execution))

    @admin.display(description="status")
    def state(self, execution: WorkflowExecution) -> SafeString | str:
        return values.pill(execution.status)

    @admin.display(description="because")
    def reason(self, execution: WorkflowExecution) -> str:
        if execution.has_ended:
            error = execution.error if isinstance(execution.error, dict) else {}
            return values.shortened(str(error.get("message", "")), 90)
        return values.shortened(execution.blocked_detail or execution.blocked_on or "", 90)

    @admin.display(description="workflow")
    def workflow_link(self, execution: WorkflowExecution) -> SafeString | str:
        name = values.shortened(execution.workflow_name, 60)
        return values.link(execution.workflow, f"{name} {execution.workflow_version.label}")

    @admin.display(description="by")
    def origin(self, execution: WorkflowExecution) -> str:
        return execution.triggered_by

    @admin.display(description="took")
    def took(self, execution: WorkflowExecution) -> str:
        return values.seconds(execution.duration_seconds)

    @action("Cancel", applies=lambda execution: not execution.has_ended)
    def cancel(self, request: HttpRequest, execution: WorkflowExecution) -> str:
        services.cancel_execution(execution, by=Actor.of(request), now=timezone.now())
        return "cancelled."

    @action("Run again", applies=lambda execution: execution.has_ended)
    def rerun(self, request: HttpRequest, execution: WorkflowExecution) -> SafeString:
        again = services.rerun_execution(execution, by=Actor.of(request), now=timezone.now())
        return format_html("runs again as {}.", values.link(again))

    @action("Run again on the newest version", applies=lambda execution: execution.has_ended)
    def rerun_newest(self, request: HttpRequest, execution: WorkflowExecution) -> SafeString:
        again = services.rerun_execution(execution, by=Actor.of(request), now=timezone.now(), newest=True)
        return format_html("runs again on the newest version as {}.", values.link(again))


class NodeRunsWanted(forms.Form):
    """Which node runs the page lists: those of one node, of one pass, or all."""

    node = forms.CharField(required=False, max_length=64, label="Node")
    iteration = forms.RegexField(NUMBERS, required=False, max_length=100, label="Pass", widget=TextInput({"size": 8}))

    @property
    def columns(self) -> dict[str, str]:
        """What is asked for, as conditions."""
        asked = self.cleaned_data if self.is_valid() else {}
        named = {"node_id": asked.get("node"), "iteration": asked.get("iteration")}
        return {column: value for column, value in named.items() if value}


def _node_runs(execution: WorkflowExecution, wanted: NodeRunsWanted) -> QuerySet[WorkflowExecutionLog]:
    """Return the node runs with the beginnings of what went in and came out: the whole may be megabytes each."""
    return (
        execution.node_runs.filter(**wanted.columns)
        .defer("input_data", "output_data", "state", "answer")
        .annotate(
            input_excerpt=Left(Cast("input_data", TextField()), EXCERPT),
            output_excerpt=Left(Cast("output_data", TextField()), EXCERPT),
        )
        .order_by("started_at", "id")
    )
