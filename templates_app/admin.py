"""The gallery. What a template is comes with its file; what stands out and what is trusted is decided here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe

from projects.backoffice import values
from projects.backoffice.pages import NoDeletion, Page
from templates_app.models import WorkflowTemplate
from workflows.drawing import draw


@admin.register(WorkflowTemplate)
class TemplatePage(NoDeletion, Page[WorkflowTemplate]):
    """Templates are loaded by ``manage.py load_gallery``; their flags and ratings stay through that."""

    change_form_template = "admin/segue/pictured.html"
    list_display = ("name", "category", "version", "author", "is_featured", "is_verified", "usage_count", "updated_at")
    list_filter = ("category", "is_featured", "is_verified")
    search_fields = ("name", "slug", "description")
    search_help_text = "A part of the name or the description."
    large_columns = ("workflow_definition",)
    fields = (
        "name",
        "slug",
        "description",
        "category",
        "version",
        "author",
        "is_featured",
        "is_verified",
        "rating",
        "usage_count",
        "tags",
        "required_tools",
        "required_models",
        "variables_shown",
        "definition_shown",
        "created_at",
        "updated_at",
    )
    readonly_fields = tuple(name for name in fields if name not in {"is_featured", "is_verified", "rating"})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def row_context(self, request: HttpRequest, row: WorkflowTemplate) -> dict[str, Any]:
        # The drawing has escaped whatever the definition holds.
        return {"picture": mark_safe(draw(row.workflow_definition, title=row.name))}  # noqa: S308

    @admin.display(description="required variables")
    def variables_shown(self, template: WorkflowTemplate) -> SafeString | str:
        return values.payload(template.required_variables)

    @admin.display(description="definition")
    def definition_shown(self, template: WorkflowTemplate) -> SafeString | str:
        return values.payload(template.workflow_definition)
