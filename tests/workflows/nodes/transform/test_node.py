"""Reshape data: the node, and what all of its operations have in common."""

from __future__ import annotations

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import found
from tests.workflows.nodes.runs import FakeContext, outcome, output
from workflows.nodes.base import Done, NodeError
from workflows.nodes.transform.batch import MAX_ITEMS

ORDERS = [{"id": "a", "total": 250}, {"id": "b", "total": 80}, {"id": "c", "total": 120}]


def problems(*steps, **config):
    raw = definition("start > it", it=node("transform", {"steps": list(steps), **config}))
    return [(code, path.removeprefix("/nodes/1/config")) for code, path in found(raw)]


class TestSize:
    """S-DOS-1: items may share values, and written out each has its own."""

    BIG = "x" * 1_000_000

    @pytest.mark.parametrize(
        "steps",
        [
            [{"operation": "split_out", "field": "list", "keep_rest": True}],
            [{"operation": "split_out", "field": "list", "keep_rest": True}, {"operation": "build_json"}],
            [
                {"operation": "split_out", "field": "list"},
                {"operation": "merge", "how": "by_key", "key": ["k"], "with": [{"k": 1, "big": BIG}]},
                {"operation": "chunk", "size": 10_000},
            ],
        ],
    )
    def test_of_all_copies_is_bounded(self, steps):
        with pytest.raises(NodeError, match="As JSON, the items have more than 104,857,600 bytes") as caught:
            outcome("transform", {"steps": steps}, {"big": self.BIG, "list": [{"k": 1}] * 10_000})

        assert caught.value.code == "too_large"


class TestTransform:
    def test_takes_its_input_through_the_steps(self):
        config = {
            "steps": [
                {"operation": "filter", "where": "{{ item.total > 100 }}"},
                {"operation": "sort", "by": [{"field": "total"}]},
                {"operation": "set", "fields": {"label": "{{ index + 1 }}: {{ item.id }}"}},
                {"operation": "keep", "fields": ["label"]},
            ]
        }

        assert output("transform", config, ORDERS) == [{"label": "1: c"}, {"label": "2: a"}]

    def test_takes_another_value_if_it_is_told_so(self):
        config = {"value": "{{ input.orders }}", "steps": [{"operation": "limit", "count": 1}]}

        assert output("transform", config, {"orders": ORDERS}) == [ORDERS[0]]

    def test_may_work_on_null(self):
        config = {"value": None, "steps": [{"operation": "map", "to": "{{ item }}"}]}

        assert output("transform", config, ORDERS) is None

    def test_gives_one_object_back_for_one_object(self):
        config = {"steps": [{"operation": "set", "fields": {"double": "{{ item.total * 2 }}"}}]}

        assert output("transform", config, {"total": 4}) == {"total": 4, "double": 8}
        assert output("transform", config, [{"total": 4}]) == [{"total": 4, "double": 8}]
        assert output("transform", config, []) == []

    def test_leaves_its_input_as_it_was(self):
        value = [{"a": {"b": 1}, "c": [1]}]
        config = {
            "steps": [
                {"operation": "set", "fields": {"a.b": 2, "c": []}},
                {"operation": "remove", "fields": ["a.b"]},
                {"operation": "rename", "fields": {"c": "d"}},
            ]
        }

        assert output("transform", config, value) == [{"a": {}, "d": []}]
        assert value == [{"a": {"b": 1}, "c": [1]}]

    def test_asks_once_for_each_expression_that_mentions_the_item_however_many_items_there_are(self):
        context = FakeContext()
        fields = {"a": "{{ item.id }}", "b": "{{ input.length }}", "c": ["{{ index }}", "constant"]}

        done = outcome("transform", {"steps": [{"operation": "set", "fields": fields}]}, ORDERS * 100, context=context)

        assert isinstance(done, Done)
        assert done.output[299] == {"id": "c", "total": 120, "a": "c", "b": 300, "c": [299, "constant"]}
        assert context.asked == ["{{ item.id }}", "{{ index }}"]

    def test_never_evaluates_what_came_from_outside(self):
        hostile = {"note": "{{ input.secret }}", "secret": "s3cret"}
        config = {"steps": [{"operation": "set", "fields": {"copy": "{{ input.note }}", "own": "{{ item.note }}"}}]}

        done = output("transform", config, hostile)

        assert done["copy"] == done["own"] == "{{ input.secret }}"

    @pytest.mark.parametrize(
        ("step", "value", "expected"),
        [
            ({"operation": "limit", "count": "{{ input.length - 1 }}", "skip": "{{ 1 }}"}, [1, 2, 3], [2, 3]),
            ({"operation": "chunk", "size": "{{ input.length - 1 }}"}, [1, 2, 3], [[1, 2], [3]]),
            (
                {"operation": "parse_csv", "delimiter": "{{ input.includes(';') ? ';' : ',' }}"},
                "a;b\n1;2",
                [{"a": "1", "b": "2"}],
            ),
            (
                {"operation": "build_csv", "delimiter": "{{ input[0].by }}", "header": False},
                [{"by": ";", "n": 1}],
                '";";1\r\n',
            ),
            (
                {"operation": "format_date", "field": "at", "form": "time", "timezone": "{{ input.zone }}"},
                {"at": "2026-07-01T09:00Z", "zone": "Europe/Berlin"},
                {"at": "11:00:00", "zone": "Europe/Berlin"},
            ),
        ],
    )
    def test_computes_how_many_by_what_and_where(self, step, value, expected):
        assert problems(step) == []
        assert output("transform", {"steps": [step]}, value) == expected

    def test_computed_settings_are_checked_when_they_have_values(self):
        with pytest.raises(NodeError, match="must be at least 0; it is -1"):
            output("transform", {"steps": [{"operation": "limit", "count": "{{ input.length - 2 }}"}]}, [1])

    def test_names_the_step_that_failed(self):
        config = {"steps": [{"operation": "limit", "count": 5}, {"operation": "remove", "fields": ["a"]}]}

        with pytest.raises(NodeError, match=r"Step 2 \(`remove`\): Item 0 is no object") as caught:
            output("transform", config, ["text"])

        assert caught.value.code == "not_an_object"
        assert caught.value.details == {"path": "/steps/1"}


