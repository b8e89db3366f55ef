"""Whether a project may have one more execution now that somebody outside asks for it: a webhook, the API, a person.

Schedules, sub-workflows and whatever else the engine starts by itself do not ask: they were let in with what they belong
to, and there is nobody to say "later" to. Without limits, which is the default, nothing is looked up.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from executions.exceptions import TooManyLive, TooManyStarts
from executions.models import WorkflowExecution
from projects import pacing
from projects.models import Project

SECOND_US = 1_000_000
# How long a process believes its count of a project's live executions, to which it adds what it lets in itself. Several
# processes may exceed the limit by what they let in within this time.
COUNT_HOLDS = timedelta(seconds=1)


def take_start(project_id: UUID, *, now: datetime) -> None:
    """Let a project have one execution more.

    :raises TooManyLive: if the project has ``PROJECT_MAX_LIVE`` executions that have not ended.
    :raises TooManyStarts: if it had ``PROJECT_STARTS_AT_ONCE``, and then more than ``PROJECT_STARTS_PER_SECOND``.
    """
    if settings.PROJECT_MAX_LIVE:
        _counts.take_one(project_id, most=settings.PROJECT_MAX_LIVE, now=now)
    if settings.PROJECT_STARTS_PER_SECOND:
        _pace(project_id, now=now)


def _pace(project_id: UUID, *, now: datetime) -> None:
    seconds = pacing.wait_needed(
        Project.objects.filter(pk=project_id),
        pace_us=SECOND_US // settings.PROJECT_STARTS_PER_SECOND,
        at_once=settings.PROJECT_STARTS_AT_ONCE,
        now=now,
    )
    if seconds is not None:
        raise TooManyStarts(
            f"This project starts executions too often: {settings.PROJECT_STARTS_PER_SECOND} a second are allowed.",
            retry_after=seconds,
        )


@dataclass
class _Count:
    live: int
    counted_at: datetime


class _Counts:
    """How many live executions each project has, as far as this process knows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[UUID, _Count] = {}

    def take_one(self, project_id: UUID, *, most: int, now: datetime) -> None:
        with self._lock:
            is_known = self._fresh(project_id, now) is not None
        # Counted outside the lock: other projects do not wait for it.
        counted = None if is_known else _Count(_live(project_id, most=most), now)
        with self._lock:
            count = self._fresh(project_id, now) or counted or self._of[project_id]
            self._of[project_id] = count
            if count.live < most:
                count.live += 1
                return
        raise TooManyLive(
            f"This project has {most} executions that have not ended, and may have no more. Try again when some have.",
            retry_after=COUNT_HOLDS.total_seconds(),
        )

    def _fresh(self, project_id: UUID, now: datetime) -> _Count | None:
        count = self._of.get(project_id)
        return count if count and abs(now - count.counted_at) < COUNT_HOLDS else None


def _live(project_id: UUID, *, most: int) -> int:
    """Count up to the limit and not beyond: what is over it makes no difference."""
    return WorkflowExecution.objects.live().filter(project_id=project_id).values("pk")[:most].count()


_counts = _Counts()
