"""The log of events: what happened, what it started, and why it did not."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from projects.backoffice import values
from projects.backoffice.filters import ProjectFilter
from projects.backoffice.pages import ReadOnlyPage
from projects.backoffice.panels import panel
from triggers.models import Event, EventMatch, Subscription

MOST = 50


@admin.register(Event)
class EventPage(ReadOnlyPage[Event]):
    """What was sent, by whom, and how many triggers it started."""

    list_display = (
        "received_at",
        "name",
        "type",
        "source",
        "matched_count",
        "filtered_count",
        "failed_count",
        "refused_count",
    )
    list_select_related = ("project",)
    list_filter = ("type", "received_at", ProjectFilter)
    search_fields = ("name__startswith", "dedupe_key__exact")
    search_help_text = "The beginning of the name, or exactly the sender's id."
    ordering = ("-received_at", "-id")
    large_columns = ("data",)
    fields = (
        "received_at",
        "name",
        "type",
        "project",
        "source",
        "dedupe_key",
        "sent_by",
        "emitted_by_link",
        "depth",
        "hops",
        "matched_count",
        "filtered_count",
        "failed_count",
        "refused_count",
        "left_out_count",
        "data_shown",
    )
    readonly_fields = ("emitted_by_link", "data_shown")

    @admin.display(description="emitted by")
    def emitted_by_link(self, event: Event) -> SafeString | str:
        return values.link(event.emitted_by, values.short_id(event.emitted_by) if event.emitted_by else None)

    @admin.display(description="data")
    def data_shown(self, event: Event) -> SafeString | str:
        return values.payload(event.data)


@panel(Event, title="What came of it", permission="triggers.view_eventmatch")
def matches_of_event(request: HttpRequest, event: Event) -> str:
    """Show each trigger that listens to an event's name, and why it started or not."""
    found = EventMatch.objects.filter(event=event).select_related("trigger__workflow", "execution")
    rows = [
        (
            values.link(match.trigger, match.trigger.node_id),
            values.link(match.trigger.workflow),
            values.pill(match.verdict),
            match.reason,
            values.link(match.execution, values.short_id(match.execution) if match.execution else None),
        )
        for match in found.defer(
            "execution__execution_context", "execution__result", "trigger__config", "trigger__workflow__definition"
        ).order_by("created_at", "id")[: MOST + 1]
    ]
    more = values.list_link(EventMatch, event__id__exact=event.pk)
    return values.table(("Trigger", "Workflow", "Verdict", "Reason", "Execution"), rows, most=MOST, more=more)


@admin.register(EventMatch)
class EventMatchPage(ReadOnlyPage[EventMatch]):
    """One event at one trigger."""

    list_display = ("created_at", "event_link", "trigger_link", "state", "reason_code", "execution_link")
    list_select_related = ("event", "trigger", "execution")
    list_filter = ("verdict", "created_at")
    search_fields = ("trigger__node_id__exact", "reason_code__exact")
    search_help_text = "Exactly the trigger's node, or the code of the reason."
    ordering = ("-created_at", "-id")
    fields = ("created_at", "event_link", "trigger_link", "state", "reason_code", "reason", "execution_link")
    readonly_fields = ("event_link", "trigger_link", "state", "execution_link")

    def get_queryset(self, request: HttpRequest) -> QuerySet[EventMatch]:
        # Of the others only what names them.
        return (
            super()
            .get_queryset(request)
            .defer("event__data", "trigger__config", "execution__execution_context", "execution__result")
        )

    @admin.display(description="event")
    def event_link(self, match: EventMatch) -> SafeString | str:
        return values.link(match.event, match.event.name)

    @admin.display(description="trigger")
    def trigger_link(self, match: EventMatch) -> SafeString | str:
        return values.link(match.trigger, match.trigger.node_id)

    @admin.display(description="verdict")
    def state(self, match: EventMatch) -> SafeString | str:
        return values.pill(match.verdict)

    @admin.display(description="execution")
    def execution_link(self, match: EventMatch) -> SafeString | str:
        return values.link(match.execution, values.short_id(match.execution) if match.execution else None)


@admin.register(Subscription)
class SubscriptionPage(ReadOnlyPage[Subscription]):
    """What triggers listen to. Comes with a version."""

    list_display = ("topic", "type", "trigger_link", "workflow_link")
    list_select_related = ("trigger__workflow",)
    list_filter = ("type",)
    search_fields = ("topic__startswith",)
    ordering = ("-id",)
    search_help_text = "The beginning of the topic."
    fields = ("topic", "type", "trigger_link", "workflow_link")
    readonly_fields = ("trigger_link", "workflow_link")

    @admin.display(description="trigger")
    def trigger_link(self, subscription: Subscription) -> SafeString | str:
        return values.link(subscription.trigger, subscription.trigger.node_id)

    @admin.display(description="workflow")
    def workflow_link(self, subscription: Subscription) -> SafeString | str:
        return values.link(subscription.trigger.workflow)
