"""How gunicorn serves Segue, in ``manage.py up`` and in production alike: ``gunicorn -c config/gunicorn.py``.

Threads, because a view either waits for the database or for an execution's end, and both give the
processor away. ``WEB_CONCURRENCY`` processes (default 2) of ``WEB_THREADS`` threads (default 16) each: Python runs one thread of
a process at a time, and these processes also run executions of pure nodes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

wsgi_app = "config.wsgi:application"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "16"))

# Seconds that an idle connection is kept. Longer than the idle time of usual load balancers' health
# checks, so that they do not meet a connection that is just being closed.
keepalive = 75

# Seconds for requests in flight when the process is told to stop.
graceful_timeout = 10

# Senders of webhooks put whole states into query strings; the default of 4,094 bytes refuses some.
limit_request_line = 8190
# More than a webhook takes (triggers/webhooks/received.py), so that its own limits decide, and the inbox knows of it.
limit_request_fields = 128
limit_request_field_size = 16 * 1024 + 512

# The heartbeat of a process is a file's time stamp. On a disk a slow flush looks like a hung process.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - no content, only a time stamp

# Nobody administers gunicorn through its socket: the supervisor or the container's runtime does.
control_socket_disable = True

# What a traceback quotes may be secret.
logger_class = "config.gunicorn_logs.MaskingLogger"


def post_worker_init(worker: Any) -> None:
    """Let watchers of executions go when the process is told to stop, instead of waiting for them."""
    from executions.live import streams

    streams.end_when(lambda: not worker.alive)
