"""What lists of workflows can be narrowed by."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from projects.filters import TrueOrFalseFilter
from workflows.models import Workflow, WorkflowStatus


class WorkflowFilter(django_filters.FilterSet):
    """Archived workflows are in a list only when it is asked for them."""

    project = django_filters.UUIDFilter(field_name="project_id", help_text="The project's id.")
    status = django_filters.MultipleChoiceFilter(
        choices=WorkflowStatus.choices, help_text="One status; several times for several."
    )
    search = django_filters.CharFilter(
        field_name="name",
        lookup_expr="icontains",
        max_length=200,
        help_text="Part of the name, in upper or lower case.",
    )
    include_archived = TrueOrFalseFilter(method="keep_all", help_text="Whether archived ones are listed, too.")

    class Meta:
        model = Workflow
        fields: list[str] = []

    def keep_all(self, queryset: QuerySet[Workflow], name: str, value: bool) -> QuerySet[Workflow]:
        """Do nothing; :meth:`filter_queryset` looks at it."""
        return queryset

    def filter_queryset(self, queryset: QuerySet[Workflow]) -> QuerySet[Workflow]:
        asked = self.form.cleaned_data
        if not asked["status"] and not asked["include_archived"]:
            queryset = queryset.exclude(status=WorkflowStatus.ARCHIVED)
        narrowed: QuerySet[Workflow] = super().filter_queryset(queryset)
        return narrowed
