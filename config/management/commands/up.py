from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.supervisor.options import add_arguments


class Command(BaseCommand):
    """What ``manage.py help`` knows of ``up``. It is run by ``manage.py`` itself, before there are settings."""

    help = "Start Segue in this folder: web, worker, beat and, if none is named, a broker. Ctrl-C stops everything."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *_: Any, **__: Any) -> None:
        raise CommandError("Write `up` first: manage.py up [options]. It starts before the settings are read.")
