"""Triggers: what a version says, and an operator's switch."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import WorkflowsProjectFilter
from projects.backoffice.pages import ReadOnlyPage
from triggers import services
from triggers.models import Trigger
from triggers.services.status import TriggerStatus


@admin.register(Trigger)
class TriggerPage(ReadOnlyPage[Trigger]):
    """Their settings come with a version; only the switch is an operator's."""

    list_display = ("node_id", "type", "workflow_link", "is_active", "is_registered", "updated_at")
    list_select_related = ("workflow",)
    list_filter = ("type", "is_active", "is_registered", WorkflowsProjectFilter)
    search_fields = ("node_id__exact", "workflow__name")
    search_help_text = "Exactly the node's id, or a part of the workflow's name."
    fields = (
        "workflow_link",
        "node_id",
        "type",
        "state",
        "last_fired",
        "next_fire",
        "is_active",
        "is_registered",
        "settings",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("workflow_link", "state", "last_fired", "next_fire", "settings")
    actions = ("switch_on", "switch_off")

    @admin.display(description="workflow")
    def workflow_link(self, trigger: Trigger) -> SafeString | str:
        return values.link(trigger.workflow)

    @admin.display(description="state")
    def state(self, trigger: Trigger) -> SafeString | str:
        found = _status(trigger)
        word = values.pill("active" if found.fires else "off")
        reasons = ((reason.message,) for reason in (*found.obstacles, *found.remarks))
        return format_html("{}{}", word, format_html_join("", "<br>{}", reasons))

    @admin.display(description="fired last")
    def last_fired(self, trigger: Trigger) -> SafeString | str:
        execution = _status(trigger).last_execution
        if execution is None:
            return values.NOTHING
        at = f"{execution.created_at:%Y-%m-%d %H:%M:%S %Z}"
        return format_html(
            "{} {} {}", at, values.pill(execution.status), values.link(execution, values.short_id(execution))
        )

    @admin.display(description="fires next")
    def next_fire(self, trigger: Trigger) -> str:
        at = _status(trigger).next_fire_at
        return f"{at:%Y-%m-%d %H:%M:%S %Z}" if at else values.NOTHING

    @admin.display(description="settings")
    def settings(self, trigger: Trigger) -> SafeString | str:
        return values.payload(trigger.config)

    @action("Switch on", applies=lambda trigger: not trigger.is_active)
    def switch_on(self, request: HttpRequest, trigger: Trigger) -> str:
        services.switch_trigger(trigger, is_active=True, by=Actor.of(request), now=timezone.now())
        return "switched on."

    @action("Switch off", applies=lambda trigger: trigger.is_active)
    def switch_off(self, request: HttpRequest, trigger: Trigger) -> str:
        services.switch_trigger(trigger, is_active=False, by=Actor.of(request), now=timezone.now())
        return "switched off."


def _status(trigger: Trigger) -> TriggerStatus:
    """Return how it stands with the trigger of the page that is shown; asked for once for all its fields."""
    found: TriggerStatus | None = getattr(trigger, "_shown_status", None)
    if found is None:
        found = services.status_of(trigger, now=timezone.now())
        trigger._shown_status = found  # type: ignore[attr-defined]
    return found
