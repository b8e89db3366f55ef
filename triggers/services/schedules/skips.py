"""Writing down which slots did not fire, and why."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F

from triggers.models import ScheduledJob, SkippedSlots, SkipReason
from triggers.schedules.misfires import Span

REMOVED_AT_ONCE = 1000
MAX_DETAIL = 500


def record_skip(job: ScheduledJob, span: Span, reason: SkipReason, *, now: datetime, detail: str = "") -> None:
    """Note that slots of a job did not fire. Those that follow one another for one reason share a row, so that rows stay few."""
    before = SkippedSlots.objects.filter(job=job).order_by("-created_at", "-id").first()
    is_same_story = (
        before is not None
        and before.reason == reason
        and before.last_slot < span.first
        and (job.last_run is None or before.created_at > job.last_run)
    )
    if before is not None and is_same_story:
        SkippedSlots.objects.filter(pk=before.pk).update(
            last_slot=span.last, count=F("count") + span.count, detail=detail[:MAX_DETAIL], updated_at=now
        )
        return
    SkippedSlots.objects.create(
        job=job,
        first_slot=span.first,
        last_slot=span.last,
        count=span.count,
        reason=reason,
        detail=detail[:MAX_DETAIL],
        created_at=now,
        updated_at=now,
    )


def remove_old_skips(now: datetime) -> int:
    """Remove some notes that are older than ``EXECUTION_RETENTION_DAYS``; returns how many."""
    before = now - timedelta(days=settings.EXECUTION_RETENTION_DAYS)
    old = SkippedSlots.objects.filter(updated_at__lt=before).order_by("updated_at")
    removed, _ = SkippedSlots.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:REMOVED_AT_ONCE])).delete()
    return removed
