"""The few system ticks of beat: rows that operators see and tune in the admin. Users' schedules are never among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connections
from django.db.models.signals import post_migrate


@dataclass(frozen=True)
class Tick:
    """One task that beat asks for again and again. Nobody has to hear it within ``expires`` seconds."""

    name: str
    task: str
    every: int
    period: str
    expires: int
    description: str


TICKS = (
    Tick(
        "Segue: sweep",
        "executions.tasks.sweep",
        every=1,
        period="seconds",
        expires=5,
        description="Takes over from lost workers, ends what is overdue, fires schedules. Workers also sweep by themselves, so "
        "that without this tick everything still happens, only a few seconds later.",
    ),
    Tick(
        "Segue: clean up",
        "executions.tasks.clean_up",
        every=1,
        period="minutes",
        expires=60,
        description="Removes executions that ended more than EXECUTION_RETENTION_DAYS days ago: up to 10,000 at a time, so "
        "that it keeps up with 14 million a day.",
    ),
    Tick(
        "Segue: remove lost files",
        "executions.tasks.remove_orphans",
        every=1,
        period="days",
        expires=3600,
        description="Removes files of large outputs that no node run names: what a worker wrote that died before its commit. Only "
        "once they are a day old.",
    ),
)


def connect() -> None:
    """Make the ticks after every migrate, where they are not there yet."""
    post_migrate.connect(make_ticks, sender=apps.get_app_config("django_celery_beat"), dispatch_uid="segue.ticks")


def make_ticks(*, using: str, **_: Any) -> None:
    """Add the ticks that are missing; those that an operator has changed stay as they are."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    if PeriodicTask._meta.db_table not in connections[using].introspection.table_names():
        return  # Its migrations were just taken back.
    for tick in TICKS:
        if PeriodicTask.objects.using(using).filter(name=tick.name).exists():
            continue
        schedule, _created = IntervalSchedule.objects.using(using).get_or_create(every=tick.every, period=tick.period)
        PeriodicTask.objects.using(using).create(
            name=tick.name,
            task=tick.task,
            interval=schedule,
            expire_seconds=tick.expires,
            description=tick.description,
        )
