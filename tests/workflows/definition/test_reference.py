"""docs/reference/definition.md says what is so: its examples are valid, and nothing is left out."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.builders import definition
from tests.workflows.definition.checks import problems
from workflows.definition.shape import (
    ConcurrencyShape,
    EdgeShape,
    NodeShape,
    OnFailureShape,
    OutlineShape,
    RetryShape,
    SettingsShape,
)
from workflows.expressions import shared_evaluator
from workflows.nodes.base import catalogue
from workflows.nodes.loading import load

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "reference" / "definition.md").read_text()
TRANSFORM = (ROOT / "docs" / "reference" / "transform.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
VARIABLES = {"STOCK_URL": False, "API_KEY": True}
NODE_TYPES = ["agent", "condition", "delay", "loop", "output", "parallel", "tool", "transform", "trigger", "webhook"]

load()


def as_definition(example: dict[str, Any]) -> dict[str, Any]:
    """Return an example as a whole definition: it is one, or a node of one. A loop's body is its node `page`."""
    if "schema" in example:
        return example
    way = example["id"] if example["type"] == "trigger" else f"begin > {example['id']}"
    raw = definition(way if ">" in way else f"{way} > last")
    nodes = [example if node["id"] == example["id"] else node for node in raw["nodes"]]
    if example["type"] == "loop":
        nodes.append({"id": "page", "type": "delay", "config": {"for_seconds": 0}, "parent": example["id"]})
    return {**raw, "nodes": nodes}


def codes() -> set[str]:
    """Return every code that a problem can have, as the source names them."""
    found = {"expression_syntax", "expression_too_large", "unknown_name", "secret_name"}  # Made from findings.
    for folder in ("definition", "nodes"):
        for path in (ROOT / "workflows" / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Name)
                    and call.func.id in ("Problem", "PydanticCustomError", "_Refused")
                    and isinstance(call.args[0], ast.Constant)
                ):
                    found.add(call.args[0].value)
    return found | {"expression_forbidden"}


def keys_of(schema: Any) -> set[str]:
    """Return the keys of all objects that a JSON Schema describes."""
    match schema:
        case dict():
            own = set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
            return own.union(*(keys_of(part) for part in schema.values()))
        case list():
            return set().union(*(keys_of(part) for part in schema))
        case _:
            return set()


class TestExamples:
    @pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.get("id", "definition"))
    def test_can_be_published(self, example):
        raw = as_definition(example)

        assert problems(raw, variables=VARIABLES, compile=shared_evaluator().check) == []

    def test_show_every_node_type(self):
        shown = [node for example in EXAMPLES for node in example.get("nodes", [example])]

        assert {node["type"] for node in shown} == set(NODE_TYPES)


class TestReference:
    @pytest.mark.parametrize(
        "model",
        [OutlineShape, NodeShape, RetryShape, EdgeShape, SettingsShape, ConcurrencyShape, OnFailureShape],
    )
    def test_has_every_key_of_the_language(self, model):
        keys = {field.alias or name for name, field in model.model_fields.items()}

        assert {key for key in keys if f"`{key}`" not in TEXT} == set()

    @pytest.mark.parametrize("key", NODE_TYPES)
    def test_has_every_key_of_every_node_type(self, key):
        keys = keys_of(catalogue()[key].Config.model_json_schema())

        assert keys
        text = TEXT + TRANSFORM if key == "transform" else TEXT
        assert {each for each in keys if f"`{each}`" not in text and f'"{each}"' not in text} == set()

    def test_has_every_operation_of_the_transform_node(self):
        steps = catalogue()["transform"].Config.model_json_schema()["properties"]["steps"]["items"]

        assert {each for each in steps["discriminator"]["mapping"] if f"`{each}`" not in TEXT} == set()

    def test_has_every_code_and_no_others(self):
        documented = set(re.findall(r"^\| `([a-z_]+)` \|", TEXT.split("## Problems")[1], re.MULTILINE))

        assert documented == codes()
