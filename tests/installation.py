"""A whole Segue of its own for a story: a database, a broker, and real processes that can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
import psycopg
import pytest

from tests import environment
from tests.environment import ROOT
from tests.servers import free_port

START_SECONDS = 60
# All in one process: to start one takes longer than most of what it does.
MIGRATE_AND_MAKE_A_MEMBER = """
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone
from projects import services
from projects.access import Actor
from projects.models import Project, Role
call_command("migrate", verbosity=0)
# A database that is used again has both.
found = User.objects.filter(username="owner").first()
owner = found or User.objects.create_superuser("owner", password="not-a-secret-for-tests")
by = Actor(user=owner)
project = Project.objects.filter(name="Journey").first() or services.create_project(name="Journey", by=by, now=timezone.now())
token, key = services.issue_token(project, name="journey", role=Role.OWNER, by=by, now=timezone.now())
print(project.pk, key)
"""


class Installation:
    """Processes, and a client of the API with an owner's token. Everything it started ends with :meth:`stop`."""

    def __init__(self, folder: Path, *, database_url: str, broker_url: str, **settings: str) -> None:
        self.folder = folder
        self.broker_url = broker_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in environment.known_names()},
            **environment.environment(database_url=database_url, broker_url=broker_url),
            "WEBHOOK_BASE_URL": self.url,
            "ENGINE_LEASE_SECONDS": "3",
            "ENGINE_SWEEP_SECONDS": "1",
            "LOG_LEVEL": "INFO",
            **settings,
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        project, key = self.manage("shell", "--verbosity=0", "-c", MIGRATE_AND_MAKE_A_MEMBER).split()
        self.project = project
        self.api = httpx2.Client(
            base_url=f"{self.url}/api", headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        )

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{arguments[0]}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *names: str, **more: str) -> None:
        """Start ``web``, ``worker`` and ``beat``, or those that are named, and wait until the web answers.

        A second one of a kind has a name that begins as the first one's: ``worker-2``.

        :param more: what stands in the environment of these processes besides.
        """
        self.launch(*(names or ("web", "worker", "beat")), **more)
        if not names or "web" in names:
            self.wait_for(lambda: self._answers(), seconds=START_SECONDS, what="the web process to answer")

    def launch(self, *names: str, **more: str) -> None:
        """Start processes, and wait for nothing."""
        for name in names:
            self._start(name, more)

    def ask_to_end(self, name: str) -> None:
        """SIGTERM to a process, which it passes on to its children."""
        self._processes[name].terminate()

    def kill(self, name: str) -> None:
        """SIGKILL a process and its children, all at once."""
        process = self._processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def kill_alone(self, name: str) -> None:
        """SIGKILL a process and leave its children to themselves."""
        process = self._processes.pop(name)
        process.kill()
        process.wait(10)

    def pid(self, name: str) -> int:
        """Return the id of a process: the one that has started the others of its group."""
        return self._processes[name].pid

    def names(self) -> list[str]:
        """Return the names of the processes that were started, and neither killed nor terminated."""
        return list(self._processes)

    def is_running(self, name: str) -> bool:
        """Whether a process was started and has not ended."""
        return name in self._processes and self._processes[name].poll() is None

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid(name), number)

    def terminate(self, name: str, *, seconds: float = 30) -> int:
        """Ask a process to end, as a deploy does, and return its exit status."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(seconds)

    def stop(self) -> None:
        """End everything."""
        self.api.close()
        for name in list(self._processes):
            self.kill(name)

    def log(self, name: str) -> str:
        """Return what a process has written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def publish(self, name: str, definition: dict[str, Any]) -> str:
        """Create a workflow, publish it, and return its id."""
        created = self.api.post("/workflows/", json={"project": self.project, "name": name, "definition": definition})
        assert created.status_code == 201, created.text
        workflow_id: str = created.json()["id"]
        published = self.api.post(f"/workflows/{workflow_id}/publish/", json={})
        assert published.status_code in {200, 201}, published.text
        return workflow_id

    def webhook(self, workflow_id: str) -> dict[str, Any]:
        """Return the webhook registration of a workflow."""
        found = self.api.get("/webhook-registrations/", params={"workflow": workflow_id}).json()["results"]
        registration: dict[str, Any] = found[0]
        return registration

    def run(self, workflow_id: str, value: Any = None, *, wait_seconds: int = 0) -> dict[str, Any]:
        """Start a workflow by hand and return the execution."""
        started = self.api.post(
            f"/workflows/{workflow_id}/run/",
            json={"input": {} if value is None else value, "wait_seconds": wait_seconds},
        )
        assert started.status_code in {201, 202}, started.text
        execution: dict[str, Any] = started.json()
        return execution

    def execution(self, execution_id: str) -> dict[str, Any]:
        """Return an execution as the API shows it."""
        found: dict[str, Any] = self.api.get(f"/executions/{execution_id}/").json()
        return found

    def node_runs(self, execution_id: str) -> list[dict[str, Any]]:
        """Return the node runs of an execution in their order (the first hundred)."""
        found = self.api.get(f"/executions/{execution_id}/node-runs/", params={"page_size": 100}).json()
        runs: list[dict[str, Any]] = found["results"]
        return runs

    def ended(self, execution_id: str, *, seconds: float = 30) -> dict[str, Any]:
        """Wait until an execution has ended and return it."""
        self.wait_for(
            lambda: self.execution(execution_id)["status"] not in {"pending", "running"},
            seconds=seconds,
            what=f"execution {execution_id} to end",
        )
        return self.execution(execution_id)

    def wait_for(self, holds: Callable[[], Any], *, seconds: float, what: str) -> None:
        """Wait until something holds."""
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, f"Waited {seconds} s in vain for {what}."
            time.sleep(0.05)

    def _start(self, name: str, more: dict[str, str]) -> None:
        commands = {
            "web": ["gunicorn", "--config", "config/gunicorn.py", "--bind", f"127.0.0.1:{self.port}"],
            "worker": [
                "celery",
                "-A",
                "config",
                "worker",
                "--concurrency",
                "2",
                "--without-gossip",
                "--without-mingle",
            ],
            "beat": ["celery", "-A", "config", "beat", "--pidfile="],
        }
        with (self.folder / f"{name}.log").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *commands[name.partition("-")[0]]],
                cwd=ROOT,
                env={**self.environment, **more},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        assert self._processes["web"].poll() is None, self.log("web")
        try:
            return httpx2.get(f"{self.url}/health/ready/", trust_env=False, timeout=5).status_code == 200
        except httpx2.TransportError:
            return False


