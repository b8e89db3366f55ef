from __future__ import annotations

import json
import secrets
import string
import sys
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from projects.access import Actor
from projects.models import ApiToken, Project, Role
from projects.services import create_project, issue_token

PROJECT_NAME = "Demo"
TOKEN_NAME = "manage.py up"  # noqa: S105 - what it is called in the list of tokens

# Selected by one double click, and 95 random bits.
PASSWORD_CHARACTERS = string.ascii_letters + string.digits
PASSWORD_LENGTH = 16

# Longer than any proof takes.
TOKEN_LIFETIME = timedelta(minutes=15)


class Command(BaseCommand):
    """Writes one JSON object to standard output, which only the supervisor reads, and all else to standard error.

    ``username`` of the administrator, ``password`` if this call made one (else null), and for the proof a ``project``
    (its id) and a ``token`` that is good for it for a few minutes.
    """

    help = "Bring the database to where Segue can start: what `manage.py up` does first."

    def handle(self, **_: Any) -> None:
        call_command("migrate", interactive=False, stdout=sys.stderr)
        call_command("load_gallery", stdout=sys.stderr)
        call_command("load_model_prices", stdout=sys.stderr)
        user, password = administrator()
        project = demo_project(user)
        prepared = {
            "username": user.get_username(),
            "password": password,
            "project": str(project.pk),
            "token": fresh_token(project, user),
        }
        self.stdout.write(json.dumps(prepared))


def administrator() -> tuple[User, str | None]:
    """Return the oldest superuser. Without any, make one and return the password too.

    :raises CommandError: if the name is taken by somebody with fewer rights.
    """
    found = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if found:
        return found, None
    if User.objects.filter(username="admin").exists():
        raise CommandError("The user admin is no superuser, and nobody else is. Run: manage.py createsuperuser")
    password = "".join(secrets.choice(PASSWORD_CHARACTERS) for _ in range(PASSWORD_LENGTH))
    return User.objects.create_superuser("admin", password=password), password


def demo_project(user: User) -> Project:
    """Return the administrator's project for trying things out."""
    found = Project.objects.filter(name=PROJECT_NAME, created_by=user).order_by("created_at", "id").first()
    return found or create_project(PROJECT_NAME, by=Actor(user), now=timezone.now())


def fresh_token(project: Project, user: User) -> str:
    """Return the key of a new token for the project, and remove those of earlier starts."""
    ApiToken.objects.filter(project=project, name=TOKEN_NAME).delete()
    now = timezone.now()
    _, key = issue_token(
        project, name=TOKEN_NAME, role=Role.EDITOR, by=Actor(user), now=now, expires_at=now + TOKEN_LIFETIME
    )
    return key
