"""The catalogue of node types and tools: complete, true, and the same over the API."""

from __future__ import annotations

import jsonschema_rs
import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import problems
from workflows import catalogue
from workflows.nodes import base as nodes
from workflows.tools import base as tools


class TestNodeTypes:
    def test_has_each_registered_one_once_by_name(self):
        assert [entry.key for entry in catalogue.node_types()] == sorted(nodes.catalogue())
        assert {"trigger", "condition", "transform", "loop", "parallel", "tool", "delay", "output"} <= set(
            nodes.catalogue()
        )

    @pytest.mark.parametrize("entry", catalogue.node_types(), ids=lambda entry: entry.key)
    def test_describes_each_in_a_sentence(self, entry):
        assert entry.description.endswith(".")
        assert entry.icon
        assert entry.effect in ("none", "read", "write")
        assert isinstance(entry.ports, tuple)

    @pytest.mark.parametrize("entry", catalogue.node_types(), ids=lambda entry: entry.key)
    def test_each_schema_is_one_and_refuses_unknown_keys(self, entry):
        validator = jsonschema_rs.validator_for(entry.config_schema)

        assert not validator.is_valid({**entry.example, "no_such_key": 1})

    def test_a_loop_has_its_keys_as_they_are_written(self):
        (entry,) = (entry for entry in catalogue.node_types() if entry.key == "loop")
        validator = jsonschema_rs.validator_for(entry.config_schema)

        assert validator.is_valid({"while": True, "accumulator": {"next": 1}})
        assert not validator.is_valid({"while_": True})

    def test_loops_and_parallels_are_scopes(self):
        assert [entry.key for entry in catalogue.node_types() if entry.is_scope] == ["loop", "parallel"]

    def test_triggers_start_workflows(self):
        assert [entry.key for entry in catalogue.node_types() if entry.starts_workflow] == ["trigger"]


class TestTools:
    def test_has_each_registered_one_once_by_name(self):
        assert [entry.name for entry in catalogue.tool_entries()] == sorted(tools.catalogue())

    @pytest.mark.parametrize("entry", catalogue.tool_entries(), ids=lambda entry: entry.name)
    def test_describes_each(self, entry):
        assert entry.description.endswith(".")
        assert entry.icon
        assert entry.effect in ("read", "write")
        assert jsonschema_rs.validator_for(entry.arguments_schema).is_valid(entry.example)

    @pytest.mark.parametrize("entry", catalogue.tool_entries(), ids=lambda entry: entry.name)
    def test_describes_every_argument_for_a_form(self, entry):
        parts = [entry.arguments_schema, *entry.arguments_schema.get("$defs", {}).values()]
        fields = [(name, field) for part in parts for name, field in part.get("properties", {}).items()]

        assert [name for name, field in fields if "description" not in field and "const" not in field] == []

    @pytest.mark.parametrize("entry", catalogue.tool_entries(), ids=lambda entry: entry.name)
    def test_refuses_unknown_arguments(self, entry):
        validator = jsonschema_rs.validator_for(entry.arguments_schema)

        assert not validator.is_valid({**entry.example, "no_such_argument": 1})

    @pytest.mark.parametrize("entry", catalogue.tool_entries(), ids=lambda entry: entry.name)
    def test_each_example_can_be_published(self, entry):
        raw = definition("start > it", it=node("tool", {"tool": entry.name, "with": entry.example}))

        found = problems(raw, variables=dict.fromkeys(("API_TOKEN", "DATABASE", "MCP_TOKEN"), True))
        assert [problem for problem in found if problem.code != "unknown_workflow"] == []


@pytest.mark.django_db
class TestApi:
    @pytest.mark.parametrize(("path", "name"), [("node-types", "key"), ("tools", "name")])
    def test_lists_and_shows_to_everybody_who_is_logged_in(self, api, path, name):
        client = api("stranger")

        rows = client.get(f"/api/{path}/").json()

        assert rows
        for row in rows:
            assert client.get(f"/api/{path}/{row[name]}/").json() == row

    @pytest.mark.parametrize("path", ["node-types", "tools"])
    def test_asks_nobody_who_they_are(self, api, path):
        assert api("nobody").get(f"/api/{path}/").status_code == 401

    @pytest.mark.parametrize("path", ["node-types", "tools"])
    @pytest.mark.parametrize("name", ["nothing", "x" * 500, "a.b.c", "' OR 1=1", "%00"])
    def test_says_what_there_is_instead(self, api, path, name):
        answer = api("viewer").get(f"/api/{path}/{name}/")

        assert answer.status_code == 404

    @pytest.mark.parametrize("path", ["node-types", "tools"])
    def test_cannot_be_written(self, api, path):
        assert api("owner").post(f"/api/{path}/", {}).status_code == 405
