"""Approvals, what people said to them, the links of waiting nodes, and endpoints that are gone."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from executions import endpoints
from executions.models import Approval, ApprovalDecision, GoneEndpoint, Link, Verdict, WorkflowExecution
from executions.services import approvals
from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import ProjectFilter
from projects.backoffice.pages import ReadOnlyPage
from projects.backoffice.panels import panel
from projects.backoffice.searching import found_by_id
from workflows.nodes.webhook.form import answer_problems

MOST = 20


def _of_execution(execution: WorkflowExecution) -> SafeString | str:
    return values.link(execution, f"{values.shortened(execution.workflow_name, 40)} {values.short_id(execution)}")


class _OpenFilter(admin.SimpleListFilter):
    """Whether it still waits."""

    title = "open"
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("1", "Open")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Approval]) -> QuerySet[Approval]:
        return queryset.filter(ended_at__isnull=True) if self.value() == "1" else queryset


@admin.register(Approval)
class ApprovalPage(ReadOnlyPage[Approval]):
    """What waits for people. Here operators decide; a form is filled in on the approval's own page, if it has to be."""

    list_display = ("created_at", "title_shown", "state", "execution_link", "node_id", "deadline_at", "needed")
    list_select_related = ("project", "execution")
    list_filter = (_OpenFilter, "status", "created_at", ProjectFilter)
    search_fields = ("pk",)
    search_help_text = "The id of an approval or of an execution."
    large_columns = ("message", "details", "form")
    actions = ("approve", "reject")
    fields = (
        "execution_link",
        "node_id",
        "iteration",
        "title",
        "message_shown",
        "details_shown",
        "state",
        "who",
        "needed",
        "created_at",
        "until_shown",
        "ended_at",
        "form_shown",
        "page_link",
    )
    readonly_fields = (
        "execution_link",
        "state",
        "who",
        "message_shown",
        "details_shown",
        "until_shown",
        "form_shown",
        "page_link",
        "created_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Approval]:
        # Of the execution only what names it.
        return super().get_queryset(request).defer("execution__execution_context", "execution__result")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Approval], search_term: str
    ) -> tuple[QuerySet[Approval], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = found_by_id(queryset, term, belonging_to="execution")
        return (queryset.none() if found is None else found), False

    @admin.display(description="title")
    def title_shown(self, approval: Approval) -> str:
        return values.shortened(approval.title, 80)

    @admin.display(description="status")
    def state(self, approval: Approval) -> SafeString | str:
        return values.pill(approval.status)

    @admin.display(description="execution")
    def execution_link(self, approval: Approval) -> SafeString | str:
        return _of_execution(approval.execution)

    @admin.display(description="decided by")
    def who(self, approval: Approval) -> str:
        return approvals.who_decides(approval)

    @admin.display(description="message")
    def message_shown(self, approval: Approval) -> SafeString | str:
        return values.text_block(approval.message) if approval.message else values.NOTHING

    @admin.display(description="details")
    def details_shown(self, approval: Approval) -> SafeString | str:
        return values.payload(approval.details)

    @admin.display(description="until")
    def until_shown(self, approval: Approval) -> str:
        until, ends_with_execution = approvals.until(approval)
        return f"{values.cell(until)}{'; then the execution ends' if ends_with_execution else ''}"

    @admin.display(description="form")
    def form_shown(self, approval: Approval) -> SafeString | str:
        return values.payload(approval.form)

    @admin.display(description="page")
    def page_link(self, approval: Approval) -> SafeString:
        return format_html('<a href="{}">Where people decide</a>', reverse("approval-page", args=[approval.pk]))

    @action("Approve", applies=lambda approval: approval.is_open and not answer_problems(approval.form, {}))
    def approve(self, request: HttpRequest, approval: Approval) -> str:
        approvals.decide(approval, Verdict.APPROVE, by=Actor.of(request), now=timezone.now())
        return "approved." if not approval.is_open else "noted; others have to approve as well."

    @action("Reject", applies=lambda approval: approval.is_open)
    def reject(self, request: HttpRequest, approval: Approval) -> str:
        approvals.decide(approval, Verdict.REJECT, by=Actor.of(request), now=timezone.now())
        return "rejected."


@admin.register(ApprovalDecision)
class DecisionPage(ReadOnlyPage[ApprovalDecision]):
    """What people have said."""

    list_display = ("created_at", "approval_link", "name", "verdict", "comment_shown")
    list_select_related = ("approval", "user")
    list_filter = ("verdict", "created_at")
    search_fields = ("pk",)
    search_help_text = "The id of a decision or of an approval."
    large_columns = ("form",)
    fields = (
        "approval_link",
        "user",
        "name",
        "is_by_link",
        "verdict",
        "comment",
        "form_shown",
        "ip_address",
        "created_at",
    )
    readonly_fields = ("approval_link", "form_shown", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalDecision]:
        return super().get_queryset(request).defer("approval__message", "approval__details", "approval__form")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ApprovalDecision], search_term: str
    ) -> tuple[QuerySet[ApprovalDecision], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = found_by_id(queryset, term, belonging_to="approval")
        return (queryset.none() if found is None else found), False

    @admin.display(description="approval")
    def approval_link(self, decision: ApprovalDecision) -> SafeString | str:
        return values.link(decision.approval)

    @admin.display(description="comment")
    def comment_shown(self, decision: ApprovalDecision) -> str:
        return values.shortened(decision.comment, 80)

    @admin.display(description="form")
    def form_shown(self, decision: ApprovalDecision) -> SafeString | str:
        return values.payload(decision.form)


@admin.register(Link)
class LinkPage(ReadOnlyPage[Link]):
    """The one-time links of nodes that wait, without their tokens."""

    list_display = ("created_at", "execution_link", "node_id", "iteration", "answered_at")
    list_select_related = ("execution",)
    list_filter = ("created_at",)
    search_fields = ("pk",)
    search_help_text = "The id of a link or of an execution."
    large_columns = ("early",)
    fields = ("execution_link", "node_id", "iteration", "created_at", "answered_at", "early_shown")
    readonly_fields = ("execution_link", "created_at", "early_shown")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Link]:
        return super().get_queryset(request).defer("execution__execution_context", "execution__result", "early")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Link], search_term: str
    ) -> tuple[QuerySet[Link], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = found_by_id(queryset, term, belonging_to="execution")
        return (queryset.none() if found is None else found), False

    @admin.display(description="execution")
    def execution_link(self, link: Link) -> SafeString | str:
        return _of_execution(link.execution)

    @admin.display(description="came early")
    def early_shown(self, link: Link) -> SafeString | str:
        return values.payload(link.early)


@admin.register(GoneEndpoint)
class GoneEndpointPage(ReadOnlyPage[GoneEndpoint]):
    """URLs that have answered a signed call with 410. Nothing is sent there until they are enabled here."""

    list_display = ("created_at", "url_shown", "project", "execution_link")
    list_select_related = ("project", "execution")
    list_filter = ("created_at", ProjectFilter)
    search_fields = ("url__startswith",)
    search_help_text = "The beginning of the URL."
    actions = ("enable",)
    fields = ("project", "url", "execution_link", "created_at")
    readonly_fields = ("execution_link", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GoneEndpoint]:
        return super().get_queryset(request).defer("execution__execution_context", "execution__result")

    @admin.display(description="URL")
    def url_shown(self, endpoint: GoneEndpoint) -> str:
        return values.shortened(endpoint.url, 100)

    @admin.display(description="said in")
    def execution_link(self, endpoint: GoneEndpoint) -> SafeString | str:
        return _of_execution(endpoint.execution) if endpoint.execution else values.NOTHING

    @action("Enable again")
    def enable(self, request: HttpRequest, endpoint: GoneEndpoint) -> str:
        endpoints.enable(endpoint, by=Actor.of(request))
        return "enabled again."


@panel(WorkflowExecution, title="Approvals", permission="executions.view_approval")
def approvals_of_execution(request: HttpRequest, execution: WorkflowExecution) -> str:
    """Show what an execution asks people."""
    found = (
        Approval.objects.filter(execution=execution).defer("message", "details", "form").order_by("-created_at", "-id")
    )
    rows = [
        (
            values.link(each, each.title),
            each.node_id,
            each.iteration,
            values.pill(each.status),
            each.created_at,
            each.deadline_at or execution.deadline_at,
            format_html(
                '<a href="{}">{}</a>',
                reverse("approval-page", args=[each.pk]),
                "Decide" if each.is_open else "Decisions",
            ),
        )
        for each in found[: MOST + 1]
    ]
    headings = ["Approval", "Node", "Pass", "Status", "Asked", "Until", ""]
    return values.table(headings, rows, most=MOST, more=values.list_link(Approval, execution__id__exact=execution.pk))


@panel(Approval, title="Decisions", permission="executions.view_approvaldecision")
def decisions_of_approval(request: HttpRequest, approval: Approval) -> str:
    """Show who has said what."""
    rows = [
        (each.created_at, values.link(each, each.name or "Somebody with the link"), each.verdict, each.comment)
        for each in approval.decisions.order_by("created_at", "id")[: MOST + 1]
    ]
    return values.table(["At", "Who", "Verdict", "Comment"], rows, most=MOST)
