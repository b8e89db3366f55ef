"""How lists are narrowed."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from projects.models import Project

MOST_CHOICES = 50


class ProjectFilter(admin.SimpleListFilter):
    """Narrows a list to one project. The choices are the first by name; links lead to the others."""

    title = "project"
    parameter_name = "project"
    path: ClassVar[str] = "project"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        projects = Project.objects.order_by("name", "id").values_list("pk", "name")[:MOST_CHOICES]
        return [(str(pk), name) for pk, name in projects]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        try:
            return queryset.filter(**{self.path: self.value()})
        except (ValidationError, ValueError) as error:
            raise IncorrectLookupParameters(error) from error


class WorkflowsProjectFilter(ProjectFilter):
    """The same, of rows that belong to a workflow."""

    path = "workflow__project"
