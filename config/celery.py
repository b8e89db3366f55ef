"""The Celery app: it brings wake-ups to workers, and carries no work."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("segue")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
