"""The programs that make up Segue, as the supervisor runs them."""

from __future__ import annotations

import sys
from pathlib import Path

from config.supervisor import broker as valkey
from config.supervisor.child import Program

# Each is run as a module: a virtual environment's scripts break when its folder is moved or its path has spaces.
PYTHON = (sys.executable, "-m")


def broker(listen_at: Path) -> Program:
    return Program("broker", valkey.command(valkey.find_server(), listen_at), grace_seconds=5)


def web(listener: int) -> Program:
    """Gunicorn at a socket that is open already, named by its file descriptor."""
    command = (*PYTHON, "gunicorn", "--config", "config/gunicorn.py", "--bind", f"fd://{listener}")
    return Program("web", command, grace_seconds=12, pass_fds=(listener,))  # Longer than graceful_timeout.


def worker(processes: int) -> Program:
    """The worker ends its slice of work first; what is under way after the grace is resumed at the next start."""
    command = (*PYTHON, "celery", "-A", "config", "worker", "--concurrency", str(processes), "--loglevel", "INFO")
    return Program("worker", (*command, "--without-gossip", "--without-mingle"), grace_seconds=15)


def beat() -> Program:
    command = (*PYTHON, "celery", "-A", "config", "beat", "--pidfile=", "--loglevel", "INFO")
    return Program("beat", command, grace_seconds=5)


def preparation() -> Program:
    return Program("setup", (sys.executable, "manage.py", "prepare_up"), grace_seconds=10)


def proof() -> Program:
    return Program("proof", (*PYTHON, "config.supervisor.proof"), grace_seconds=2)
