"""Published versions: to read, to look at, and to make the draft again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import WorkflowsProjectFilter
from projects.backoffice.pages import ReadOnlyPage
from workflows import services
from workflows.admin.workflows import picture
from workflows.models import WorkflowVersion


@admin.register(WorkflowVersion)
class VersionPage(ReadOnlyPage[WorkflowVersion]):
    """A version never changes."""

    change_form_template = "admin/segue/pictured.html"
    list_display = ("workflow", "number", "message", "short_hash", "created_by", "created_at")
    list_display_links = ("workflow", "number")
    list_select_related = ("workflow", "created_by")
    list_filter = ("created_at", WorkflowsProjectFilter)
    search_fields = ("workflow__name", "content_hash__startswith")
    search_help_text = "A part of the workflow's name, or the beginning of the hash."
    date_hierarchy = "created_at"
    fields = ("workflow_link", "number", "message", "content_hash", "created_by", "created_at", "text")
    readonly_fields = ("workflow_link", "text")
    large_columns = ("definition",)
    actions = ("restore",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkflowVersion]:
        return super().get_queryset(request).published()  # type: ignore[attr-defined, no-any-return]

    def row_context(self, request: HttpRequest, row: WorkflowVersion) -> dict[str, Any]:
        return {"picture": picture(row.definition, title=str(row))}

    @admin.display(description="workflow")
    def workflow_link(self, version: WorkflowVersion) -> SafeString | str:
        return values.link(version.workflow)

    @admin.display(description="hash")
    def short_hash(self, version: WorkflowVersion) -> str:
        return version.content_hash[:12]

    @admin.display(description="definition")
    def text(self, version: WorkflowVersion) -> SafeString | str:
        return values.payload(version.definition)

    @action("Make it the draft again")
    def restore(self, request: HttpRequest, version: WorkflowVersion) -> str:
        assert version.number is not None  # noqa: S101 - the page has no others
        services.restore_version(version.workflow, version.number, by=Actor.of(request), now=timezone.now())
        return "it is the draft now; publish it to run it."
