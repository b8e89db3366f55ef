"""Choose a way."""

from __future__ import annotations

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import found
from tests.workflows.nodes.runs import FakeContext, configured, draft_problems, node_type, outcome
from workflows.nodes.base import Done, NodeError
from workflows.nodes.fields import Unevaluated

CONFIG = {
    "cases": [
        {"port": "large", "when": "{{ input.total > 100 }}"},
        {"port": "rush", "when": "{{ input.is_rush }}"},
    ],
    "else": "small",
}


class TestCondition:
    @pytest.mark.parametrize(
        ("order", "port"),
        [
            ({"total": 200, "is_rush": True}, "large"),
            ({"total": 50, "is_rush": True}, "rush"),
            ({"total": 50, "is_rush": False}, "small"),
        ],
    )
    def test_leaves_through_the_first_case_that_holds_with_its_input(self, order, port):
        assert outcome("condition", CONFIG, order) == Done(order, ports=(port,))

    @pytest.mark.parametrize("value", [1, 0, "true", "", None, [], {"a": 1}])
    def test_s_expr_5_takes_nothing_for_true_or_false_but_these(self, value):
        config = {"cases": [{"port": "yes", "when": "{{ input }}"}]}

        with pytest.raises(NodeError, match=r"`cases\[0\].when` must be true or false") as caught:
            outcome("condition", config, value)

        assert caught.value.details["problems"][0]["path"] == "/cases/0/when"

    def test_needs_no_sense_in_a_case_that_it_does_not_get_to(self):
        missing = Unevaluated("{{ input.refund.amount > 5 }}", error=NodeError("missing_value", "No refund."))
        first, second = {"port": "a", "when": "{{ 1 }}"}, {"port": "b", "when": "{{ 2 }}"}
        both = {"cases": [first, second]}

        holds = configured(node_type("condition"), both, {"/cases/0/when": True, "/cases/1/when": missing})
        holds_not = configured(node_type("condition"), both, {"/cases/0/when": False, "/cases/1/when": missing})

        assert node_type("condition").run(holds, FakeContext()).ports == ("a",)
        with pytest.raises(NodeError, match="No refund"):
            node_type("condition").run(holds_not, FakeContext())


def chosen(case, input, *, context=None, **config):
    """Return the ports that a condition with one case leaves through."""
    done = outcome("condition", {"cases": [{"port": "yes", **case}], **config}, input, context=context)
    assert isinstance(done, Done)
    return done.ports


def holds(type_, operator, left, *right, context=None, **settings):
    compared = {"left": "{{ input.left }}", "type": type_, "operator": operator, **settings}
    compared |= {"right": "{{ input.right }}"} if right else {}
    values = {"left": left, "right": right[0] if right else None}
    return chosen({"all": [compared]}, values, context=context) == ("yes",)


