"""The catalogue of node types and tools: complete, true, and the same over the API."""

from __future__ import annotations

import jsonschema_rs
import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import problems
from workflows import catalogue
from workflows.nodes import base as nodes
from workflows.tools import base as tools


def with_expressions(schema):
    """Return a schema that takes a text with an expression wherever it says that one may stand."""
    if isinstance(schema, list):
        return [with_expressions(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: with_expressions(part) for key, part in schema.items()}
    return {"anyOf": [parts, {"type": "string", "pattern": "[{][{]"}]} if schema.get("x-expression") is True else parts


def values_of(keyword, schema):
    """Yield what a keyword says anywhere in a schema."""
    if isinstance(schema, list):
        for part in schema:
            yield from values_of(keyword, part)
    elif isinstance(schema, dict):
        yield from [schema[keyword]] if keyword in schema else []
        for part in schema.values():
            yield from values_of(keyword, part)


def with_defaults(schema, value, whole):
    """Return a value as a form makes it that writes down what is left out, as the schema says it."""
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [with_defaults(schema.get("items", {}), each, whole) for each in value]
    fields = schema.get("properties", {})
    if not isinstance(value, dict) or not fields:
        return value
    left_out = {key: field["default"] for key, field in fields.items() if "default" in field}
    return left_out | {key: with_defaults(fields.get(key, {}), each, whole) for key, each in value.items()}


def untitled(schema):
    """Return the fields that a form would have no name for."""
    parts = schema.get("$defs", {})
    fields = [each for part in [schema, *parts.values()] for each in part.get("properties", {}).items()]
    return [
        name
        for name, field in fields
        if "title" not in field and "title" not in parts.get(field.get("$ref", "").rpartition("/")[2], {})
    ]


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

    @pytest.mark.parametrize("entry", catalogue.node_types(), ids=lambda entry: entry.key)
    def test_each_example_is_valid_where_expressions_may_stand(self, entry):
        validator = jsonschema_rs.validator_for(with_expressions(entry.config_schema))

        assert [error.message for error in validator.iter_errors(entry.example)] == []

    @pytest.mark.parametrize(
        ("key", "config"),
        [
            ("loop", {"items": "{{ [1] }}"}),
            ("loop", {"while": "{{ false }}"}),
            ("condition", {"cases": [{"port": "a", "when": "{{ true }}"}]}),
            ("condition", {"cases": [{"port": "a", "all": [{"left": 1, "operator": "exists"}]}]}),
            ("condition", {"cases": [{"port": "a", "any": [{"left": 1, "operator": "equals", "right": 1}]}]}),
            *((entry.key, entry.example) for entry in catalogue.node_types() if not entry.starts_workflow),
        ],
    )
    def test_a_form_may_write_every_default_down(self, key, config):
        schema = next(entry for entry in catalogue.node_types() if entry.key == key).config_schema
        raw = definition("start > it", it=node(key, with_defaults(schema, config, schema)))

        at = [each for each in problems(raw) if each.path.startswith("/nodes/1/config")]

        assert [
            (each.code, each.path) for each in at if each.code not in ("unknown_workflow", "unknown_variable")
        ] == []

    @pytest.mark.parametrize("entry", catalogue.node_types(), ids=lambda entry: entry.key)
    def test_describes_every_field_for_a_form(self, entry):
        parts = [entry.config_schema, *entry.config_schema.get("$defs", {}).values()]
        fields = [(name, field) for part in parts for name, field in part.get("properties", {}).items()]

        assert [name for name, field in fields if "description" not in field and "const" not in field] == []

    @pytest.mark.parametrize("entry", catalogue.node_types(), ids=lambda entry: entry.key)
    def test_calls_every_field_by_a_title(self, entry):
        assert untitled(entry.config_schema) == []

    @pytest.mark.parametrize(
        ("key", "kinds"),
        [
            ("delay", {"cron", "time_zone", "moment", "duration"}),
            ("trigger", {"cron", "time_zone", "moment"}),
            ("transform", {"javascript", "path", "time_zone"}),
        ],
    )
    def test_says_which_kind_of_text_a_form_should_take(self, key, kinds):
        (entry,) = (entry for entry in catalogue.node_types() if entry.key == key)

        assert kinds <= set(values_of("x-input", entry.config_schema))

    def test_says_which_fields_take_secrets_where_others_do_not(self):
        fields = {entry.key: entry.secret_fields for entry in catalogue.node_types() if not entry.accepts_secrets}

        assert fields["transform"] == ("steps.*.key",)
        assert "models.*.api_key" in fields["agent"]
        assert fields["condition"] == ()

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
    def test_calls_every_argument_by_a_title(self, entry):
        assert untitled(entry.arguments_schema) == []

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

    @pytest.mark.parametrize("path", ["node-types/", "node-types/delay/", "tools/", "tools/http.request/"])
    def test_is_sent_once_to_who_says_what_they_have(self, api, path):
        client = api("viewer")
        tag = client.get(f"/api/{path}").headers["ETag"]

        again = client.get(f"/api/{path}", headers={"If-None-Match": tag})

        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert client.get(f"/api/{path}", headers={"If-None-Match": '"other"'}).status_code == 200

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
