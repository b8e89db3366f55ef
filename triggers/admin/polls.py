"""Polls: when they look, what they found, and an operator's hand on them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from executions.admin.health import OPERATIONS
from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import WorkflowsProjectFilter
from projects.backoffice.pages import ReadOnlyPage
from projects.backoffice.panels import panel
from triggers import services
from triggers.models import Poll, PollKey

MOST = 20
# A sweep begins within seconds with what is due, and a call may take a minute.
OVERDUE = timedelta(minutes=3)


@admin.register(Poll)
class PollPage(ReadOnlyPage[Poll]):
    """What is polled, and how often, comes with a version."""

    list_display = (
        "trigger_link",
        "workflow_link",
        "state",
        "every_seconds",
        "next_run",
        "last_polled_at",
        "last_items",
        "last_new",
        "failures",
    )
    list_select_related = ("workflow", "trigger")
    list_filter = ("is_active", WorkflowsProjectFilter)
    search_fields = ("workflow__name",)
    search_help_text = "A part of the workflow's name."
    fields = (
        "workflow_link",
        "trigger_link",
        "every_seconds",
        "state",
        "paused_reason",
        "next_run",
        "last_polled_at",
        "last_items",
        "last_new",
        "poll_count",
        "cursor_shown",
        "failures",
        "last_error_shown",
        "lease_owner",
        "lease_expires_at",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("workflow_link", "trigger_link", "state", "cursor_shown", "failures", "last_error_shown")
    actions = ("look", "pause", "resume", "reset")

    @admin.display(description="workflow")
    def workflow_link(self, poll: Poll) -> SafeString | str:
        return values.link(poll.workflow)

    @admin.display(description="trigger")
    def trigger_link(self, poll: Poll) -> SafeString | str:
        return values.link(poll.trigger, poll.trigger.node_id)

    @admin.display(description="state")
    def state(self, poll: Poll) -> SafeString | str:
        return values.pill("active" if poll.is_active else "paused")

    @admin.display(description="failures in a row")
    def failures(self, poll: Poll) -> str:
        return f"{poll.consecutive_errors} of {poll.max_consecutive_failures or '∞'}"

    @admin.display(description="cursor")
    def cursor_shown(self, poll: Poll) -> SafeString | str:
        return values.payload(poll.cursor)

    @admin.display(description="last error")
    def last_error_shown(self, poll: Poll) -> SafeString | str:
        return values.payload(poll.last_error)

    @action("Poll now", applies=lambda poll: poll.is_active)
    def look(self, request: HttpRequest, poll: Poll) -> str:
        services.poll_soon(poll, by=Actor.of(request), now=timezone.now())
        return "looks as soon as a worker sees it."

    @action("Pause", applies=lambda poll: poll.is_active)
    def pause(self, request: HttpRequest, poll: Poll) -> str:
        reason = f"Paused by {request.user.get_username()} in the admin."
        services.pause_poll(poll, reason=reason, by=Actor.of(request), now=timezone.now())
        return "paused."

    @action("Resume", applies=lambda poll: not poll.is_active)
    def resume(self, request: HttpRequest, poll: Poll) -> str:
        services.resume_poll(poll, by=Actor.of(request), now=timezone.now())
        return "resumed."

    @action("Forget what it has dealt with", applies=lambda poll: True)
    def reset(self, request: HttpRequest, poll: Poll) -> str:
        services.reset_poll(poll, by=Actor.of(request), now=timezone.now())
        return "has forgotten what it has dealt with."


@admin.register(PollKey)
class PollKeyPage(ReadOnlyPage[PollKey]):
    """Items that polls have dealt with, by the hashes of their keys."""

    list_display = ("key_hash", "poll_link", "seen_in")
    list_select_related = ("poll__workflow", "poll__trigger")
    search_fields = ("key_hash__exact",)
    search_help_text = "Exactly the hash of a key."
    ordering = ("-id",)
    fields = ("key_hash", "poll_link", "seen_in")
    readonly_fields = ("poll_link",)

    @admin.display(description="poll")
    def poll_link(self, key: PollKey) -> SafeString | str:
        return values.link(key.poll)


@panel(OPERATIONS, title="Polls that are overdue", permission="triggers.view_poll")
def overdue_polls(request: HttpRequest, now: datetime) -> str:
    """Show polls whose time has come and that nobody is at: no sweep runs, or all threads are busy."""
    overdue = Poll.objects.due(now - OVERDUE).select_related("workflow", "trigger").order_by("next_run", "id")
    rows = [
        (values.link(poll), values.link(poll.workflow), poll.next_run, values.ago(poll.next_run, now=now))
        for poll in overdue[: MOST + 1]
    ]
    return values.table(("Poll", "Workflow", "Due", ""), rows, most=MOST)
