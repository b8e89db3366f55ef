"""The proof against a stand-in for Segue's API; against Segue itself it runs in test_supervisor_up."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from rich.console import Console
from werkzeug import Request, Response

from config.supervisor import proof
from config.supervisor.proof import Disproved, Installation, excerpt, free_name, prove

NODE_RUNS = [
    {"node_id": "order", "status": "completed", "duration_ms": 1, "output_data": {"body": ["[bold]", "x" * 500]}},
    {"node_id": "confirm", "status": "completed", "duration_ms": 2, "output_data": None},
]


class StandIn:
    """What the API says, and what was asked of it."""

    def __init__(self) -> None:
        self.workflows: list[dict[str, Any]] = []
        self.templates: list[dict[str, Any]] = [{"id": "t1"}]
        self.registrations: list[dict[str, Any]] = [{"path": "p1"}]
        self.webhook = (201, {"execution_id": "e1"})
        self.execution = {"id": "e1", "workflow_name": "Demo", "status": "completed", "duration_seconds": 0.1}
        self.execution |= {"error": "", "blocked_on": None}
        self.installed: list[dict[str, Any]] = []
        self.was_asked_by: set[str | None] = set()

    def answer(self, request: Request) -> Response:
        path = request.path.removeprefix("/api/")
        if path.startswith("/webhooks/"):
            return self._json(self.webhook[1], self.webhook[0])
        self.was_asked_by.add(request.headers.get("Authorization"))
        if path == "templates/t1/install/":
            self.installed.append(json.loads(request.data))
            return self._json({"id": "w1"}, 201)
        lists = {
            "workflows/": self.workflows,
            "templates/": self.templates,
            "webhook-registrations/": self.registrations,
            "executions/e1/node-runs/": NODE_RUNS,
        }
        return self._json({"results": lists[path]} if path in lists else self.execution, 200)

    def _json(self, body: Any, status: int) -> Response:
        return Response(json.dumps(body), status=status, content_type="application/json")


@pytest.fixture
def api(httpserver) -> StandIn:
    stand_in = StandIn()
    httpserver.expect_request(re.compile("/.*")).respond_with_handler(stand_in.answer)
    return stand_in


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def run(api, httpserver, said):
    """Prove it, and return what was said."""

    def go() -> str:
        segue = Installation(url=httpserver.url_for("").rstrip("/"), token="key", project="p")
        prove(segue, Console(file=said, width=100))
        return said.getvalue()

    return go


class TestProve:
    def test_installs_the_template_and_shows_each_node_run_on_one_line(self, api, run):
        lines = run().splitlines()

        assert api.installed == [{"project": "p", "name": "Demo: order webhook"}]
        assert api.was_asked_by == {"Bearer key"}
        assert any("Demo: completed in 0.1 s" in line for line in lines)
        assert sum("completed" in line and "[bold]" in line for line in lines) == 1
        assert all(len(line) <= 100 for line in lines)

    def test_uses_the_workflow_of_an_earlier_start(self, api, run):
        api.workflows = [{"id": "w1", "name": "Demo: order webhook", "status": "active"}]

        run()

        assert api.installed == []

    def test_leaves_one_that_somebody_archived_alone(self, api, run):
        api.workflows = [{"id": "w1", "name": "Demo: order webhook", "status": "archived"}]

        run()

        assert [wanted["name"] for wanted in api.installed] == ["Demo: order webhook 2"]

    def test_waits_when_the_webhook_only_promises(self, api, run):
        api.webhook = (202, {"execution_id": "e1"})

        assert "completed" in run()

    def test_fails_when_the_execution_did(self, api, run, said):
        api.execution |= {"status": "failed", "error": "It broke."}

        with pytest.raises(Disproved, match=r"failed: It broke\."):
            run()

        assert "confirm" in said.getvalue()

    def test_fails_when_the_execution_does_not_end(self, api, run, monkeypatch):
        monkeypatch.setattr(proof, "END_WITHIN_SECONDS", 0.3)
        api.webhook = (202, {"execution_id": "e1"})
        api.execution |= {"status": "pending", "blocked_on": "queue"}

        with pytest.raises(Disproved, match=r"still pending after 0\.3 s, blocked on queue"):
            run()

    def test_fails_when_the_webhook_refuses(self, api, run):
        api.webhook = (401, {"code": "unauthorized"})

        with pytest.raises(Disproved, match=r"answered 401.*unauthorized"):
            run()

    @pytest.mark.parametrize(("what", "message"), [("templates", "no template"), ("registrations", "did not register")])
    def test_says_what_is_missing(self, api, run, what, message):
        setattr(api, what, [])

        with pytest.raises(Disproved, match=message):
            run()


class TestFreeName:
    def test_is_the_plain_one_first(self):
        assert free_name([]) == "Demo: order webhook"

    def test_is_numbered_beside_others(self):
        assert free_name(["Demo: order webhook", "Demo: order webhook 2"]) == "Demo: order webhook 3"


class TestExcerpt:
    def test_is_json_that_ends_somewhere(self):
        assert excerpt({"a": "ä"}) == '{"a": "ä"}'
        assert len(excerpt("x" * 10_000)) == proof.EXCERPT_CHARACTERS
