"""``manage.py load_gallery``: make the gallery's files templates."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from templates_app.exceptions import BrokenTemplateFile
from templates_app.files import GALLERY
from templates_app.services import load_gallery


class Command(BaseCommand):
    help = "Load the templates that come with Segue. Safe to run again: what has not changed stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "folder", nargs="?", type=Path, default=GALLERY, help="A folder with templates of your own, instead."
        )

    def handle(self, *, folder: Path, **_: Any) -> None:
        if not folder.is_dir():
            raise CommandError(f"There is no folder {folder}.")
        try:
            loaded = load_gallery(now=timezone.now(), folder=folder)
        except BrokenTemplateFile as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Gallery: {loaded.created} new, {loaded.updated} updated, {loaded.unchanged} unchanged.")
