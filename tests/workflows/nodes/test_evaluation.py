"""S-EXPR-5: from a config with templates to one that a node can rely on."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tests.workflows.nodes.runs import configured, node_type
from workflows.nodes.base import Config, NodeError, NodeType
from workflows.nodes.evaluation import all_templates_of, fill, is_lazy, templates_of
from workflows.nodes.fields import Dynamic, Template


class Order(NodeType[Config]):
    """Order something."""

    class Config(Config):
        count: Dynamic[int] = 1
        names: list[Dynamic[str]] = []
        note: Dynamic[Any] = None
        rows: list[dict[str, Dynamic[Any]]] = []

    deferred: ClassVar[tuple[str, ...]] = ("rows.*.each",)


ORDER = Order()
CONFIG = {
    "count": "{{ input.count }}",
    "names": ["plain", "Hello {{ input.name }}"],
    "note": {"$literal": "{{ not.mine }}"},
    "rows": [{"each": {"a/b": "{{ item.id }}"}, "other": "{{ item.id }}"}, {"each": "{{ input.same }}"}],
}


class TestTemplatesOf:
    def test_leaves_out_what_is_evaluated_for_each_item(self):
        assert templates_of(ORDER, CONFIG) == [
            ("/count", "{{ input.count }}"),
            ("/names/1", "Hello {{ input.name }}"),
            ("/rows/0/other", "{{ item.id }}"),
            ("/rows/1/each", "{{ input.same }}"),
        ]

    def test_of_all_are_in_the_order_of_writing(self):
        assert [pointer for pointer, _ in all_templates_of(ORDER, CONFIG)] == [
            "/count",
            "/names/1",
            "/rows/0/each/a~1b",
            "/rows/0/other",
            "/rows/1/each",
        ]

    def test_that_is_no_expression_is_left_to_whoever_evaluates_it(self):
        assert templates_of(ORDER, {"rows": [{"each": "{{ item"}]}) == [("/rows/0/each", "{{ item")]


class TestIsLazy:
    @pytest.mark.parametrize(
        ("pointer", "lazy"),
        [
            ("/cases/0/when", True),
            ("/cases/12/when", True),
            ("/cases/0/port", False),
            ("/else", False),
            ("/cases", False),
        ],
    )
    def test_is_what_the_node_type_says(self, pointer, lazy):
        assert is_lazy(node_type("condition"), pointer) is lazy


class TestFill:
    def test_puts_results_in_wraps_the_rest_and_takes_literals_for_what_they_hold(self):
        results = {"/count": 3, "/names/1": "Hello Ada", "/rows/0/other": 7, "/rows/1/each": 8}

        assert fill(CONFIG, results) == {
            "count": 3,
            "names": ["plain", "Hello Ada"],
            "note": "{{ not.mine }}",
            "rows": [{"each": {"a/b": Template("{{ item.id }}")}, "other": 7}, {"each": 8}],
        }

    def test_never_takes_data_for_a_template(self):
        # What came from outside may look like an expression, or like a literal.
        hostile = ["{{ secret('API_KEY') }}", {"$literal": "{{ 1 }}"}]

        assert fill({"rows": [{"each": "{{ input }}"}]}, {"/rows/0/each": hostile}) == {"rows": [{"each": hostile}]}


class TestConfigured:
    def test_gives_what_the_node_runs_with(self):
        config = configured(ORDER, {"count": "{{ input.count }}"}, {"/count": 3})

        assert config == Order.Config(count=3)

    @pytest.mark.parametrize("value", ["3", 3.5, True, None, [3], {}])
    def test_s_expr_5_takes_no_value_for_one_of_another_type(self, value):
        with pytest.raises(NodeError, match="`count` must be a whole number") as caught:
            configured(ORDER, {"count": "{{ input.count }}"}, {"/count": value})

        assert caught.value.code == "invalid_config"
        assert caught.value.retryable is False
        assert caught.value.details["problems"][0]["path"] == "/count"

    def test_names_every_field_that_is_wrong(self):
        with pytest.raises(NodeError) as caught:
            configured(ORDER, {"count": "{{ a }}", "names": ["{{ b }}"]}, {"/count": "x", "/names/0": 5})

        assert [problem["path"] for problem in caught.value.details["problems"]] == ["/count", "/names/0"]
