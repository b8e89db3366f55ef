"""docs/reference/tools.md: each tool has an example, and each example runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.utils import timezone

from executions import services
from tests.builders import definition, node
from tests.docs.pages import ROOT, blocks
from tests.executions.engine.carrying import carry
from tests.executions.engine.carrying import worker as worker
from tests.factories import WorkflowFactory
from tests.mail import mail_server
from tests.mcp import MODERN, Brain, McpApplication
from tests.workflows.http.servers import Answering, Received, response
from tests.workflows.tools.test_feed_read import RSS
from tests.workflows.tools.test_mcp import serving
from triggers.models import Event
from workflows.services import set_variable
from workflows.tools.base import catalogue
from workflows.tools.storage import files

PAGE = ROOT / "docs" / "reference" / "tools.md"
ORDER = {"id": "7", "customer": "ann", "email": "ann@example.com", "total": 42}

EXAMPLES = {config["tool"]: config for config in (json.loads(block.text) for block in blocks(PAGE))}
# What each of them puts out, or a part of it.
OUTPUTS: dict[str, Any] = {
    "http.request": {"status": 200, "body": {"confirmed": 42}},
    "feed.read": {"title": "News"},
    "sql.query": {"rows": [{"customer": "ann", "total": "84"}], "row_count": 1, "command": "SELECT 1"},
    "storage.write": {"name": "orders/7.json", "is_written": True},
    "storage.read": {"body": "An invoice.", "body_format": "text"},
    "storage.list": {"is_complete": True},
    "storage.delete": {"name": "old/7.txt", "is_deleted": True},
    "email.send": {"accepted": ["ann@example.com"], "refused": []},
    "event.emit": {"name": "order.sent", "is_duplicate": False},
    "workflow.run": {"result": {"order": "7"}},
    "mcp.call": {"content": [{"type": "text", "text": "43"}], "structured": {"total": 43}, "text": "43"},
    "mcp.tools": {"server": {"name": "test"}},
}


def answer(request: Received) -> bytes:
    """Answer as the service of the examples does."""
    if request.target.endswith("feed.xml"):
        return response(200, RSS.encode(), content_type="application/xml")
    assert request.headers["authorization"] == "Bearer the-api-token"
    confirmed = {"confirmed": json.loads(request.body)["total"]}
    return response(200, json.dumps(confirmed).encode(), content_type="application/json")


def database_url() -> str:
    given = connection.settings_dict
    login = quote(given["USER"], safe="") + (f":{quote(given['PASSWORD'], safe='')}" if given["PASSWORD"] else "")
    return f"postgresql://{login}@{given['HOST'] or '127.0.0.1'}:{given['PORT'] or 5432}/{given['NAME']}"


def test_every_tool_has_one_and_no_other():
    headings = re.findall(r"^## `(.+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert set(headings) == set(EXAMPLES) == set(catalogue())


def test_the_table_has_every_tool():
    rows = re.findall(r"^\| (`.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert {name for row in rows for name in re.findall("`(.+?)`", row)} == set(catalogue())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("tool", EXAMPLES)
def test_runs(tool: str, worker: Any, settings: Any, tmp_path: Path) -> None:
    if tool == "sql.query" and connection.vendor != "postgresql":
        pytest.skip("there is no PostgreSQL server")
    settings.MEDIA_ROOT = str(tmp_path / "storage")
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_USE_TLS = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        False,
    )
    mcp = McpApplication(Brain((MODERN,)), token="the-mcp-token")
    with Answering(answer) as service, mail_server() as mail, serving(mcp) as mcp_url:
        settings.EMAIL_PORT = mail.port
        text = (
            json.dumps(EXAMPLES[tool])
            .replace("https://api.example.com", service.url(""))
            .replace("https://mcp.example.com/mcp", mcp_url)
        )
        workflow = WorkflowFactory(
            published=True,
            definition=definition(
                "start > it > end", it=node("tool", json.loads(text)), end=node("output", {"value": "{{ input }}"})
            ),
        )
        WorkflowFactory(
            project=workflow.project,
            published=True,
            name="Send an invoice",
            definition=definition("start > end", end=node("output", {"value": "{{ input }}"})),
        )
        secrets = {"API_TOKEN": "the-api-token", "MCP_TOKEN": "the-mcp-token", "DATABASE": database_url()}
        for name, value in secrets.items():
            set_variable(workflow, name, value=value, is_secret=True, by=None, now=timezone.now())
        for name in ("invoices/7.txt", "old/7.txt"):
            files.write(str(workflow.project_id), name, b"An invoice.", if_exists="replace", content_type="text/plain")

        execution = carry(worker, services.start_manually(workflow, input=ORDER, by=None, now=timezone.now()))

    assert execution.status == "completed", execution.error
    assert execution.result | OUTPUTS[tool] == execution.result
    assert Event.objects.count() == (tool == "event.emit")
    assert len(mail.messages) == (tool == "email.send")
