"""GitHub calls; the workflow branches on the event, calls a service with what it read, and answers.

The payloads are GitHub's own. Meanwhile the worker is killed, three times: nothing is lost and nothing is done twice.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

DATA = Path(__file__).parent.parent / "data" / "github"
SECRET = "it's a secret to everybody"
CLIENTS = 8
CALLS = 1_000


def definition(service: str) -> dict:
    def call(node_id: str, path: str, body: dict) -> dict:
        arguments = {"method": "POST", "url": f"{service}{path}", "json": body}
        return {"id": node_id, "type": "tool", "config": {"tool": "http.request", "with": arguments}}

    return {
        "schema": 1,
        "nodes": [
            {
                "id": "github",
                "type": "trigger",
                "config": {
                    "kind": "webhook",
                    "path": "github",
                    "auth": {"scheme": "github"},
                    "respond": "finished",
                    "response_timeout_seconds": 60,
                },
            },
            {
                "id": "event",
                "type": "condition",
                "config": {
                    "cases": [
                        {"port": "push", "when": "{{ trigger.headers['x-github-event'] === 'push' }}"},
                        {"port": "issues", "when": "{{ trigger.headers['x-github-event'] === 'issues' }}"},
                    ]
                },
            },
            call(
                "record_push",
                "/pushes",
                {
                    "ref": "{{ trigger.body.ref }}",
                    "by": "{{ trigger.body.pusher.name }}",
                    "commits": "{{ trigger.body.commits.length }}",
                },
            ),
            call(
                "record_issue",
                "/issues",
                {
                    "title": "{{ trigger.body.action }}: {{ trigger.body.issue.title }}",
                    "labels": "{{ (trigger.body.issue.labels ?? []).map(label => label.name) }}",
                },
            ),
            {
                "id": "answer",
                "type": "output",
                "join": "any",
                "config": {
                    "value": {"kept_as": "{{ input.body.id }}", "about": "{{ input.body.about }}"},
                    "status": 201,
                },
            },
        ],
        "edges": [
            {"source": "github", "target": "event"},
            {"source": "event", "source_port": "push", "target": "record_push", "type": "condition"},
            {"source": "event", "source_port": "issues", "target": "record_issue", "type": "condition"},
            {"source": "record_push", "target": "answer"},
            {"source": "record_issue", "target": "answer"},
        ],
    }


class Service:
    """A service that keeps what it is told, and knows a request again by its idempotency key."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self.keys: dict[str, int] = {}
        self._lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps(service.keep(self.headers["Idempotency-Key"], told)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def keep(self, key: str, told: dict) -> dict:
        with self._lock:
            if key not in self.keys:
                self.keys[key] = next(self._ids)
            return {"id": self.keys[key], "about": told.get("ref") or told["title"]}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def service(segue):
    """Return a service of its own for each kind of installation."""
    running = Service()
    yield running
    running.close()


@pytest.fixture(scope="module")
def workflow_id(segue, service) -> str:
    """Publish the workflow, give its webhook its secret, and return its id."""
    workflow_id = segue.publish("GitHub", definition(service.url))
    hook = segue.webhook(workflow_id)
    segue.api.post(f"/webhook-registrations/{hook['id']}/secret/", json={"secret": SECRET}).raise_for_status()
    return workflow_id


@pytest.fixture(scope="module")
def payloads() -> list[tuple[str, dict]]:
    return [
        (event, payload)
        for event in ("push", "issues")
        for payload in json.loads((DATA / f"{event}.json").read_text(encoding="utf-8"))
    ]


def deliver(url: str, event: str, payload: dict, delivery_id: str, *, secret: str = SECRET) -> httpx2.Response:
    """Send a delivery as GitHub does; try again, with the same id, when the server says that it was not accepted."""
    body = json.dumps(payload).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery_id,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return httpx2.post(url, content=body, headers=headers, timeout=90, trust_env=False)


def about(event: str, payload: dict) -> str:
    return payload["ref"] if event == "push" else f"{payload['action']}: {payload['issue']['title']}"


class TestGitHubEvents:
    @pytest.mark.crash
    def test_a_thousand_deliveries_survive_three_killed_workers(self, segue, service, workflow_id, payloads):
        """1,000 deliveries by 8 clients give 1,000 completed executions with the right outputs. [R-1, R-2, R-4, R-7]"""
        began = datetime.now(UTC)
        before = len(service.keys)
        work = [(index, *payloads[index % len(payloads)]) for index in range(CALLS)]
        answers: dict[int, httpx2.Response] = {}

        def send(item: tuple[int, str, dict]) -> None:
            index, event, payload = item
            answers[index] = deliver(f"{segue.url}/webhooks/github", event, payload, f"story-{index}")

        with ThreadPoolExecutor(CLIENTS) as clients:
            sending = [clients.submit(send, item) for item in work]
            for share in (0.2, 0.5, 0.8):
                while len(answers) < CALLS * share:
                    time.sleep(0.02)
                segue.kill("worker")
                segue.start("worker")
            for sent in sending:
                sent.result()

        executions = self._executions(segue, workflow_id, since=began)
        assert Counter(execution["status"] for execution in executions) == {"completed": CALLS}
        assert Counter(answer.status_code for answer in answers.values()) == {201: CALLS}
        for index, event, payload in work:
            assert answers[index].json()["about"] == about(event, payload)
        assert len(service.keys) - before == CALLS, "each execution called the service under one key"
        assert len({answer.json()["kept_as"] for answer in answers.values()}) == CALLS
        assert "BROKEN" not in segue.manage("check_invariants")

    def test_the_same_delivery_again_answers_with_the_first_execution(self, segue, workflow_id, payloads):
        event, payload = payloads[0]
        deliver(f"{segue.url}/webhooks/github", event, payload, "twice")

        again = deliver(f"{segue.url}/webhooks/github", event, payload, "twice")

        assert again.status_code == 200
        assert again.json()["duplicate"] is True

    def test_an_event_that_no_branch_is_for_ends_without_a_call(self, segue, service, workflow_id):
        before = len(service.keys)

        answer = deliver(f"{segue.url}/webhooks/github", "ping", {"zen": "Design for failure."}, "ping-1")

        assert answer.status_code == 200
        assert answer.json() is None
        assert len(service.keys) == before

    def test_a_wrong_signature_is_refused_and_kept(self, segue, workflow_id):
        refused = httpx2.post(
            f"{segue.url}/webhooks/github",
            content=b"{}",
            headers={"X-Hub-Signature-256": "sha256=" + "0" * 64, "Content-Type": "application/json"},
            trust_env=False,
        )

        assert refused.status_code == 401
        hook = segue.webhook(workflow_id)
        kept = segue.api.get(f"/webhook-registrations/{hook['id']}/deliveries/").json()["results"][0]
        assert kept["verdict"] == "rejected"

    def _executions(self, segue, workflow_id, *, since):
        found = []
        asked = {"workflow": workflow_id, "page_size": 100, "created_after": since.isoformat()}
        page = segue.api.get("/executions/", params=asked).json()
        while True:
            found += page["results"]
            if page["next"] is None:
                return found
            page = segue.api.get(page["next"]).json()
