"""Calling ``http.request`` without an engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.workflows.http.servers import response
from tests.workflows.tools import world
from workflows.nodes.evaluation import fill
from workflows.tools.http_request import HttpRequest
from workflows.tools.http_request.arguments import RequestArguments

TOKEN = "t0ken-of-alice"


@dataclass
class World(world.World):
    """A context with one secret."""

    idempotency_key: str = "key-of-this-node-run"
    secrets: Mapping[str, str] = field(default_factory=lambda: {"TOKEN": TOKEN})


def call(context=None, **arguments):
    """Call the tool. Templates in the arguments are those that it evaluates itself."""
    return HttpRequest().call(RequestArguments.model_validate(fill(arguments, {})), context or World())


def answer_json(value, status=200, **headers):
    return response(status, json.dumps(value).encode(), content_type="application/json", **headers)
