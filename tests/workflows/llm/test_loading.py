"""What speaks the providers' protocols is loaded where a model is called, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys

WHOLE_SEGUE = """
import django; django.setup()
import config.urls, config.celery, config.wsgi
from executions.engine import worker
import workflows.catalogue
import workflows.llm
"""
LIBRARIES = ("pydantic_ai", "openai", "anthropic")


def loaded_after(code: str) -> list[str]:
    script = f"{code}\nimport sys; print(*[name for name in {LIBRARIES!r} if name in sys.modules])"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": "sqlite://:memory:"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()[-1].split()


class TestLibraries:
    def test_are_not_loaded_by_all_of_segue(self):
        assert loaded_after(WHOLE_SEGUE) == []

    def test_are_loaded_by_who_prepares(self):
        code = "import django; django.setup()\nimport workflows.llm\nworkflows.llm.prepare()"

        assert loaded_after(code) == list(LIBRARIES)
