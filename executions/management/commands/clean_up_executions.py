"""``manage.py clean_up_executions``: remove what ended long ago, now and all of it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from executions import retention
from executions.engine.clock import database_now
from executions.outputs.removal import remove_orphans
from executions.retention import Removed
from projects.exceptions import SegueError


class Command(BaseCommand):
    help = (
        "Remove executions that ended more than some days ago, with their node runs. Live ones are never removed. "
        "Safe on a live system, and to break off."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days",
            type=int,
            default=settings.EXECUTION_RETENTION_DAYS,
            help="How many days to keep; one at least. Default: EXECUTION_RETENTION_DAYS (%(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say how much would be removed.")

    def handle(self, *args: Any, days: int, dry_run: bool, **options: Any) -> None:
        now = database_now()
        try:
            expected = retention.count_removable(days=days, now=now)
        except SegueError as error:
            raise CommandError(" ".join(filter(None, [error.message, error.hint]))) from error
        if dry_run:
            self.stdout.write(f"Would remove {_in_words(expected)}.")
            return
        with _bar() as bar:
            task = bar.add_task("Removing", total=_rows(expected))

            def progress(removed: Removed) -> None:
                bar.advance(task, _rows(removed))

            removed = retention.clean_up(days=days, now=now, most=None, progress=progress)
        orphans = remove_orphans(now=now)
        more = f" {orphans:,} files of outputs that no node run named went, too." if orphans else ""
        self.stdout.write(self.style.SUCCESS(f"Removed {_in_words(removed)}.{more}"))


def _bar() -> Progress:
    # On standard error: standard output holds the result alone.
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _rows(removed: Removed) -> int:
    return removed.executions + removed.node_runs


def _in_words(removed: Removed) -> str:
    return f"{removed.executions:,} executions, {removed.node_runs:,} node runs"
