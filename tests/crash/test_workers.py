"""Workers, brokers and beats that die: what was accepted still ends, and what was recorded runs once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.builders import definition, node
from tests.installation import Installation, installed


class SlowService:
    """A service that answers only when it is told to, and remembers who called."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/")
        self.keys: list[str] = []
        self.release = threading.Event()
        server.expect_request("/").respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        self.keys.append(request.headers["Idempotency-Key"])
        self.release.wait(60)
        return Response('"done"', content_type="application/json")


@pytest.fixture
def service() -> Iterator[SlowService]:
    with HTTPServer(threaded=True) as server:
        slow = SlowService(server)
        yield slow
        slow.release.set()


@pytest.fixture(params=["postgres", "sqlite"])
def segue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    broker_url = request.getfixturevalue("broker")
    with installed(request.param, tmp_path, broker_url, ENGINE_GRACE_SECONDS="1") as installation:
        yield installation


def call(url: str) -> dict:
    return node("tool", {"tool": "http.request", "with": {"method": "POST", "url": url}})


def started(segue: Installation, service: SlowService) -> str:
    """Start a workflow, and wait until its call is under way."""
    raw = definition(
        "start > before > slow > end",
        slow=call(service.url),
        end=node("output", {"value": "{{ input.body }}"}),
    )
    execution_id: str = segue.run(segue.publish("Slow", raw))["id"]
    segue.wait_for(lambda: service.keys, seconds=20, what="the call to be under way")
    return execution_id


class TestKilledWorker:
    def test_another_one_repeats_the_call_in_flight_under_its_key_and_nothing_else(self, segue, service):
        """[R-4, R-7, R-11]"""
        segue.start()
        execution_id = started(segue, service)

        segue.kill("worker")
        service.release.set()
        segue.start("worker")
        ended = segue.ended(execution_id)

        assert (ended["status"], ended["result"]) == ("completed", "done")
        assert service.keys == [f"{execution_id}:slow:"] * 2
        runs = {run["node_id"]: run["interruptions"] for run in segue.node_runs(execution_id)}
        assert runs == {"start": 0, "before": 0, "slow": 1, "end": 0}


class TestTerminatedWorker:
    def test_hands_over_at_once_what_does_not_end_in_its_grace(self, segue, service):
        """[R-12]"""
        segue.start()
        execution_id = started(segue, service)

        segue.terminate("worker")

        waiting = segue.execution(execution_id)
        assert (waiting["status"], waiting["blocked_on"]) == ("running", "queue")
        service.release.set()
        segue.start("worker")
        assert segue.ended(execution_id)["status"] == "completed"


class TestBellThatNeverRang:
    def test_workers_find_what_is_due_by_themselves(self, segue, service):
        """[R-7]"""
        nowhere = "redis://127.0.0.1:1/0"
        segue.environment["CELERY_BROKER_URL"] = nowhere
        segue.start("web")
        service.release.set()
        accepted = segue.run(segue.publish("Quick", definition("start > end")))
        assert accepted["status"] == "pending", "a broker that is down changes no answer"

        segue.environment["CELERY_BROKER_URL"] = segue.broker_url
        segue.start("worker")

        assert segue.ended(accepted["id"])["status"] == "completed"
