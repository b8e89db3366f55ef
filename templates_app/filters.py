"""What the list of templates can be narrowed by."""

from __future__ import annotations

import django_filters
from django.db.models import Q, QuerySet

from projects.filters import TrueOrFalseFilter
from templates_app.models import WorkflowTemplate


class TemplateFilter(django_filters.FilterSet):
    """By name, kind and what it is about."""

    slug = django_filters.CharFilter(max_length=100, help_text="The template's stable name, exactly.")
    category = django_filters.CharFilter(max_length=64, help_text="The category, exactly.")
    tag = django_filters.CharFilter(max_length=64, method="having_tag", help_text="One tag, exactly.")
    featured = TrueOrFalseFilter(field_name="is_featured")
    search = django_filters.CharFilter(
        max_length=200, method="mentioning", help_text="Part of the name or the description, in upper or lower case."
    )

    class Meta:
        model = WorkflowTemplate
        fields: list[str] = []

    def having_tag(self, queryset: QuerySet[WorkflowTemplate], name: str, value: str) -> QuerySet[WorkflowTemplate]:
        """Look for the tag in the list's text, for SQLite cannot look into lists. Tags hold no quotes."""
        return queryset.filter(tags__icontains=f'"{value}"')

    def mentioning(self, queryset: QuerySet[WorkflowTemplate], name: str, value: str) -> QuerySet[WorkflowTemplate]:
        return queryset.filter(Q(name__icontains=value) | Q(description__icontains=value))
