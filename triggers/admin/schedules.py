"""Schedules: their clock, an operator's hand on it, what did not fire, and backfills."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import ProjectFilter, WorkflowsProjectFilter
from projects.backoffice.pages import NoDeletion, Page, ReadOnlyPage
from projects.backoffice.panels import panel
from triggers import services
from triggers.models import ScheduleBackfill, ScheduledJob, SkippedSlots
from triggers.schedules.misfires import MisfirePolicy

SLOTS_SHOWN = 20
MOST = 20


class JobsProjectFilter(ProjectFilter):
    """Narrows what belongs to a scheduled job."""

    path = "job__workflow__project"


@admin.register(ScheduledJob)
class SchedulePage(NoDeletion, Page[ScheduledJob]):
    """What is due when comes with a version; pausing, firing now and how many failures are too many are an operator's."""

    list_display = (
        "rhythm",
        "timezone",
        "workflow_link",
        "state",
        "next_run",
        "last_run",
        "run_count",
        "failures",
    )
    list_select_related = ("workflow",)
    list_filter = ("is_active", "overlap", WorkflowsProjectFilter)
    search_fields = ("workflow__name",)
    search_help_text = "A part of the workflow's name."
    fields = (
        "workflow_link",
        "trigger_link",
        "rhythm",
        "timezone",
        "start_date",
        "end_date",
        "rules",
        "state",
        "paused_reason",
        "next_run",
        "delayed_until",
        "waits_for",
        "next_slots",
        "last_run",
        "run_count",
        "failures",
        "max_consecutive_failures",
        "created_at",
        "updated_at",
    )
    actions = ("pause", "resume", "resume_with_last", "resume_with_all", "fire")

    def get_readonly_fields(self, request: HttpRequest, obj: ScheduledJob | None = None) -> tuple[str, ...]:
        return tuple(name for name in self.fields if name != "max_consecutive_failures")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: ScheduledJob, form: forms.ModelForm[ScheduledJob], change: bool
    ) -> None:
        job = ScheduledJob.objects.select_related("workflow__project").get(pk=obj.pk)
        wanted = form.cleaned_data["max_consecutive_failures"]
        services.change_job(job, max_consecutive_failures=wanted, by=Actor.of(request), now=timezone.now())

    @admin.display(description="workflow")
    def workflow_link(self, job: ScheduledJob) -> SafeString | str:
        return values.link(job.workflow)

    @admin.display(description="trigger")
    def trigger_link(self, job: ScheduledJob) -> SafeString | str:
        return values.link(job.trigger)

    @admin.display(description="due")
    def rhythm(self, job: ScheduledJob) -> str:
        return job.rhythm

    @admin.display(description="state")
    def state(self, job: ScheduledJob) -> SafeString | str:
        return values.pill("active" if job.is_active else "paused")

    @admin.display(description="failures in a row")
    def failures(self, job: ScheduledJob) -> str:
        return f"{job.consecutive_failures} of {job.max_consecutive_failures or '∞'}"

    @admin.display(description="rules")
    def rules(self, job: ScheduledJob) -> SafeString | str:
        policy = (
            f"{job.misfire_policy} (at most {job.misfire_max})" if job.misfire_policy == "all" else job.misfire_policy
        )
        told = [
            f"misfire: {policy}, after {job.misfire_grace_seconds} s",
            f"overlap: {job.overlap}",
            f"jitter: up to {job.jitter_seconds} s" if job.jitter_seconds else "",
            f"times that clocks skip: {job.skipped_times}" if job.skipped_times else "",
            f"times that clocks show twice: {job.repeated_times}" if job.repeated_times else "",
        ]
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in told if line))

    @admin.display(description="next slots")
    def next_slots(self, job: ScheduledJob) -> SafeString | str:
        try:
            slots = services.preview(job, SLOTS_SHOWN, now=timezone.now())
        except ValueError as error:
            return str(error)
        zone = ZoneInfo(job.timezone)
        lines = (
            (f"{slot.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}", f"{slot:%Y-%m-%d %H:%M:%S} UTC") for slot in slots
        )
        return format_html_join(mark_safe("<br>"), "{} = {}", lines) if slots else "none"

    @action("Pause", applies=lambda job: job.is_active)
    def pause(self, request: HttpRequest, job: ScheduledJob) -> str:
        reason = f"Paused by {request.user.get_username()} in the admin."
        services.pause_job(job, reason=reason, by=Actor.of(request), now=timezone.now())
        return "paused."

    @action("Resume", applies=lambda job: not job.is_active)
    def resume(self, request: HttpRequest, job: ScheduledJob) -> str:
        return self._resume(request, job, MisfirePolicy.SKIP, "resumed from now on.")

    @action("Resume, and fire the last missed slot", applies=lambda job: not job.is_active)
    def resume_with_last(self, request: HttpRequest, job: ScheduledJob) -> str:
        return self._resume(
            request, job, MisfirePolicy.LAST, "resumed; the last slot that it missed fires, if there is one."
        )

    @action("Resume, and fire the missed slots", applies=lambda job: not job.is_active)
    def resume_with_all(self, request: HttpRequest, job: ScheduledJob) -> str:
        told = f"resumed; of the slots that it missed at most {job.misfire_max} fire."
        return self._resume(request, job, MisfirePolicy.ALL, told)

    def _resume(self, request: HttpRequest, job: ScheduledJob, missed: MisfirePolicy, told: str) -> str:
        services.resume_job(job, missed=missed, by=Actor.of(request), now=timezone.now())
        return told

    @action("Fire now")
    def fire(self, request: HttpRequest, job: ScheduledJob) -> str:
        execution = services.fire_now(job, by=Actor.of(request), now=timezone.now())
        return format_html("fired; see {}.", values.link(execution))


