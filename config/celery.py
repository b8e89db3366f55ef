"""The Celery app: it brings wake-ups to workers, and carries no work."""

from __future__ import annotations

import logging
import os

from celery import Celery, signals
from django.conf import settings
from django.core.checks import run_checks
from django.core.management.base import SystemCheckError

from projects.log_format import mask_lines_of

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Celery would run all checks, and drop what they say; those of the URLs load the whole API and admin.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("segue")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def refuse_what_is_wrong(**_: object) -> None:
    """Start nothing with an installation that is wrong: the same errors that stop every command of manage.py."""
    serious = [found for found in run_checks(tags=["segue"]) if found.is_serious()]
    if serious:
        raise SystemExit(SystemCheckError("\n".join(str(found) for found in serious)))


@signals.celeryd_after_setup.connect
def hear_what_is_served(**_: object) -> None:
    """Let a worker hear the bells of the queues that it serves, and no others, whatever ``-Q`` says."""
    app.amqp.queues.select([settings.BELL_QUEUES[name] for name in settings.WORKER_QUEUES])


signals.worker_init.connect(refuse_what_is_wrong)
signals.beat_init.connect(refuse_what_is_wrong)


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def keep_secrets_out_of_logs(logger: logging.Logger, **_: object) -> None:
    """Celery has set up a logger of its own; its lines hold tracebacks like any other."""
    mask_lines_of(logger)
