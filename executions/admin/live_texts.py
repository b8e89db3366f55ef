"""The admin's page of what models are answering at this moment."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from executions.models import LiveText
from projects.backoffice import values
from projects.backoffice.filters import ProjectFilter
from projects.backoffice.pages import ReadOnlyPage


class TextsProjectFilter(ProjectFilter):
    """The same, of pieces of text."""

    path = "execution__project"


@admin.register(LiveText)
class LiveTextPage(ReadOnlyPage[LiveText]):
    """Pieces of answers that are coming in. They go soon after; the whole answer is the node run's output."""

    list_display = ("__str__", "execution_link", "created_at")
    list_select_related = ("execution",)
    list_filter = (TextsProjectFilter,)
    ordering = ("-id",)
    search_fields = ("node_run_id__exact",)
    search_help_text = "The id of a node run."
    fields = ("execution", "node_run_id", "number", "text", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LiveText]:
        # A list of pieces of one answer would read what went into its execution, which may be megabytes, with each.
        return super().get_queryset(request).defer("execution__execution_context", "execution__result")

    @admin.display(description="execution")
    def execution_link(self, piece: LiveText) -> SafeString | str:
        return values.link(piece.execution)
