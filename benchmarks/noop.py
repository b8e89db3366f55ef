"""The smallest Celery app there is: a task that does nothing but leave a mark that it ran."""

from __future__ import annotations

import os

from celery import Celery

QUEUE = "segue-benchmark"

app = Celery("noop", broker=os.environ.get("CELERY_BROKER_URL"))
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task
def noop() -> None:
    """Add one byte to the file that the measurement counts by."""
    with open(os.environ["NOOP_MARKS"], "ab", buffering=0) as marks:
        marks.write(b".")
