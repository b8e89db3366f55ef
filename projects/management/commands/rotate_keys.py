"""Bring all secrets to the first key of SEGUE_ENCRYPTION_KEYS."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from projects import crypto
from projects.key_rotation import projects_by_wrapping_key, rotate

# Projects between two lines that say how far it is.
PROGRESS_EVERY = 100


class Command(BaseCommand):
    help = (
        "Wrap the data key of every project with the first key of SEGUE_ENCRYPTION_KEYS, while everything runs. "
        "May be killed and run again, and run twice at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--data-keys",
            action="store_true",
            help="also give each project whose data key another key wraps a new one, and encrypt all its secrets with it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        projects = wrapped = replaced = secrets = 0
        unreadable: list[str] = []
        for done in rotate(with_data_keys=options["data_keys"]):
            projects += 1
            wrapped += done.wrapped_anew
            replaced += done.has_new_key
            secrets += done.encrypted_anew
            unreadable.extend(done.unreadable)
            for sentence in done.unreadable:
                self.stderr.write(sentence)
            if projects % PROGRESS_EVERY == 0:
                self.stdout.write(f"… {projects} projects looked at")
        self.stdout.write(
            f"{projects} projects: {wrapped} data keys wrapped anew, {replaced} replaced, {secrets} secrets encrypted anew."
        )
        self._tell_of_old_keys()
        if unreadable:
            raise CommandError(
                f"{len(unreadable)} could not be read, and keep the key that they have. Put the missing keys back, or set "
                "these secrets again."
            )

    def _tell_of_old_keys(self) -> None:
        used = projects_by_wrapping_key()
        for key in crypto.read_keys(settings.SEGUE_ENCRYPTION_KEYS)[1:]:
            if used[key.id]:
                self.stdout.write(f"Key {key.id} is still needed, by {used[key.id]} projects.")
            else:
                self.stdout.write(f"Key {key.id} is not needed any more: take it out of SEGUE_ENCRYPTION_KEYS.")
