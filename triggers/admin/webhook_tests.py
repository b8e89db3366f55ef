"""Test URLs, and what came to them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import WorkflowsProjectFilter
from projects.backoffice.pages import ReadOnlyPage
from projects.backoffice.panels import panel
from triggers import services
from triggers.models import WebhookTest, WebhookTestDelivery
from triggers.services.webhook_tests import webhooks_of_draft
from workflows.models import Workflow, WorkflowStatus

MOST = 20


@admin.register(WebhookTest)
class WebhookTestPage(ReadOnlyPage[WebhookTest]):
    """An address at which the draft answers for a while. They are made on the workflow's page."""

    list_display = ("node_id", "workflow_link", "expires_at", "created_by", "created_at")
    list_select_related = ("workflow", "created_by")
    list_filter = (WorkflowsProjectFilter,)
    search_fields = ("workflow__name",)
    search_help_text = "A part of the workflow's name."
    fields = ("node_id", "workflow_link", "url", "expires_at", "created_by", "created_at")
    readonly_fields = ("workflow_link", "url")
    actions = ("end",)

    @admin.display(description="workflow")
    def workflow_link(self, test: WebhookTest) -> SafeString | str:
        return values.link(test.workflow)

    @admin.display(description="test URL")
    def url(self, test: WebhookTest) -> str:
        return services.url_of(test)

    @action("End the test URL, and forget what came")
    def end(self, request: HttpRequest, test: WebhookTest) -> str:
        services.close_test(test, by=Actor.of(request))
        return "ended."


@panel(WebhookTest, title="What came in", permission="triggers.view_webhooktestdelivery")
def deliveries_of_test(request: HttpRequest, test: WebhookTest) -> str:
    """Show the latest requests to a test URL."""
    found = test.deliveries.order_by("-received_at", "-id").defer("body", "headers", "query_string")
    rows = [
        (
            values.link(each, each.pk),
            each.method,
            values.pill(each.verdict),
            each.reason,
            each.received_at,
            values.link(each.execution, "its execution") if each.execution else "",
        )
        for each in found.select_related("execution")[: MOST + 1]
    ]
    more = values.list_link(WebhookTestDelivery, test__id__exact=test.pk)
    return values.table(("Request", "Method", "Verdict", "Reason", "Received", "Execution"), rows, most=MOST, more=more)


@admin.register(WebhookTestDelivery)
class WebhookTestDeliveryPage(ReadOnlyPage[WebhookTestDelivery]):
    """A request to a test URL, as it came."""

    list_display = ("received_at", "state", "test_link", "method", "reason_code", "ip_address")
    list_select_related = ("test__workflow",)
    list_filter = ("verdict",)
    search_fields = ("test__workflow__name",)
    search_help_text = "A part of the workflow's name."
    ordering = ("-received_at", "-id")
    large_columns = ("body", "headers", "query_string")
    fields = (
        "received_at",
        "state",
        "reason",
        "test_link",
        "execution_link",
        "method",
        "path",
        "query_string",
        "ip_address",
        "headers_shown",
        "body_shown",
    )
    readonly_fields = ("state", "test_link", "execution_link", "headers_shown", "body_shown")

    @admin.display(description="verdict")
    def state(self, delivery: WebhookTestDelivery) -> SafeString | str:
        return values.pill(delivery.verdict)

    @admin.display(description="test URL")
    def test_link(self, delivery: WebhookTestDelivery) -> SafeString | str:
        return values.link(delivery.test)

    @admin.display(description="execution")
    def execution_link(self, delivery: WebhookTestDelivery) -> SafeString | str:
        return values.link(delivery.execution)

    @admin.display(description="headers")
    def headers_shown(self, delivery: WebhookTestDelivery) -> SafeString | str:
        return values.payload(delivery.headers)

    @admin.display(description="body")
    def body_shown(self, delivery: WebhookTestDelivery) -> SafeString:
        return values.text_block(bytes(delivery.body).decode(errors="backslashreplace"))


@action("Make test URLs of the draft", applies=lambda workflow: workflow.status != WorkflowStatus.ARCHIVED)
def make_test_urls(page: Any, request: HttpRequest, workflow: Workflow) -> SafeString:
    """Give each webhook trigger of a draft its test URL."""
    by, now = Actor.of(request), timezone.now()
    tests = [
        services.open_test(workflow, node_id=node_id, by=by, now=now)
        for node_id in webhooks_of_draft(workflow, by=by, now=now)
    ]
    if not tests:
        return format_html("the draft has no webhook trigger.")
    return format_html("the draft answers at {}.", ", ".join(services.url_of(test) for test in tests))


# The page of workflows lies below and knows nothing of webhooks.
_workflow_page = admin.site.get_model_admin(Workflow)
_workflow_page.actions = (*(_workflow_page.actions or ()), make_test_urls)
