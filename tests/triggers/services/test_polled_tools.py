"""Tools of the catalogue that polls look with: each finds its items where it says, and takes each once."""

from __future__ import annotations

import pytest
from django.db import connection
from django.utils import timezone

from tests.docs.test_tools import database_url
from tests.factories import ProjectFactory
from tests.mcp import MODERN, Brain, McpApplication
from tests.triggers.services.test_polls import look, poll_of, taken
from tests.triggers.stories import poll, published, started_by
from tests.workflows.definition.checks import found
from tests.workflows.tools.test_mcp import serving
from workflows.services import create_workflow, publish, set_variable
from workflows.tools.base import catalogue
from workflows.tools.storage import files

pytestmark = pytest.mark.django_db


def watching(tool, given, **config):
    return published(started_by(look=poll(tool, **{"with": given, "first": "take"} | config)))


def put(workflow, *names):
    for name in names:
        files.write(str(workflow.project_id), name, b"x", if_exists="replace", content_type="text/plain")


class TestStorageList:
    def test_starts_an_execution_for_each_new_file_of_the_project(self, settings, tmp_path):
        settings.MEDIA_ROOT = str(tmp_path / "storage")
        workflow = watching("storage.list", {"folder": "inbox"})
        put(workflow, "inbox/a", "inbox/b", "elsewhere/c")

        look(poll_of(workflow))
        put(workflow, "inbox/c")
        look(poll_of(workflow))

        assert taken("name") == ["inbox/a", "inbox/b", "inbox/c"]


class TestSqlQuery:
    @pytest.mark.django_db(transaction=True)
    def test_goes_on_after_the_last_row(self, settings):
        if connection.vendor != "postgresql":
            pytest.skip("there is no PostgreSQL server")
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]
        given = {
            "connection": "{{ secret('DATABASE') }}",
            "sql": "SELECT id FROM generate_series(1, 5) AS id WHERE id > $1::int ORDER BY id LIMIT 2",
            "parameters": ["{{ trigger.cursor ?? 0 }}"],
        }
        raw = started_by(look=poll("sql.query", **{"with": given, "first": "take", "cursor": "{{ item.id }}"}))
        workflow = create_workflow(ProjectFactory(), name="Rows", definition=raw, by=None, now=timezone.now())
        set_variable(workflow, "DATABASE", value=database_url(), is_secret=True, by=None, now=timezone.now())
        publish(workflow, by=None, now=timezone.now())

        for _ in range(4):
            look(poll_of(workflow))

        assert taken() == [1, 2, 3, 4, 5]


class TestMcpTools:
    def test_starts_an_execution_for_each_tool(self, settings):
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]
        with serving(McpApplication(Brain((MODERN,)))) as url:
            look(poll_of(watching("mcp.tools", {"url": url})))

        assert taken("name") == ["add", "fail", "route", "ask"]


@pytest.mark.parametrize(
    "tool", ["event.emit", "workflow.run", "storage.write", "storage.delete", "email.send", "mcp.call"]
)
def test_what_writes_is_no_tool_for_a_poll(tool):
    raw = started_by(look=poll(tool, **{"with": catalogue()[tool].example, "items": "", "key": "{{ item.id }}"}))

    assert "tool_writes" in [code for code, _ in found(raw, variables={"MCP_TOKEN": True})]
