"""Triggers: what a version says, and an operator's switch."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import WorkflowsProjectFilter
from projects.backoffice.pages import ReadOnlyPage
from triggers import services
from triggers.models import Trigger


@admin.register(Trigger)
class TriggerPage(ReadOnlyPage[Trigger]):
    """Their settings come with a version; only the switch is an operator's."""

    list_display = ("node_id", "type", "workflow_link", "is_active", "is_registered", "updated_at")
    list_select_related = ("workflow",)
    list_filter = ("type", "is_active", "is_registered", WorkflowsProjectFilter)
    search_fields = ("node_id__exact", "workflow__name")
    search_help_text = "Exactly the node's id, or a part of the workflow's name."
    fields = ("workflow_link", "node_id", "type", "is_active", "is_registered", "settings", "created_at", "updated_at")
    readonly_fields = ("workflow_link", "settings")
    actions = ("switch_on", "switch_off")

    @admin.display(description="workflow")
    def workflow_link(self, trigger: Trigger) -> SafeString | str:
        return values.link(trigger.workflow)

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
