"""Calling ``http.request`` without an engine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.workflows.http.servers import response
from workflows.expressions import InProcessSandbox, render_each
from workflows.nodes.evaluation import fill
from workflows.tools.http_request import HttpRequest
from workflows.tools.http_request.arguments import RequestArguments

TOKEN = "t0ken-of-alice"
SANDBOX = InProcessSandbox()


@dataclass
class World:
    """What the tool sees of the world: a context with one secret."""

    input: object = None
    now: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)
    seconds_left: float = 300.0
    idempotency_key: str = "key-of-this-node-run"
    hops: int = 0
    default_timezone: str = "UTC"
    project_id: str = "01a20941-cdc7-7645-bd32-448c0e08d722"
    kept: object = None

    def evaluate_each(self, expression, items):
        return render_each(expression, items, SANDBOX, {}, now=self.now)

    def keep(self, state):
        self.kept = json.loads(json.dumps(state))

    def fill_secrets(self, text):
        return text.replace("⟦TOKEN⟧", TOKEN)


def call(context=None, **arguments):
    """Call the tool. Templates in the arguments are those that it evaluates itself."""
    return HttpRequest().call(RequestArguments.model_validate(fill(arguments, {})), context or World())


def answer_json(value, status=200, **headers):
    return response(status, json.dumps(value).encode(), content_type="application/json", **headers)
