"""A node run's page."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from executions.admin.outputs import shown_output
from executions.models import WorkflowExecution, WorkflowExecutionLog
from projects.backoffice import values
from projects.backoffice.pages import ReadOnlyPage
from projects.backoffice.searching import found_by_id


@admin.register(WorkflowExecutionLog)
class NodeRunPage(ReadOnlyPage[WorkflowExecutionLog]):
    """The journal belongs to the engine; here it is read."""

    list_display = (
        "node_id",
        "iteration",
        "node_type",
        "attempt",
        "status_shown",
        "execution_link",
        "started_at",
        "took",
        "problem",
    )
    list_select_related = ("execution",)
    list_filter = ("status", "node_type")
    search_fields = ("pk",)
    search_help_text = "The id of an execution or of a node run."
    # By the primary key, which is ordered by time; an index by the time alone would be one more for the engine to write.
    ordering = ("-id",)
    large_columns = ("input_data", "output_data", "state", "answer")
    fields = (
        "execution_link",
        "node_id",
        "node_name",
        "node_type",
        "iteration",
        "attempt",
        "interruptions",
        "status_shown",
        "ports",
        "waits_for",
        "wake_at",
        "child_link",
        "reused_link",
        "is_edited",
        "is_pinned",
        "started_at",
        "completed_at",
        "took",
        "tokens_used",
        "cost_shown",
        "error_shown",
        "input_shown",
        "output_shown",
        "state_shown",
        "answer_shown",
    )
    readonly_fields = (
        "execution_link",
        "status_shown",
        "child_link",
        "reused_link",
        "is_edited",
        "is_pinned",
        "took",
        "cost_shown",
        "error_shown",
        "input_shown",
        "output_shown",
        "state_shown",
        "answer_shown",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkflowExecutionLog]:
        # Of the execution only what names it.
        return super().get_queryset(request).defer("execution__execution_context", "execution__result")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WorkflowExecutionLog], search_term: str
    ) -> tuple[QuerySet[WorkflowExecutionLog], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = found_by_id(queryset, term, belonging_to="execution")
        return (queryset.none() if found is None else found), False

    @admin.display(description="execution")
    def execution_link(self, node_run: WorkflowExecutionLog) -> SafeString | str:
        execution = node_run.execution
        return values.link(execution, f"{values.shortened(execution.workflow_name, 40)} {values.short_id(execution)}")

    @admin.display(description="with another output", boolean=True)
    def is_edited(self, node_run: WorkflowExecutionLog) -> bool:
        return node_run.is_edited

    @admin.display(description="pinned, not run", boolean=True)
    def is_pinned(self, node_run: WorkflowExecutionLog) -> bool:
        return node_run.is_pinned

    @admin.display(description="status")
    def status_shown(self, node_run: WorkflowExecutionLog) -> SafeString | str:
        return values.pill(node_run.status)

    @admin.display(description="took")
    def took(self, node_run: WorkflowExecutionLog) -> str:
        return values.seconds(None if node_run.duration_ms is None else node_run.duration_ms / 1000)

    @admin.display(description="cost")
    def cost_shown(self, node_run: WorkflowExecutionLog) -> str:
        return values.money(node_run.cost) or values.NOTHING

    @admin.display(description="problem")
    def problem(self, node_run: WorkflowExecutionLog) -> str:
        error = node_run.error if isinstance(node_run.error, dict) else {}
        return values.shortened(str(error.get("message", "")), 90)

    @admin.display(description="input")
    def input_shown(self, node_run: WorkflowExecutionLog) -> SafeString | str:
        return values.payload(node_run.input_data)

    @admin.display(description="output")
    def output_shown(self, node_run: WorkflowExecutionLog) -> SafeString | str:
        return shown_output(node_run)

    @admin.display(description="error")
    def error_shown(self, node_run: WorkflowExecutionLog) -> SafeString | str:
        return values.payload(node_run.error)

    @admin.display(description="passes")
    def state_shown(self, node_run: WorkflowExecutionLog) -> SafeString | str:
        return values.payload(node_run.state)

    @admin.display(description="answer")
    def answer_shown(self, node_run: WorkflowExecutionLog) -> SafeString | str:
        return values.payload(node_run.answer)

    @admin.display(description="started execution")
    def child_link(self, node_run: WorkflowExecutionLog) -> SafeString | str:
        """Lead to the execution that it has started."""
        child = WorkflowExecution.objects.filter(parent_node_run_id=node_run.pk).only("workflow_name").first()
        return values.link(child)

    @admin.display(description="taken over from")
    def reused_link(self, node_run: WorkflowExecutionLog) -> SafeString | str:
        """Lead to the node run whose output it has, which may be cleaned up by now."""
        if node_run.reused_from is None:
            return values.NOTHING
        source = WorkflowExecutionLog.objects.filter(pk=node_run.reused_from).only("node_id", "status").first()
        return values.link(source) if source else f"{node_run.reused_from} (deleted)"