class TestConfig:
    @pytest.mark.parametrize(
        ("step", "problem"),
        [
            ({}, ("missing_key", "/steps/0/operation")),
            ({"operation": "frobnicate"}, ("invalid_choice", "/steps/0/operation")),
            ({"operation": "{{ input }}"}, ("expression_forbidden", "/steps/0/operation")),
            ({"operation": "limit", "count": 1, "side": "{{ input.s }}"}, ("expression_forbidden", "/steps/0/side")),
            ({"operation": "limit", "count": -1}, ("out_of_range", "/steps/0/count")),
            ({"operation": "limit", "count": MAX_ITEMS + 1}, ("out_of_range", "/steps/0/count")),
            ({"operation": "sort", "by": [{"filed": "a"}]}, ("unknown_key", "/steps/0/by/0/filed")),
            ({"operation": "set", "fields": {}}, ("too_short", "/steps/0/fields")),
            ({"operation": "set", "fields": {"a..b": 1}}, ("invalid_path", "/steps/0/fields/a..b")),
            ({"operation": "keep", "fields": [""]}, ("too_short", "/steps/0/fields/0")),
            ({"operation": "rename", "fields": {"a": "{{ item.a }}"}}, ("expression_forbidden", "/steps/0/fields/a")),
            ({"operation": "filter", "where": "yes"}, ("wrong_type", "/steps/0/where")),
            ({"operation": "merge", "how": "by_key", "with": []}, ("missing_key", "/steps/0/key")),
            ({"operation": "merge", "how": "append", "with": [], "key": ["a"]}, ("missing_key", "/steps/0/key")),
            (
                {"operation": "merge", "how": "by_key", "with": [], "key": ["a"], "other_key": ["b", "c"]},
                ("invalid_value", "/steps/0/other_key"),
            ),
            ({"operation": "aggregate"}, ("missing_key", "/steps/0/fields")),
            ({"operation": "aggregate", "fields": {"n": {"of": "median"}}}, ("invalid_choice", "/steps/0/fields/n/of")),
        ],
    )
    def test_is_checked_before_it_runs(self, step, problem):
        assert problems(step) == [problem]

    def test_has_at_least_one_step_and_not_too_many(self):
        step = {"operation": "limit", "count": 1}

        assert problems() == [("too_short", "/steps")]
        assert problems(*[step] * 50) == []
        assert problems(*[step] * 51) == [("too_long", "/steps")]


class TestItems:
    """S-DOS: 10,000 items for each node."""

    LIMIT = {"operation": "limit", "count": 0}

    def test_s_dos_may_be_as_many_as_the_limit(self):
        assert output("transform", {"steps": [self.LIMIT]}, [0] * MAX_ITEMS) == []

    @pytest.mark.parametrize(
        ("step", "value"),
        [
            (LIMIT, [0] * (MAX_ITEMS + 1)),
            ({"operation": "split_out"}, [[0] * 6_000] * 2),
            ({"operation": "merge", "how": "append", "with": [0] * 6_000}, [0] * 6_000),
            ({"operation": "merge", "how": "by_key", "key": ["a"], "with": [{"a": 1}] * 6_000}, [{"a": 1}] * 6_000),
        ],
    )
    def test_s_dos_may_not_be_more(self, step, value):
        with pytest.raises(NodeError, match="more than 10,000 items") as caught:
            output("transform", {"steps": [step]}, value)

        assert caught.value.code == "too_many_items"