class TestComparisons:
    @pytest.mark.parametrize(
        ("type_", "operator", "left", "right", "expected"),
        [
            ("text", "equals", "a", "a", True),
            ("text", "equals", "a", "A", False),
            ("text", "contains", "orders", "der", True),
            ("text", "not_contains", "orders", "der", False),
            ("text", "starts_with", "orders", "or", True),
            ("text", "ends_with", "orders", "rs", True),
            ("text", "matches", "AB-12", "^[A-Z]+-\\d+$", True),
            ("text", "not_matches", "AB-12", "^[a-z]", True),
            ("text", "length_greater", "abc", 2, True),
            ("number", "equals", 1, 1.0, True),
            ("number", "greater", 10, 9, True),
            ("number", "less_or_equal", 9, 9, True),
            ("boolean", "equals", True, True, True),
            ("date", "equals", "2026-03-01T09:00:00+01:00", "2026-03-01T08:00:00Z", True),
            ("date", "before", "2026-03-01", "2026-03-01T00:00:01Z", True),
            ("date", "not_before", "2026-03-01", "2026-03-01", True),
            ("date", "after", "2026-03-01T09:00:00+01:00", "2026-03-01T08:30:00Z", False),
            ("date", "not_after", "2026-03-01", "2026-02-28", False),
            ("date", "before", "2026-03-01", "9999-12-31", True),
            ("list", "contains", [1, {"a": 1}], {"a": 1.0}, True),
            ("list", "contains", [1], True, False),
            ("list", "not_contains", ["a"], "b", True),
            ("list", "length_equals", [1, 2], 2, True),
            ("list", "length_less", [1, 2], 2, False),
            ("list", "equals", [1, 2], [1, 2], True),
            ("object", "has_key", {"a": None}, "a", True),
            ("object", "lacks_key", {"a": 1}, "b", True),
            ("object", "equals", {"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
            ("any", "equals", 1, "1", False),
            ("any", "not_equals", None, 0, True),
        ],
    )
    def test_say_what_is_so(self, type_, operator, left, right, expected):
        assert holds(type_, operator, left, right) is expected

    @pytest.mark.parametrize(
        ("type_", "operator", "left", "expected"),
        [
            ("text", "is_empty", "", True),
            ("text", "is_not_empty", " ", True),
            ("list", "is_empty", [], True),
            ("object", "is_not_empty", {}, False),
            ("boolean", "is_true", True, True),
            ("boolean", "is_false", True, False),
            ("any", "exists", 0, True),
            ("any", "exists", None, False),
            ("any", "not_exists", None, True),
            ("any", "is_null", None, True),
        ],
    )
    def test_ask_one_value(self, type_, operator, left, expected):
        assert holds(type_, operator, left) is expected

    @pytest.mark.parametrize(
        ("type_", "operator", "left", "right"),
        [
            ("number", "greater", "10", 9),
            ("number", "greater", 10, "9"),
            ("number", "equals", True, 1),
            ("text", "equals", 5, "5"),
            ("text", "contains", None, "a"),
            ("boolean", "equals", "true", True),
            ("list", "length_equals", "ab", 2),
            ("list", "length_equals", [1], "1"),
            ("object", "has_key", {"1": 1}, 1),
            ("date", "before", 5, "2026-03-01"),
            ("text", "matches", "a", 5),
        ],
    )
    def test_s_expr_5_never_take_a_value_for_one_of_another_type(self, type_, operator, left, right):
        with pytest.raises(NodeError) as caught:
            holds(type_, operator, left, right)

        assert caught.value.code == "wrong_type"
        assert caught.value.details == {"path": "/cases/0/all/0"}

    @pytest.mark.parametrize(
        ("type_", "operator", "left", "right", "expected"),
        [
            ("number", "greater", "10", 9, True),
            ("number", "equals", " 1e2 ", 100, True),
            ("boolean", "equals", "True", True, True),
            ("text", "equals", 5, "5", True),
            ("text", "equals", True, "true", True),
        ],
    )
    def test_convert_where_they_are_told_so(self, type_, operator, left, right, expected):
        assert holds(type_, operator, left, right, convert=True) is expected

    @pytest.mark.parametrize("left", ["9" * 5000, "1e999"])
    def test_convert_no_text_that_says_more_than_any_number(self, left):
        with pytest.raises(NodeError, match="`left` must be a number; it is text"):
            holds("number", "greater", left, 1, convert=True)

    def test_count_the_characters_that_there_are(self):
        """Regardless of case, ß would be ss."""
        assert holds("text", "length_equals", "ß", 1, case_sensitive=False)

    def test_convert_no_text_that_says_no_number(self):
        with pytest.raises(NodeError, match="`left` must be a number; it is text"):
            holds("number", "greater", "ten", 9, convert=True)

    @pytest.mark.parametrize(("operator", "right"), [("equals", "STRASSE"), ("contains", "RASS"), ("matches", "^STRA")])
    def test_may_ignore_the_case(self, operator, right):
        assert holds("text", operator, "strasse", right, case_sensitive=False)
        assert not holds("text", operator, "strasse", right)

    def test_read_dates_without_an_offset_on_the_clock_of_the_workflow(self):
        tokyo = FakeContext(default_timezone="Asia/Tokyo")

        assert holds("date", "equals", "2026-03-05T09:00", "2026-03-05T00:00Z", context=tokyo)

    def test_tell_the_two_hours_from_two_to_three_apart(self):
        berlin = FakeContext(default_timezone="Europe/Berlin")

        assert holds("date", "before", "2026-10-25T02:30", "2026-10-25T02:30:00+01:00", context=berlin)

    def test_refuse_dates_that_are_none(self):
        with pytest.raises(NodeError, match="'soon' is no date and time") as caught:
            holds("date", "before", "soon", "2026-03-01")

        assert caught.value.code == "invalid_moment"

    def test_of_a_value_that_is_not_there_know_only_that(self):
        missing = Unevaluated("{{ input.refund.amount }}", error=NodeError("missing_value", "No refund."))
        cases = [("exists", ("else",)), ("not_exists", ("yes",))]

        for operator, ports in cases:
            raw = {"cases": [{"port": "yes", "all": [{"left": "{{ 1 }}", "operator": operator}]}]}
            config = configured(node_type("condition"), raw, {"/cases/0/all/0/left": missing})
            assert node_type("condition").run(config, FakeContext()).ports == ports

        raw = {"cases": [{"port": "yes", "all": [{"left": "{{ 1 }}", "operator": "equals", "right": 1}]}]}
        config = configured(node_type("condition"), raw, {"/cases/0/all/0/left": missing})
        with pytest.raises(NodeError, match="No refund"):
            node_type("condition").run(config, FakeContext())

    def test_must_all_hold_or_one_of_them(self):
        large = {"left": "{{ input.total }}", "type": "number", "operator": "greater", "right": 100}
        rush = {"left": "{{ input.tags }}", "type": "list", "operator": "contains", "right": "rush"}

        assert chosen({"all": [large, rush]}, {"total": 200, "tags": []}) == ("else",)
        assert chosen({"all": [large, rush]}, {"total": 200, "tags": ["rush"]}) == ("yes",)
        assert chosen({"any": [large, rush]}, {"total": 200, "tags": []}) == ("yes",)
        assert chosen({"any": [large, rush]}, {"total": 2, "tags": []}) == ("else",)

    def test_need_make_no_sense_once_it_is_decided(self):
        large = {"left": "{{ input.total }}", "type": "number", "operator": "greater", "right": 100}
        senseless = {"left": "{{ input.total }}", "type": "text", "operator": "is_empty"}

        assert chosen({"any": [large, senseless]}, {"total": 200}) == ("yes",)
        assert chosen({"all": [large, senseless]}, {"total": 2}) == ("else",)


class TestMatch:
    CASES = [{"port": "large", "when": "{{ input > 100 }}"}, {"port": "even", "when": "{{ input % 2 == 0 }}"}]

    @pytest.mark.parametrize(
        ("value", "ports"), [(200, ("large", "even")), (101, ("large",)), (2, ("even",)), (3, ("else",))]
    )
    def test_all_leaves_through_every_case_that_holds(self, value, ports):
        assert outcome("condition", {"cases": self.CASES, "match": "all"}, value) == Done(value, ports=ports)


class TestConfig:
    @pytest.mark.parametrize(
        ("case", "problem"),
        [
            ({}, ("missing_key", "/when")),
            ({"when": True, "all": [{"left": 1, "operator": "exists"}]}, ("exactly_one", "")),
            ({"all": []}, ("missing_key", "/when")),
            ({"all": [{"left": 1, "operator": "greater", "right": 1}]}, ("invalid_choice", "/all/0/operator")),
            ({"any": [{"left": 1, "type": "number", "operator": "greater"}]}, ("missing_key", "/any/0/right")),
            ({"any": [{"left": 1, "operator": "exists", "right": 1}]}, ("unknown_key", "/any/0/right")),
            (
                {"all": [{"left": 1, "type": "nothing", "operator": "equals", "right": 1}]},
                ("invalid_choice", "/all/0/type"),
            ),
            (
                {"all": [{"left": "a", "type": "text", "operator": "matches", "right": "("}]},
                ("invalid_pattern", "/all/0/right"),
            ),
            (
                {"all": [{"left": "a", "operator": "equals", "right": "b", "case_sensitive": False}]},
                ("unknown_key", "/all/0/case_sensitive"),
            ),
        ],
    )
    def test_is_checked_before_it_runs(self, case, problem):
        raw = definition("start > it", it=node("condition", {"cases": [{"port": "yes", **case}]}))
        place = "/nodes/1/config/cases/0"

        assert [(code, path.removeprefix(place)) for code, path in found(raw)] == [problem]


class TestPorts:
    def test_are_those_of_the_cases_and_the_other_one(self):
        assert node_type("condition").ports(CONFIG) == ("large", "rush", "small")
        assert node_type("condition").ports({"cases": []}) == ("else",)

    @pytest.mark.parametrize(
        ("config", "places"),
        [
            ({"cases": [{"port": "a", "when": True}, {"port": "a", "when": True}]}, ["/cases/1/port"]),
            ({"cases": [{"port": "else", "when": True}]}, ["/cases/0/port"]),
            ({"cases": [{"port": "error", "when": True}]}, ["/cases/0/port"]),
            ({"cases": [{"port": "a", "when": True}], "else": "error"}, ["/else"]),
            ({"cases": [{"port": "a", "when": True}, {"port": "b", "when": True}]}, []),
        ],
    )
    def test_stand_for_one_thing_each(self, config, places):
        assert [(problem.code, problem.path) for problem in draft_problems("condition", config)] == [
            ("duplicate_port", place) for place in places
        ]
