"""``manage.py check_invariants``: prove on a live database that what must hold does hold."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from executions.engine.clock import database_now
from executions.invariants import check_all


class Command(BaseCommand):
    help = "Look for rows that break a rule of the engine. Exits with 1 if there are any. Safe on a live database."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        for rule, ids in check_all(database_now()):
            mark = self.style.ERROR("BROKEN") if ids else self.style.SUCCESS("holds ")
            self.stdout.write(f"{mark} {rule.name}: {rule.rule}")
            if ids:
                broken += 1
                self.stdout.write(f"       {', '.join(ids)}")
        if broken:
            raise CommandError(f"{broken} rules are broken. Please report this with the rows above.")
