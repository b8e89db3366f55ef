"""What is true of every node type."""

from __future__ import annotations

import json
import sys

import pytest

from config.checks import check_packages
from tests.builders import definition, node
from tests.workflows.definition.checks import problems
from tests.workflows.nodes.runs import node_type
from workflows.expressions.vocabulary import PASS_ROOTS
from workflows.nodes import loading
from workflows.nodes.base import NodeType, catalogue, lies_at, register
from workflows.nodes.loading import load
from workflows.nodes.scopes import ScopeType

BUILT = ["agent", "condition", "delay", "loop", "output", "parallel", "tool", "transform", "trigger", "webhook"]
SCOPES = ["loop", "parallel"]


class TestCatalogue:
    def test_holds_the_node_types_of_this_version(self):
        assert sorted(catalogue()) == BUILT

    def test_is_loaded_only_once_however_often_that_is_asked_for(self):
        load()

    def test_refuses_a_second_type_with_the_same_key(self):
        with pytest.raises(ValueError, match="Two node types are called 'delay'"):

            @register("delay")
            class Other(NodeType):
                __module__ = "workflows.nodes.other"

    @pytest.mark.parametrize("key", ["mood", "Acme.mood", "acme.", ".mood", "acme.mood!", f"acme.{'x' * 60}"])
    def test_refuses_keys_of_other_packages_that_could_be_our_own(self, key):
        with pytest.raises(ValueError, match="cannot be the key of Other"):

            @register(key)
            class Other(NodeType):
                pass


@pytest.mark.parametrize("key", BUILT)
class TestEveryNodeType:
    def test_has_an_example_that_can_be_published(self, key):
        of_type = node(key, node_type(key).example)
        raw = definition("start > end", start=of_type) if key == "trigger" else definition("start > it", it=of_type)
        if key in SCOPES:
            raw["nodes"].append({"id": "inside", "type": "delay", "parent": "it", "config": {"for_seconds": 0}})

        assert problems(raw, variables={"ANTHROPIC_API_KEY": True}) == []

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


@pytest.mark.parametrize("key", SCOPES)
class TestEveryScope:
    def test_says_that_it_is_one(self, key):
        assert node_type(key).is_scope
        assert isinstance(node_type(key), ScopeType)

    @pytest.mark.parametrize("config", [{}, {"items": 5, "accumulator": [], "while": None}, {"items": None}])
    def test_tells_what_its_passes_have_of_any_config(self, key, config):
        assert node_type(key).pass_roots(config) <= PASS_ROOTS
        node_type(key).is_over_branches(config)

    def test_knows_its_templates_of_passes_by_their_names_in_json(self, key):
        schema = node_type(key).Config.model_json_schema()
        names = {*schema["properties"], *(f"accumulator.{name}" for name in ("initial", "next"))}

        assert {*node_type(key).before_pass, *node_type(key).after_pass} <= names


class TestLiesAt:
    @pytest.mark.parametrize(
        ("path", "dotted", "is_there"),
        [
            (["while"], ["while"], True),
            (["accumulator", "next"], ["accumulator.next"], True),
            (["accumulator", "next", "sum", "0"], ["accumulator.next"], True),
            (["accumulator", "initial"], ["accumulator.next"], False),
            (["accumulator"], ["accumulator.next"], False),
            (["cases", "3", "when"], ["else", "cases.*.when"], True),
            (["cases", "3", "port"], ["cases.*.when"], False),
            ([], ["while"], False),
            (["while"], [], False),
        ],
    )
    def test_is_at_a_path_or_below_it(self, path, dotted, is_there):
        assert lies_at(path, dotted) is is_there


GREETING = """
from workflows.nodes.base import Config, Done, NodeType, register


@register("acme.greeting")
class Greeting(NodeType[Config]):
    '''Greet.'''

    Config = Config
    example = {}

    def run(self, config, context):
        return Done("hello")
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that installs a package of one module with the given code."""

    def install(code):
        (tmp_path / "segue_greeting.py").write_text(code)
        metadata = tmp_path / "segue_greeting-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: segue-greeting\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[segue.node_types]\ngreeting = segue_greeting\n")
        monkeypatch.syspath_prepend(tmp_path)

    yield install
    catalogue().pop("acme.greeting", None)
    sys.modules.pop("segue_greeting", None)
    loading._broken.clear()


class TestEntryPoints:
    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
            ("class", "SyntaxError"),
            ("import sys; sys.exit(3)", "SystemExit: 3"),
            (GREETING + "raise ValueError('after that')", "ValueError: after that"),
            (GREETING.replace("acme.greeting", "delay"), "cannot be the key of Greeting"),
            (GREETING + GREETING, "Two node types are called 'acme.greeting'"),
            (GREETING.replace("    example = {}\n", ""), "has no attribute 'example'"),
            (GREETING.replace("    Config = Config\n", ""), "has no attribute 'Config'"),
            (GREETING.replace("example = {}", "example = {'a': object()}"), "Type is not JSON serializable"),
            (GREETING.replace("NodeType[Config]", "dict"), "TypeError"),
        ],
    )
    def test_that_are_broken_add_nothing_and_stop_nobody(self, package, caplog, code, reason):
        package(code)

        load()
        load()

        (broken,) = loading.broken()
        assert (broken.package, broken.entry) == ("segue-greeting 1.0", "segue.node_types: segue_greeting")
        assert reason in broken.reason
        assert sorted(catalogue()) == BUILT
        assert [record.message for record in caplog.records] == ["An installed package adds no node types and tools."]
        (message,) = check_packages()
        assert "segue-greeting 1.0" in message.msg

    def test_bring_node_types_of_other_packages(self, package):
        package(GREETING)

        load()

        assert catalogue()["acme.greeting"].key == "acme.greeting"
        assert loading.broken() == []
