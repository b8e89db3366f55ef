"""Print a fresh key for SEGUE_ENCRYPTION_KEYS."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from projects.wrapping_keys import is_key_id, new_key_line


class Command(BaseCommand):
    help = "Print a fresh key for SEGUE_ENCRYPTION_KEYS. Put it first to encrypt with it; keep the old ones behind it."
    requires_system_checks: list[str] = []  # They fail for want of a key.

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--id", default="k1", help="the key's name, unique in the list (default: %(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        key_id = options["id"]
        if not is_key_id(key_id):
            raise CommandError(f"{key_id!r} is no id: use letters, digits and underscores.")
        self.stdout.write(new_key_line(key_id))
