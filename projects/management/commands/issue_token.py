"""Make an API token from the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from projects import services
from projects.access import Actor
from projects.exceptions import SegueError
from projects.models import Project, Role


class Command(BaseCommand):
    help = "Make an API token for a person and a project, and print its key. It is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="whose token it is; it can never do more than this person")
        parser.add_argument("project", help="the project's id, or its name if only one has it")
        parser.add_argument("--role", default=Role.EDITOR, choices=Role.values, help="(default: %(default)s)")
        parser.add_argument("--name", default="Made on the command line")
        parser.add_argument("--days", type=int, help="days until it expires (default: never)")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            _, key = services.issue_token(
                _project(options["project"]),
                name=options["name"],
                role=Role(options["role"]),
                by=Actor(_person(options["username"])),
                now=now,
                expires_at=now + timedelta(days=options["days"]) if options["days"] is not None else None,
            )
        except SegueError as error:
            raise CommandError(error.message) from error
        self.stdout.write(key)


def _person(username: str) -> User:
    person = User.objects.filter(username=username, is_active=True).first()
    if person is None:
        raise CommandError(f"Nobody active has the username {username!r}.")
    return person


def _project(text: str) -> Project:
    try:
        found = list(Project.objects.filter(pk=text))
    except ValidationError:
        found = list(Project.objects.filter(name=text)[:2])
    if len(found) != 1:
        raise CommandError(f"{'Several projects are' if found else 'No project is'} called {text!r}. Give the id.")
    return found[0]
