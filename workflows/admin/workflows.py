"""A workflow's page: its draft as text and as a picture, what keeps it from being published, and its switches."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import ProjectFilter
from projects.backoffice.pages import NoDeletion, Page
from workflows import services
from workflows.admin.fields import JsonField
from workflows.drawing import draw
from workflows.models import Workflow, WorkflowStatus, WorkflowVersion

FIRST_DRAFT = {
    "schema": 1,
    "nodes": [
        {"id": "start", "type": "trigger", "name": "Start", "config": {"kind": "manual"}},
        {"id": "end", "type": "output", "name": "End", "config": {}},
    ],
    "edges": [{"source": "start", "target": "end"}],
}


def has_status(*statuses: WorkflowStatus) -> Any:
    """Return a test whether a workflow has one of these statuses."""
    return lambda workflow: workflow.status in statuses


class WorkflowForm(forms.ModelForm):  # type: ignore[type-arg]  # Generic in the stubs alone.
    """The draft as JSON. It is saved only if nobody else saved it since it was read."""

    draft = JsonField(
        label="Draft", rows=24, help_text="The definition, as JSON. It may have problems until it is published."
    )
    etag = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Workflow
        fields = ("project", "name", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        is_new = self.instance._state.adding
        self.initial["draft"] = FIRST_DRAFT if is_new else self.instance.definition
        self.initial["etag"] = "" if is_new else self.instance.etag


@admin.register(Workflow)
class WorkflowPage(NoDeletion, Page[Workflow]):
    """What is saved and switched here goes through the same services as on the API."""

    form = WorkflowForm
    change_form_template = "admin/segue/workflow.html"
    list_display = ("name", "state", "version", "project_link", "created_by", "updated_at")
    list_select_related = ("project", "created_by")
    list_filter = ("status", ProjectFilter)
    search_fields = ("name", "project__name")
    search_help_text = "A part of the workflow's or the project's name."
    autocomplete_fields = ("project",)
    large_columns = ("definition",)
    actions = ("publish", "pause", "resume", "disable", "enable", "archive", "unarchive")

    def get_fields(self, request: HttpRequest, obj: Workflow | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("project", "name", "description", "draft", "etag")
        if self.has_change_permission(request, obj):
            return ("name", "description", "draft", "etag")
        return ("name", "description", "draft_shown")

    def get_readonly_fields(self, request: HttpRequest, obj: Workflow | None = None) -> tuple[str, ...]:
        return ("draft_shown",)

    def has_change_permission(self, request: HttpRequest, obj: Workflow | None = None) -> bool:
        is_archived = obj is not None and obj.status == WorkflowStatus.ARCHIVED
        return not is_archived and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Workflow, form: forms.ModelForm[Workflow], change: bool) -> None:
        by, now, asked = Actor.of(request), timezone.now(), form.cleaned_data
        texts = {"name": asked["name"], "description": asked["description"]}
        if change:
            services.save_draft(obj, definition=asked["draft"], if_match=asked["etag"] or None, by=by, now=now, **texts)
        else:
            made = services.create_workflow(obj.project, definition=asked["draft"], by=by, now=now, **texts)
            obj.pk = made.pk

    def row_context(self, request: HttpRequest, row: Workflow) -> dict[str, Any]:
        published = row.versions.filter(number=row.version).first()
        is_same = published is not None and published.definition == row.definition
        return {
            "problems": services.validate(row),
            "draft_picture": None if is_same else picture(row.definition, title=f"Draft of {row.name}"),
            "published": published,
            "published_picture": published and picture(published.definition, title=f"{row.name}, as published"),
            "variables": row.variables.order_by("name"),
            "versions_link": values.list_link(WorkflowVersion, "All versions", workflow__id__exact=row.pk),
        }

    @admin.display(description="status", ordering="status")
    def state(self, workflow: Workflow) -> SafeString | str:
        return values.pill(workflow.status)

    @admin.display(description="project")
    def project_link(self, workflow: Workflow) -> SafeString | str:
        return values.link(workflow.project)

    @admin.display(description="draft")
    def draft_shown(self, workflow: Workflow) -> SafeString | str:
        return values.payload(workflow.definition)

    @action("Publish the draft", applies=lambda workflow: workflow.status != WorkflowStatus.ARCHIVED)
    def publish(self, request: HttpRequest, workflow: Workflow) -> str:
        version = services.publish(workflow, by=Actor.of(request), now=timezone.now())
        return f"version {version.number} is published."

    @action("Pause", applies=has_status(WorkflowStatus.ACTIVE))
    def pause(self, request: HttpRequest, workflow: Workflow) -> str:
        services.pause(workflow, by=Actor.of(request), now=timezone.now())
        return "paused; what comes in waits."

    @action("Resume", applies=has_status(WorkflowStatus.PAUSED))
    def resume(self, request: HttpRequest, workflow: Workflow) -> str:
        services.resume(workflow, by=Actor.of(request), now=timezone.now())
        return "resumed; what waited goes on."

    @action("Disable", applies=has_status(WorkflowStatus.ACTIVE, WorkflowStatus.PAUSED))
    def disable(self, request: HttpRequest, workflow: Workflow) -> str:
        reason = f"Switched off by {request.user.get_username()} in the admin."
        services.disable(workflow, reason=reason, by=Actor.of(request), now=timezone.now())
        return "disabled; what comes in is refused."

    @action("Enable", applies=has_status(WorkflowStatus.DISABLED))
    def enable(self, request: HttpRequest, workflow: Workflow) -> str:
        services.enable(workflow, by=Actor.of(request), now=timezone.now())
        return "enabled."

    @action("Archive", applies=lambda workflow: workflow.status != WorkflowStatus.ARCHIVED)
    def archive(self, request: HttpRequest, workflow: Workflow) -> str:
        services.archive(workflow, by=Actor.of(request), now=timezone.now())
        return "archived."

    @action("Bring back from the archive", applies=has_status(WorkflowStatus.ARCHIVED))
    def unarchive(self, request: HttpRequest, workflow: Workflow) -> str:
        services.unarchive(workflow, by=Actor.of(request), now=timezone.now())
        return f"it is {workflow.status} now."


def picture(definition: Any, *, title: str) -> SafeString:
    """Return the drawing of a definition, which has escaped whatever the definition holds."""
    return mark_safe(draw(definition, title=title))  # noqa: S308
