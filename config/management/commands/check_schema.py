"""``manage.py check_schema``: list tables, enum checks, constraints, indexes and triggers; fail when one is missing."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.schema import Part, parts

PLURALS = {
    "table": "tables",
    "column": "columns",
    "check": "checks",
    "unique": "unique constraints",
    "index": "indexes",
    "trigger": "triggers",
}


class Command(BaseCommand):
    help = "Compare the database with what the models and migrations say. Exits with 1 if anything is missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="Print only what is missing.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(parts())
        missing = [part for part in found if not part.is_there]
        for part in missing if options["quiet"] else found:
            mark = self.style.SUCCESS("ok     ") if part.is_there else self.style.ERROR("MISSING")
            self.stdout.write(f"{mark} {part.kind:<8} {_place(part)}")
        if missing:
            raise CommandError(f"{len(missing)} parts are missing. Run: python manage.py migrate")
        counts = Counter(part.kind for part in found)
        summary = ", ".join(f"{count} {PLURALS[kind]}" for kind, count in counts.items())
        self.stdout.write(f"{summary}: all there.")


def _place(part: Part) -> str:
    return part.name if part.kind in {"table", "trigger"} else f"{part.table}.{part.name}"
