"""Each operation of the transform node: what goes in, what comes out."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.definition.strategies import patient
from tests.workflows.nodes.runs import output
from workflows.nodes.base import NodeError

RECORDS = st.lists(
    st.fixed_dictionaries({"k": st.sampled_from(["a", "b", "ä", None]), "n": st.none() | st.integers(-3, 3)}),
    max_size=8,
).map(lambda items: [{"id": index, **item} for index, item in enumerate(items)])


def result(value: Any, operation: str, **settings: Any) -> Any:
    return output("transform", {"steps": [{"operation": operation, **settings}]}, value)


def error(value: Any, operation: str, **settings: Any) -> str:
    with pytest.raises(NodeError) as caught:
        result(value, operation, **settings)
    return caught.value.code


class TestSet:
    def test_adds_to_what_is_there_and_replaces_it(self):
        assert result({"a": 1, "b": 2}, "set", fields={"b": 3, "c": "{{ item.a + item.b }}"}) == {
            "a": 1,
            "b": 3,
            "c": 3,
        }

    def test_keeps_nothing_else_if_it_is_told_so(self):
        assert result([{"a": 1}, 7], "set", fields={"n": "{{ index }}"}, only=True) == [{"n": 0}, {"n": 1}]

    def test_reaches_into_objects_and_makes_them(self):
        fields = {"a.b": 1, "x.y.z": 2, "/k.with.dots/d": 3}

        assert result({"a": {"c": 0}}, "set", fields=fields) == {
            "a": {"c": 0, "b": 1},
            "x": {"y": {"z": 2}},
            "k.with.dots": {"d": 3},
        }

    def test_does_not_destroy_what_is_in_the_way(self):
        assert error({"a": [1]}, "set", fields={"a.b": 1}) == "path_blocked"

    def test_s_code_1_takes_keys_for_nothing_but_keys(self):
        assert result({}, "set", fields={"__class__": 1, "__proto__.x": 2}) == {"__class__": 1, "__proto__": {"x": 2}}


class TestRename:
    @pytest.mark.parametrize(
        ("item", "fields", "expected"),
        [
            ({"a": 1, "b": 2}, {"a": "c"}, {"b": 2, "c": 1}),
            ({"a": 1, "b": 2}, {"a": "b", "b": "a"}, {"a": 2, "b": 1}),
            ({"a": {"b": 1}}, {"a.b": "b"}, {"a": {}, "b": 1}),
            ({"b": 2}, {"a": "c"}, {"b": 2}),
            ({"a": None}, {"a": "c"}, {"c": None}),
        ],
    )
    def test_moves_fields(self, item, fields, expected):
        assert result(item, "rename", fields=fields) == expected


class TestRemoveAndKeep:
    ITEM = {"a": 1, "b": {"c": 2, "d": 3}, "x.y": 4}

    @pytest.mark.parametrize(
        ("fields", "rest", "kept"),
        [
            (["a"], {"b": {"c": 2, "d": 3}, "x.y": 4}, {"a": 1}),
            (["b.c", "nothing", "a.b"], {"a": 1, "b": {"d": 3}, "x.y": 4}, {"b": {"c": 2}}),
            (["/x.y"], {"a": 1, "b": {"c": 2, "d": 3}}, {"x.y": 4}),
        ],
    )
    def test_divide_an_object(self, fields, rest, kept):
        assert result(self.ITEM, "remove", fields=fields) == rest
        assert result(self.ITEM, "keep", fields=fields) == kept


class TestFlatten:
    def test_brings_fields_to_the_top(self):
        item = {"a": {"b": {"c": 1}, "d": [{"e": 2}]}, "f": {}}

        assert result(item, "flatten") == {"a_b_c": 1, "a_d": [{"e": 2}], "f": {}}
        assert result(item, "flatten", separator=".")["a.b.c"] == 1


class TestFilter:
    def test_keeps_what_holds_and_always_gives_a_list(self):
        assert result([1, 5, 3], "filter", where="{{ item > 2 }}") == [5, 3]
        assert result(5, "filter", where="{{ item > 2 }}") == [5]
        assert result([1, 2], "filter", where="{{ input.length > 5 }}") == []
        assert result([1, 2], "filter", where=True) == [1, 2]

    @pytest.mark.parametrize("where", ["{{ item }}", "{{ item.length }}", "{{ null && item }}"])
    def test_s_expr_5_takes_nothing_for_true_or_false_but_these(self, where):
        assert error(["a", ""], "filter", where=where) == "wrong_type"


class TestMap:
    def test_replaces_each_item(self):
        to = {"id": "{{ item }}", "at": ["{{ index }}", None], "text": "#{{ item }}"}

        assert result([7, 8], "map", to=to) == [
            {"id": 7, "at": [0, None], "text": "#7"},
            {"id": 8, "at": [1, None], "text": "#8"},
        ]
        assert result({"a": 1}, "map", to="{{ item.a }}") == 1


class TestSort:
    @pytest.mark.parametrize(
        ("items", "by", "expected"),
        [
            ([3, 1.5, 2], [{}], [1.5, 2, 3]),
            (["b", "a"], [{"descending": False}], ["a", "b"]),
            ([1, None, 2], [{"descending": True}], [2, 1, None]),
            ([True, False], [{}], [False, True]),
        ],
    )
    def test_orders_plain_values(self, items, by, expected):
        assert result(items, "sort", by=by) == expected

    def test_orders_by_several_fields_and_keeps_the_order_of_equals(self):
        items = [{"a": 1, "n": 0}, {"a": 2, "n": 1}, {"n": 2}, {"a": 1, "n": 3}, {"a": 2, "n": 4}]

        assert [item["n"] for item in result(items, "sort", by=[{"field": "a", "descending": True}])] == [1, 4, 0, 3, 2]
        by = [{"field": "a"}, {"field": "n", "descending": True}]
        assert [item["n"] for item in result(items, "sort", by=by)] == [3, 0, 4, 1, 2]

    @pytest.mark.parametrize("items", [[1, "2"], [True, 1], [[1], [2]], [{}, {}]])
    def test_does_not_guess_an_order(self, items):
        assert error(items, "sort") == "not_sortable"

    @patient
    @given(st.lists(st.none() | st.integers(-5, 5) | st.floats(-5, 5)))
    def test_loses_nothing(self, items):
        assert sorted(map(repr, result(items, "sort"))) == sorted(map(repr, items))

    @patient
    @given(RECORDS, st.booleans())
    def test_is_that_of_python(self, items, descending):
        expected = [
            *sorted((item for item in items if item["n"] is not None), key=lambda item: item["n"], reverse=descending),
            *(item for item in items if item["n"] is None),
        ]

        assert result(items, "sort", by=[{"field": "n", "descending": descending}]) == expected


class TestLimit:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"count": 2}, [0, 1]),
            ({"count": 2, "skip": 1}, [1, 2]),
            ({"count": 2, "side": "last"}, [3, 4]),
            ({"count": 2, "skip": 1, "side": "last"}, [2, 3]),
            ({"count": 0}, []),
            ({"count": 9, "side": "last"}, [0, 1, 2, 3, 4]),
            ({"count": 2, "skip": 9}, []),
            ({"count": 2, "skip": 9, "side": "last"}, []),
        ],
    )
    def test_keeps_a_part(self, settings, expected):
        assert result([0, 1, 2, 3, 4], "limit", **settings) == expected


class TestUnique:
    def test_keeps_the_first_of_what_is_the_same(self):
        assert result([1, 2, 1.0, True, "1", None, None, [1], [1.0]], "unique") == [1, 2, True, "1", None, [1]]
        assert result([{"a": 1, "b": 2}, {"b": 2, "a": 1}], "unique") == [{"a": 1, "b": 2}]

    def test_compares_only_the_fields_that_it_is_told(self):
        items = [{"a": {"b": 1}, "n": 0}, {"a": {"b": 1}, "n": 1}, {"n": 2}, {"n": 3}, {"a": {"b": None}, "n": 4}]

        assert [item["n"] for item in result(items, "unique", by=["a.b"])] == [0, 2, 4]


class TestAggregate:
    ITEMS = [
        {"city": "Köln", "total": 0.1, "tag": "x"},
        {"city": "Bonn", "total": 5, "tag": None},
        {"city": "Köln", "total": 0.2},
        {"city": None, "total": None, "tag": "x"},
    ]

    @pytest.mark.parametrize(
        ("of", "expected"),
        [
            ("count", 3),
            ("sum", 5.3),
            ("min", 0.1),
            ("max", 5),
            ("first", 0.1),
            ("last", 0.2),
            ("list", [0.1, 5, 0.2]),
            ("average", 5.3 / 3),
            ("distinct", 3),
        ],
    )
    def test_computes_a_figure_of_all(self, of, expected):
        assert result(self.ITEMS, "aggregate", fields={"figure": {"of": of, "field": "total"}}) == {
            "figure": pytest.approx(expected)
        }

    def test_adds_decimals_as_people_do(self):
        assert result([0.1, 0.2], "aggregate", fields={"sum": {"of": "sum"}}) == {"sum": 0.3}

    def test_groups_in_the_order_of_first_appearance(self):
        fields = {"orders.count": {"of": "count"}, "orders.sum": {"of": "sum", "field": "total"}}

        assert result(self.ITEMS, "aggregate", by=["city"], fields=fields) == [
            {"city": "Köln", "orders": {"count": 2, "sum": 0.3}},
            {"city": "Bonn", "orders": {"count": 1, "sum": 5}},
            {"city": None, "orders": {"count": 1, "sum": 0}},
        ]

    @pytest.mark.parametrize(
        ("of", "expected"),
        [("count", 0), ("sum", 0), ("average", None), ("min", None), ("max", None), ("first", None), ("list", [])],
    )
    def test_knows_what_to_say_of_nothing(self, of, expected):
        assert result([], "aggregate", fields={"figure": {"of": of}}) == {"figure": expected}

    @patient
    @given(RECORDS)
    def test_groups_as_itertools_do(self, items):
        def key(item):
            return item["k"] or ""

        figures = {"sum": {"of": "sum", "field": "n"}, "ids": {"of": "list", "field": "id"}, "n": {"of": "count"}}
        expected = {
            name: (sum(item["n"] or 0 for item in group), [item["id"] for item in group], len(group))
            for name, group in ((k, list(g)) for k, g in groupby(sorted(items, key=key), key))
        }

        groups = result(items, "aggregate", by=["k"], fields=figures)

        assert {group["k"] or "": (group["sum"], group["ids"], group["n"]) for group in groups} == expected

    @pytest.mark.parametrize("figure", ["sum", "average"])
    def test_of_integers_beyond_64_bits_is_a_float(self, figure):
        items = [1e20, 1e20, 1e20]

        value = result(items, "aggregate", fields={"figure": {"of": figure}})["figure"]

        assert (value, type(value)) == (3e20 if figure == "sum" else 1e20, float)

    def test_says_when_a_sum_is_beyond_all_numbers(self):
        assert error([1e308, 1e308], "aggregate", fields={"sum": {"of": "sum"}}) == "number_too_large"

    @pytest.mark.parametrize(
        ("of", "items"), [("sum", [1, "2"]), ("average", [True]), ("min", [1, "a"]), ("max", [[1]])]
    )
    def test_does_not_compare_what_cannot_be_compared(self, of, items):
        assert error(items, "aggregate", fields={"figure": {"of": of}}) == "wrong_type"


class TestSplitOut:
    ORDER = {"id": 1, "lines": [{"sku": "a"}, {"sku": "b"}]}

    def test_makes_items_of_elements(self):
        assert result(self.ORDER, "split_out", field="lines") == [{"sku": "a"}, {"sku": "b"}]
        assert result([[1, 2], [], [3]], "split_out") == [1, 2, 3]

    def test_may_keep_the_rest_of_the_item(self):
        assert result([self.ORDER], "split_out", field="lines", keep_rest=True) == [
            {"id": 1, "lines": {"sku": "a"}},
            {"id": 1, "lines": {"sku": "b"}},
        ]

    def test_takes_no_list_for_an_empty_one(self):
        assert result([{"id": 1}, {"lines": None}], "split_out", field="lines") == []

    def test_does_not_split_what_is_no_list(self):
        assert error({"lines": "ab"}, "split_out", field="lines") == "not_a_list"
        assert error([5], "split_out") == "not_a_list"


class TestChunk:
    @pytest.mark.parametrize(
        ("size", "expected"), [(2, [[0, 1], [2, 3], [4]]), (5, [[0, 1, 2, 3, 4]]), (9, [[0, 1, 2, 3, 4]])]
    )
    def test_puts_items_into_lists(self, size, expected):
        assert result([0, 1, 2, 3, 4], "chunk", size=size) == expected

    def test_makes_nothing_of_nothing(self):
        assert result([], "chunk", size=3) == []


class TestMerge:
    PEOPLE = [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}, {"id": None, "name": "Eve"}]
    CITIES = [{"id": 2, "city": "Bonn"}, {"id": 2, "city": "Köln"}, {"id": 3, "city": "Rom"}, {"id": None, "city": "?"}]

    def test_appends(self):
        assert result([1], "merge", how="append", **{"with": "{{ [2, 3] }}"}) == [1, 2, 3]

    @pytest.mark.parametrize(
        ("keep", "names"),
        [
            ("matched", [("Bob", "Bonn"), ("Bob", "Köln")]),
            ("first", [("Ada", None), ("Bob", "Bonn"), ("Bob", "Köln"), ("Eve", None)]),
            ("second", [("Bob", "Bonn"), ("Bob", "Köln"), (None, "Rom"), (None, "?")]),
            ("all", [("Ada", None), ("Bob", "Bonn"), ("Bob", "Köln"), ("Eve", None), (None, "Rom"), (None, "?")]),
            ("only_first", [("Ada", None), ("Eve", None)]),
            ("only_second", [(None, "Rom"), (None, "?")]),
        ],
    )
    def test_joins_by_key_and_nothing_is_like_null(self, keep, names):
        merged = result(self.PEOPLE, "merge", how="by_key", key=["id"], keep=keep, **{"with": self.CITIES})

        assert [(item.get("name"), item.get("city")) for item in merged] == names

    @patient
    @given(RECORDS, RECORDS, st.sampled_from(["all", "matched", "first", "second", "only_first", "only_second"]))
    def test_joins_as_comparing_each_with_each_does(self, first, second, keep):
        others = [{"k": item["k"], "other": item["id"]} for item in second]
        pairs = [(a, b) for a in first for b in others if a["k"] is not None and a["k"] == b["k"]]
        expected = [] if keep.startswith("only_") else [{**a, **b} for a, b in pairs]
        if keep in ("all", "first", "only_first"):
            expected += [a for a in first if not any(a is left for left, _ in pairs)]
        if keep in ("all", "second", "only_second"):
            expected += [b for b in others if not any(b is right for _, right in pairs)]

        merged = result(first, "merge", how="by_key", key=["k"], keep=keep, **{"with": others})

        assert sorted(map(repr, merged)) == sorted(map(repr, expected))

    def test_joins_by_keys_of_other_names(self):
        other = [{"person": {"id": 1}, "name": "Countess"}]

        merged = result(
            self.PEOPLE, "merge", how="by_key", key=["id"], other_key=["person.id"], keep="matched", **{"with": other}
        )

        assert merged == [{"id": 1, "name": "Countess", "person": {"id": 1}}]

    @pytest.mark.parametrize(
        ("keep", "expected"),
        [
            ("all", [{"a": 1, "b": 1}, {"a": 2}]),
            ("first", [{"a": 1, "b": 1}, {"a": 2}]),
            ("second", [{"a": 1, "b": 1}]),
            ("matched", [{"a": 1, "b": 1}]),
            ("only_first", [{"a": 2}]),
            ("only_second", []),
        ],
    )
    def test_joins_by_position(self, keep, expected):
        merged = result([{"a": 1}, {"a": 2}], "merge", how="by_position", keep=keep, **{"with": [{"b": 1}]})

        assert merged == expected

    def test_s_expr_5_needs_a_list(self):
        with pytest.raises(NodeError, match="must be a list, not an object"):
            result([1], "merge", how="append", **{"with": "{{ ({}) }}"})


class TestFail:
    ORDERS = [{"id": 1, "total": 5}, {"id": 2, "total": -1}, {"id": 3, "total": -2}]

    def refused(self, value, **settings):
        with pytest.raises(NodeError) as caught:
            result(value, "fail", **settings)
        return caught.value

    def test_says_its_own_words_about_the_first_for_which_its_condition_holds(self):
        failed = self.refused(
            self.ORDERS, where="{{ item.total < 0 }}", message="Order {{ item.id }} is below zero.", code="below_zero"
        )

        assert (failed.code, failed.message, failed.retryable) == ("below_zero", "Order 2 is below zero.", False)
        assert failed.details == {"index": 1, "path": "/steps/0"}

    def test_hands_on_what_is_right(self):
        assert result(self.ORDERS, "fail", where="{{ item.id > 9 }}", message="No.") == self.ORDERS
        assert result([], "fail", where="{{ item.id > 9 }}", message="No.") == []

    @pytest.mark.parametrize("value", [[], {"a": 1}, None, [1]])
    def test_always_fails_without_a_condition(self, value):
        failed = self.refused(value, message="Nothing came.")

        assert (failed.code, failed.message) == ("stopped", "Nothing came.")

    def test_needs_a_text_and_a_truth(self):
        assert "Step 1 (`fail`)" in self.refused([1], message="{{ item }}").message
        assert error([1], "fail", where="{{ item + '' }}", message="No.") == "wrong_type"


class TestNameColumns:
    def test_names_cells_by_the_first_row_and_fills_short_rows_up(self):
        table = [["id", " name ", 2026], [1, "Ada", 5], [], [2]]

        assert result(table, "name_columns") == [
            {"id": 1, "name": "Ada", "2026": 5},
            {"id": 2, "name": "", "2026": ""},
        ]
        assert result(table, "name_columns", empty="null", number="row")[1] == {
            "row": 4,
            "id": 2,
            "name": None,
            "2026": None,
        }

    def test_names_them_as_it_is_told(self):
        assert result([[1, 2]], "name_columns", columns=["a", "b"], number="n") == [{"n": 1, "a": 1, "b": 2}]

    @pytest.mark.parametrize("table", [[], [["id"]]])
    def test_without_rows_gives_none(self, table):
        assert result(table, "name_columns") == []

    @pytest.mark.parametrize(
        ("table", "settings", "code"),
        [
            ([{"a": 1}], {}, "not_a_list"),
            ([["a", ""], [1, 2]], {}, "invalid_table"),
            ([["a", None], [1, 2]], {}, "invalid_table"),
            ([["a", "a"], [1, 2]], {}, "invalid_table"),
            ([["a"], [1, 2]], {}, "invalid_table"),
            ([["a"], [1]], {"number": "a"}, "invalid_table"),
            ([["a"]], {"required": ["b"]}, "missing_column"),
            ([], {"required": ["b"]}, "missing_column"),
            ([[f"c{n}" for n in range(1_001)]], {}, "table_too_large"),
            ([[f"c{n}" for n in range(1_000)], *[[1]] * 500], {}, "table_too_large"),
        ],
    )
    def test_refuses_what_is_not_clear_or_too_much(self, table, settings, code):
        assert error(table, "name_columns", **settings) == code
