"""A database that does not get to its work: nobody waits for ever, nothing is half done, and it goes on by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.builders import definition, node
from tests.installation import Installation, installed


@pytest.fixture
def segue(tmp_path: Path, broker: str) -> Iterator[Installation]:
    if not os.environ["TEST_DATABASE_URL"].startswith("postgres"):
        pytest.skip("SQLite has no limit of time.")
    short = {"WEB_STATEMENT_SECONDS": "1", "WORKER_STATEMENT_SECONDS": "1", "SWEEP_STATEMENT_SECONDS": "1"}
    with installed("postgres", tmp_path, broker, **short) as installation:
        yield installation


@contextmanager
def locked(segue: Installation, table: str) -> Iterator[None]:
    """Let nobody else use a table, as a change of its columns would."""
    with psycopg.connect(segue.environment["DATABASE_URL"]) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


HOOK = definition(
    "start > end",
    start=node("trigger", {"kind": "webhook"}),
    end=node("output", {"value": "{{ trigger.body }}"}),
)


class TestWebProcess:
    def test_answers_503_instead_of_waiting(self, segue):
        """[S-DOS-5]"""
        segue.start("web")
        hook = segue.webhook(segue.publish("Hook", HOOK))

        with locked(segue, "workflows"):
            listed = segue.api.get("/workflows/")
            sent = httpx2.post(hook["url"], json={}, trust_env=False, timeout=20)
            page = httpx2.get(f"{segue.url}/admin/login/", trust_env=False, timeout=20)

        assert (listed.status_code, listed.json()["code"]) == (503, "too_slow")
        assert (sent.status_code, sent.json()["code"]) == (503, "unavailable")
        assert int(sent.headers["Retry-After"]) > 0
        assert page.status_code == 200  # What needs nothing of it goes on.
        assert segue.api.get("/executions/").json()["results"] == []
        assert segue.api.get("/workflows/").status_code == 200


class TestWorker:
    def test_gives_up_on_the_statement_and_not_on_the_execution(self, segue):
        segue.start("web", "worker")
        workflow_id = segue.publish("Hook", HOOK)

        with locked(segue, "workflow_execution_logs"):
            execution_id = segue.run(workflow_id, {"body": 7})["id"]
            segue.wait_for(
                lambda: "statement timeout" in segue.log("worker"), seconds=20, what="the worker to give up waiting"
            )

        assert segue.ended(execution_id)["status"] == "completed"


class TestCommands:
    def test_wait_as_long_as_it_takes(self, segue):
        said = segue.manage("shell", "--verbosity=0", "-c", SHOW)

        assert said.strip() == "0"


SHOW = (
    "from django.db import connection as c; k = c.cursor(); k.execute('SHOW statement_timeout'); print(k.fetchone()[0])"
)