@panel(ScheduledJob, title="Slots that did not fire", permission="triggers.view_skippedslots")
def skipped_slots(request: HttpRequest, job: ScheduledJob) -> str:
    """Show the newest of them."""
    found = job.skipped_slots.order_by("-created_at", "-id")[: MOST + 1]
    rows = [(each.first_slot, each.last_slot, each.count, values.pill(each.reason), each.detail) for each in found]
    more = values.list_link(SkippedSlots, job__id__exact=job.pk)
    return values.table(("From", "To", "Slots", "Why", ""), rows, most=MOST, more=more)


@panel(ScheduledJob, title="Backfills", permission="triggers.view_schedulebackfill")
def backfills(request: HttpRequest, job: ScheduledJob) -> str:
    """Show the newest of them."""
    found = job.backfills.order_by("-created_at", "-id")[: MOST + 1]
    rows = [
        (values.link(each, each.slots), each.start, each.end, values.pill(each.status), _progress(each))
        for each in found
    ]
    more = values.list_link(ScheduleBackfill, job__id__exact=job.pk)
    return values.table(("Slots", "From", "To", "Status", "Progress"), rows, most=MOST, more=more)


def _progress(backfill: ScheduleBackfill) -> str:
    done = backfill.started_count + backfill.passed_count
    return f"{done} of {backfill.slot_count}; {backfill.started_count} started"


@admin.register(SkippedSlots)
class SkippedSlotsPage(ReadOnlyPage[SkippedSlots]):
    """Why something did not run."""

    list_display = ("job_link", "first_slot", "last_slot", "count", "reason", "detail", "created_at")
    list_select_related = ("job__workflow",)
    list_filter = ("reason", JobsProjectFilter)
    search_fields = ("job__workflow__name",)
    search_help_text = "A part of the workflow's name."
    fields = ("job_link", "first_slot", "last_slot", "count", "reason", "detail", "created_at", "updated_at")
    readonly_fields = ("job_link",)

    @admin.display(description="schedule")
    def job_link(self, skipped: SkippedSlots) -> SafeString | str:
        return values.link(skipped.job)


@admin.register(ScheduleBackfill)
class BackfillPage(ReadOnlyPage[ScheduleBackfill]):
    """How far backfills are. They are started on the API, where a dry run shows first what they would do."""

    list_display = ("job_link", "slots", "start", "end", "state", "progress", "created_by", "created_at")
    list_select_related = ("job__workflow", "created_by")
    list_filter = ("status", JobsProjectFilter)
    search_fields = ("job__workflow__name",)
    search_help_text = "A part of the workflow's name."
    fields = (
        "job_link",
        "slots",
        "start",
        "end",
        "max_running",
        "state",
        "progress",
        "cursor",
        "created_by",
        "created_at",
        "ended_at",
        "reason",
    )
    readonly_fields = ("job_link", "state", "progress", "cursor")
    actions = ("cancel",)

    @admin.display(description="schedule")
    def job_link(self, backfill: ScheduleBackfill) -> SafeString | str:
        return values.link(backfill.job)

    @admin.display(description="status")
    def state(self, backfill: ScheduleBackfill) -> SafeString | str:
        return values.pill(backfill.status)

    @admin.display(description="progress")
    def progress(self, backfill: ScheduleBackfill) -> str:
        return _progress(backfill)

    @action("Cancel", applies=lambda backfill: backfill.ended_at is None)
    def cancel(self, request: HttpRequest, backfill: ScheduleBackfill) -> str:
        services.cancel_backfill(backfill, by=Actor.of(request), now=timezone.now())
        return "cancelled. What it has started goes on."