@contextlib.contextmanager
def fresh_database(kind: str, folder: Path) -> Iterator[str]:
    """Make an empty database, on the tests' PostgreSQL server or as a file, and yield its URL."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'segue.sqlite3'}"
        return
    parts = urlsplit(os.environ["TEST_DATABASE_URL"])
    name = f"segue_story_{uuid.uuid4().hex[:12]}"
    server = urlunsplit(parts._replace(scheme="postgresql", path="/postgres"))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(parts._replace(path=f"/{name}"))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextlib.contextmanager
def installed(kind: str, folder: Path, broker_url: str, **settings: str) -> Iterator[Installation]:
    """Yield an installation on ``postgres``, ``sqlite`` or ``rabbitmq``; skip the test where its parts are not to be had."""
    if kind != "sqlite" and os.environ["TEST_DATABASE_URL"] == "sqlite":
        pytest.skip("this run is on SQLite alone")
    if kind == "rabbitmq":
        if "TEST_RABBITMQ_URL" not in os.environ:
            pytest.skip("TEST_RABBITMQ_URL names no RabbitMQ")
        broker_url = os.environ["TEST_RABBITMQ_URL"]
    with fresh_database("sqlite" if kind == "sqlite" else "postgres", folder) as database_url:
        installation = Installation(folder, database_url=database_url, broker_url=broker_url, **settings)
        try:
            yield installation
        finally:
            installation.stop()
