from __future__ import annotations

import os
from importlib import import_module

from django.apps import AppConfig
from django.conf import settings

from projects import failpoints


class ProjectsConfig(AppConfig):
    name = "projects"

    def ready(self) -> None:
        """Fill registries; and in tests that kill, arm the failpoints."""
        import_module("projects.openapi")  # It registers itself with drf-spectacular.
        failpoints.arm(os.environ, secure=settings.SECURE)
