"""What is true of every node type."""

from __future__ import annotations

import json
import sys

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import problems
from tests.workflows.nodes.runs import node_type
from workflows.nodes.base import NodeType, catalogue, register
from workflows.nodes.loading import load

BUILT = ["condition", "delay", "output", "tool", "transform", "trigger"]


class TestCatalogue:
    def test_holds_the_node_types_of_this_version(self):
        assert sorted(catalogue()) == BUILT

    def test_is_loaded_only_once_however_often_that_is_asked_for(self):
        load()

    def test_refuses_a_second_type_with_the_same_key(self):
        with pytest.raises(ValueError, match="Two node types are called 'delay'"):

            @register("delay")
            class Other(NodeType):
                pass


@pytest.mark.parametrize("key", BUILT)
class TestEveryNodeType:
    def test_has_an_example_that_can_be_published(self, key):
        of_type = node(key, node_type(key).example)
        raw = definition("start > end", start=of_type) if key == "trigger" else definition("start > it", it=of_type)

        assert problems(raw) == []

    def test_says_in_a_line_what_it_is_for(self, key):
        first_line = (node_type(key).__doc__ or "").splitlines()[0]

        assert 10 < len(first_line) <= 120
        assert first_line.endswith(".")

    def test_describes_every_field_for_a_form(self, key):
        schema = node_type(key).Config.model_json_schema()
        described = [schema, *schema.get("$defs", {}).values()]
        fields = [(name, field) for part in described for name, field in part.get("properties", {}).items()]

        assert fields
        assert [name for name, field in fields if "description" not in field and "const" not in field] == []
        json.dumps(schema)

    @pytest.mark.parametrize(
        "config", [{}, {"cases": 5, "tool": [], "with": 3, "else": None}, {"cases": [None, {"port": 3}]}]
    )
    def test_tells_ports_and_effect_of_any_config(self, key, config):
        node_type(key).ports(config)
        node_type(key).effect(config)


class TestEntryPoints:
    def test_bring_node_types_of_other_packages(self, tmp_path, monkeypatch):
        (tmp_path / "segue_greeting.py").write_text(
            "from workflows.nodes.base import Config, Done, NodeType, register\n\n\n"
            "@register('greeting')\n"
            "class Greeting(NodeType[Config]):\n"
            '    """Greet."""\n\n'
            "    Config = Config\n"
            "    example = {}\n\n"
            "    def run(self, config, context):\n"
            "        return Done('hello')\n"
        )
        metadata = tmp_path / "segue_greeting-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: segue-greeting\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[segue.node_types]\ngreeting = segue_greeting\n")
        monkeypatch.syspath_prepend(tmp_path)
        try:
            load()

            assert catalogue()["greeting"].key == "greeting"
        finally:
            catalogue().pop("greeting", None)
            sys.modules.pop("segue_greeting", None)
