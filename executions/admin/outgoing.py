"""The admin's pages of limits for calls to the outside, and of hosts that have asked to be left alone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from executions.models import OutgoingCall, OutgoingHold, OutgoingLimit
from executions.outgoing import services
from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.filters import ProjectFilter
from projects.backoffice.forms import CheckedForm
from projects.backoffice.pages import Page, ReadOnlyPage

_COLUMNS = ("host", "secret_name", "per_minute", "burst", "at_once")


class LimitForm(CheckedForm[OutgoingLimit]):
    check = services.check


@admin.register(OutgoingLimit)
class OutgoingLimitPage(Page[OutgoingLimit]):
    """How often, and how many at once, a project calls a host or uses a secret."""

    form = LimitForm
    list_display = ("__str__", "project_link", "per_minute", "burst", "at_once", "created_at")
    list_select_related = ("project",)
    list_filter = (ProjectFilter,)
    search_fields = ("host", "secret_name")
    search_help_text = "A part of the host's or the secret's name."
    autocomplete_fields = ("project",)
    fields = ("project", *_COLUMNS, "created_at", "updated_at")

    def get_readonly_fields(self, request: HttpRequest, obj: OutgoingLimit | None = None) -> tuple[str, ...]:
        moments = ("created_at", "updated_at")
        return moments if obj is None else ("project", *moments)

    @admin.display(description="project")
    def project_link(self, limit: OutgoingLimit) -> SafeString | str:
        return values.link(limit.project)

    def save_model(
        self, request: HttpRequest, obj: OutgoingLimit, form: forms.ModelForm[OutgoingLimit], change: bool
    ) -> None:
        by = Actor.of(request)
        asked: dict[str, Any] = {name: form.cleaned_data[name] for name in _COLUMNS}
        if change:
            services.change_limit(obj, by=by, **asked)
        else:
            obj.pk = services.create_limit(obj.project, by=by, now=timezone.now(), **asked).pk

    def delete_model(self, request: HttpRequest, obj: OutgoingLimit) -> None:
        services.delete_limit(obj, by=Actor.of(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # The calls that are under way go with it.
        to_delete, counts, _, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(), protected


class CallsProjectFilter(ProjectFilter):
    """The same, of calls."""

    path = "limit__project"


@admin.register(OutgoingCall)
class OutgoingCallPage(ReadOnlyPage[OutgoingCall]):
    """Calls that are under way under a limit of how many there may be at once."""

    list_display = ("limit_link", "created_at", "expires_at")
    list_select_related = ("limit",)
    list_filter = (CallsProjectFilter,)
    search_fields = ("limit__host", "limit__secret_name")
    search_help_text = "A part of the host's or the secret's name."
    fields = ("limit", "created_at", "expires_at")

    @admin.display(description="limit")
    def limit_link(self, call: OutgoingCall) -> SafeString | str:
        return values.link(call.limit)


@admin.register(OutgoingHold)
class OutgoingHoldPage(Page[OutgoingHold]):
    """Hosts that have asked for time. Removing one lets the host be called again."""

    list_display = ("host", "project_link", "until", "created_at")
    list_select_related = ("project",)
    list_filter = (ProjectFilter,)
    search_fields = ("host",)
    search_help_text = "A part of the host's name."
    fields = ("project", "host", "until", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutgoingHold | None = None) -> bool:
        return False

    @admin.display(description="project")
    def project_link(self, hold: OutgoingHold) -> SafeString | str:
        return values.link(hold.project)

    def delete_model(self, request: HttpRequest, obj: OutgoingHold) -> None:
        services.lift_hold(obj, by=Actor.of(request))
