"""Celery's processes, as they start."""

from __future__ import annotations

import os
import subprocess
import sys

SAMPLE_KEY = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
# What only the web process shows or answers with.
OF_THE_WEB = (
    "rest_framework.fields",
    "drf_spectacular.settings",
    "projects.openapi",
    "workflows.admin",
    "requests",
    "jwt",
)
# What few workflows have a use for.
OF_FEW = ("selectolax", "xlsxwriter", "python_calamine")


def test_a_worker_does_not_start_with_an_installation_that_is_wrong():
    """The checks that stop every command of manage.py stop it too."""
    environment = os.environ | {
        "SEGUE_ENV_FILE": os.devnull,
        "SECRET_KEY": "x" * 50,
        "SEGUE_ENCRYPTION_KEYS": SAMPLE_KEY,
        "DATABASE_URL": "sqlite://:memory:",
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    }

    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--concurrency", "1"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "segue.E002" in ended.stdout + ended.stderr


def test_load_nothing_that_only_the_web_process_needs_or_few_workflows():
    code = "import sys, django; django.setup(); import config.celery; print([each for each in sys.argv[1:] if each in sys.modules])"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": "sqlite://:memory:"}

    command = [sys.executable, "-c", code, *OF_THE_WEB, *OF_FEW]
    loaded = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)

    assert loaded.stdout.strip() == "[]"
