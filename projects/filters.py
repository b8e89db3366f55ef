"""How lists are filtered: what a query string may say, and what it may not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from projects.exceptions import Invalid, did_you_mean
from projects.models import AuditEntry


class _MomentField(IsoDateTimeField):
    def to_python(self, value: Any) -> datetime | None:
        moment: datetime | None = super().to_python(value)
        try:
            return moment.astimezone(UTC) if moment is not None else None
        except OverflowError:
            raise DjangoValidationError("This moment lies outside of the years 1 to 9999 of UTC.", "overflow") from None


class MomentFilter(django_filters.IsoDateTimeFilter):
    """By a moment in ISO 8601, which the calendar must have in UTC as well: databases compare it there."""

    field_class = _MomentField


class _TrueOrFalseField(forms.NullBooleanField):
    widget = forms.Select(choices=[("", "---------"), ("true", "true"), ("false", "false")])

    # The stubs have forgotten the null in its name.
    def to_python(self, value: Any) -> bool | None:  # type: ignore[override]
        if value in self.empty_values:
            return None
        given = str(value).lower()
        if given not in ("true", "false"):
            raise DjangoValidationError("This is true or false.", "invalid")
        return given == "true"


class TrueOrFalseFilter(django_filters.BooleanFilter):
    """By a yes or no. Django's own field takes every mistake, also 1, for "not asked", and the list has everything."""

    field_class = _TrueOrFalseField


# What one list may be narrowed by at once: values, not names, because some may come several times.
MAX_TERMS = 10


class StrictFilterBackend(DjangoFilterBackend):
    """Refuses parameters that mean nothing: a mistyped filter must not answer with everything."""

    # REST framework's request stands in for Django's, as it does everywhere.
    def filter_queryset(  # type: ignore[override]
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        filterset = self.get_filterset(request, queryset, view)
        known = {*_filter_names(filterset), *_other_names(view)}
        unknown = {
            f"{name}": [ErrorDetail(f"There is no parameter {name}. {did_you_mean(name, known)}", "unknown_parameter")]
            for name in request.query_params
            if name not in known
        }
        if unknown:
            raise ValidationError(unknown)
        terms = sum(len(request.query_params.getlist(name)) for name in set(_filter_names(filterset)))
        if terms > MAX_TERMS:
            raise Invalid(f"The list is narrowed by {terms} values; at most {MAX_TERMS} are allowed.")
        return super().filter_queryset(request, queryset, view)


def _filter_names(filterset: Any) -> Iterator[str]:
    if filterset is None:
        return
    for name, field in filterset.form.fields.items():
        # A range is two parameters: created_after and created_before.
        suffixes = getattr(field.widget, "suffixes", None)
        yield from (f"{name}_{suffix}" if suffix else name for suffix in suffixes or [""])


def _other_names(view: APIView) -> Iterator[str]:
    paginator = getattr(view, "paginator", None)
    for attribute in ("cursor_query_param", "page_size_query_param"):
        if name := getattr(paginator, attribute, None):
            yield name
    if api_settings.URL_FORMAT_OVERRIDE:
        yield api_settings.URL_FORMAT_OVERRIDE


class AuditEntryFilter(django_filters.FilterSet):
    """By whom, to what, when."""

    project = django_filters.UUIDFilter(field_name="project_id")
    actor = django_filters.NumberFilter(field_name="actor_id")
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lte")

    class Meta:
        model = AuditEntry
        fields = ["project", "actor", "action", "target_type", "target_id"]
