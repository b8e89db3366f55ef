from __future__ import annotations

import os

from django.apps import AppConfig
from django.conf import settings

from projects import failpoints
from projects.log_format import never_log_settings


class ProjectsConfig(AppConfig):
    name = "projects"

    def ready(self) -> None:
        """Keep the logs clean; and in tests that kill, arm the failpoints."""
        never_log_settings(settings)
        failpoints.arm(os.environ, secure=settings.SECURE)
