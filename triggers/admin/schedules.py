"""Schedules: their clock, and an operator's hand on it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import WorkflowsProjectFilter
from projects.backoffice.pages import ReadOnlyPage
from triggers import services
from triggers.models import ScheduledJob

SLOTS_SHOWN = 5


@admin.register(ScheduledJob)
class SchedulePage(ReadOnlyPage[ScheduledJob]):
    """What is due when comes with a version; only pausing is an operator's."""

    list_display = (
        "cron_expression",
        "timezone",
        "workflow_link",
        "state",
        "next_run",
        "last_run",
        "run_count",
        "failures",
    )
    list_select_related = ("workflow",)
    list_filter = ("is_active", WorkflowsProjectFilter)
    search_fields = ("workflow__name",)
    search_help_text = "A part of the workflow's name."
    fields = (
        "workflow_link",
        "trigger_link",
        "cron_expression",
        "timezone",
        "start_date",
        "end_date",
        "state",
        "paused_reason",
        "next_run",
        "next_slots",
        "last_run",
        "run_count",
        "failures",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("workflow_link", "trigger_link", "state", "next_slots", "failures")
    actions = ("pause", "resume")

    @admin.display(description="workflow")
    def workflow_link(self, job: ScheduledJob) -> SafeString | str:
        return values.link(job.workflow)

    @admin.display(description="trigger")
    def trigger_link(self, job: ScheduledJob) -> SafeString | str:
        return values.link(job.trigger)

    @admin.display(description="state")
    def state(self, job: ScheduledJob) -> SafeString | str:
        return values.pill("active" if job.is_active else "paused")

    @admin.display(description="failures in a row")
    def failures(self, job: ScheduledJob) -> str:
        return f"{job.consecutive_failures} of {job.max_consecutive_failures or '∞'}"

    @admin.display(description="next slots")
    def next_slots(self, job: ScheduledJob) -> SafeString | str:
        try:
            slots = services.preview(job, SLOTS_SHOWN, now=timezone.now())
        except ValueError as error:
            return str(error)
        lines = ((f"{slot.astimezone(ZoneInfo(job.timezone)):%a %Y-%m-%d %H:%M:%S %Z}",) for slot in slots)
        return format_html_join(mark_safe("<br>"), "{}", lines) if slots else "none"

    @action("Pause", applies=lambda job: job.is_active)
    def pause(self, request: HttpRequest, job: ScheduledJob) -> str:
        reason = f"Paused by {request.user.get_username()} in the admin."
        services.pause_job(job, reason=reason, by=Actor.of(request), now=timezone.now())
        return "paused."

    @action("Resume", applies=lambda job: not job.is_active)
    def resume(self, request: HttpRequest, job: ScheduledJob) -> str:
        services.resume_job(job, by=Actor.of(request), now=timezone.now())
        return "resumed from now on."
