"""``manage.py watch_execution``: follow an execution that somebody else has started."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from executions.management.watching import watch_to_the_end


class Command(BaseCommand):
    help = "Print what happens to an execution while it happens: its node runs, and what models answer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("execution", type=UUID, help="The execution's id.")
        parser.add_argument("--timeout", type=float, default=300, help="How many seconds to watch. Default: 300")

    def handle(self, *args: Any, **options: Any) -> None:
        watch_to_the_end(self, options["execution"], seconds=options["timeout"])
