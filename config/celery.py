"""The Celery app: it brings wake-ups to workers, and carries no work."""

from __future__ import annotations

import logging
import os

from celery import Celery, signals

from projects.log_format import mask_lines_of

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("segue")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def keep_secrets_out_of_logs(logger: logging.Logger, **_: object) -> None:
    """Celery has set up a logger of its own; its lines hold tracebacks like any other."""
    mask_lines_of(logger)
