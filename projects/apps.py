from __future__ import annotations

import os

from django.apps import AppConfig
from django.conf import settings

from projects import failpoints


class ProjectsConfig(AppConfig):
    name = "projects"

    def ready(self) -> None:
        """In tests that kill, arm the failpoints."""
        failpoints.arm(os.environ, secure=settings.SECURE)
