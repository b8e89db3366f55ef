"""Whether scopes have bodies that make sense, and edges keep to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import definition, loop, node, parallel
from tests.workflows.definition.checks import found, problems
from tests.workflows.definition.scoped import scoped_definitions
from tests.workflows.definition.strategies import patient
from workflows.definition.schema import parse, to_json

ITEMS = {"items": "{{ input }}"}


def with_edge(raw, source, target):
    return {**raw, "edges": [*raw["edges"], {"source": source, "target": target}]}


def nested(depth: int):
    """Return a definition with a node in so many loops: s1 holds s2, that holds s3, …"""
    inner = loop(ITEMS, "a")
    for level in range(depth, 1, -1):
        inner = loop(ITEMS, f"s{level}", **{f"s{level}": inner})
    return definition("start > s1", s1=inner)


class TestValid:
    @pytest.mark.parametrize(
        "raw",
        [
            definition("start > each > end", each=loop(ITEMS, "a > check", "check.yes > b", "check.no > c")),
            definition("start > each", each=loop({"while": "{{ index < 3 }}"}, "a")),
            definition("start > both > end", both=parallel({}, "a > b", "c")),
            definition("start > each", each=loop(ITEMS, "a", "b")),
            definition(
                "start > each > end", "each.error > end", each=loop(ITEMS, "a", on_error="port"), end={"join": "any"}
            ),
            definition("start > each", each=loop(ITEMS, "a > b", "a.error > b", b={"join": "any"}, timeout_seconds=60)),
            definition("start > each", each=loop(ITEMS, "a > b > c", b=parallel({}, "d", "e > f"))),
            definition("start > each", each=loop(ITEMS, "a", a={"retry": {"max_attempts": 2}}, disabled=True)),
            nested(5),
        ],
    )
    def test_has_no_problems(self, raw):
        assert problems(raw) == []

    @patient
    @given(scoped_definitions())
    def test_has_none_however_it_is_nested(self, raw):
        assert problems(raw) == []
        assert parse(to_json(parse(raw))) == parse(raw)


class TestParents:
    @pytest.mark.parametrize(
        ("parent", "code", "hint"),
        [
            ("eech", "unknown_parent", "Did you mean `each`?"),
            ("Each one!", "unknown_parent", ""),
            ("start", "not_a_scope", "`parent` is the id of a `loop` or `parallel`; to order nodes, use edges."),
        ],
    )
    def test_are_scopes(self, parent, code, hint):
        raw = definition("start > each > end", each=loop(ITEMS, "a > b"))
        raw["nodes"][2]["parent"] = parent

        (problem,) = problems(raw)

        assert (problem.code, problem.path, problem.hint) == (code, "/nodes/2/parent", hint)

    def test_that_are_no_text_are_a_matter_of_shape(self):
        assert found(definition("start > end", end={"parent": 5})) == [("wrong_type", "/nodes/1/parent")]

    def test_of_unknown_type_are_blamed_for_that_only(self):
        raw = definition("start > each", each=loop(ITEMS, "a"))
        raw["nodes"][1]["type"] = "lop"

        assert found(raw) == [("unknown_node_type", "/nodes/1/type")]

    def test_do_not_lie_in_themselves(self):
        raw = definition("start > a", a={"parent": None}, each=loop(ITEMS, "b"))
        raw["nodes"][2]["parent"] = "each"

        (problem,) = problems(raw)

        assert (problem.code, problem.path) == ("parent_cycle", "/nodes/2/parent")
        assert problem.message == "These scopes lie in each other: `each` in `each`."

    def test_do_not_lie_in_each_other(self):
        raw = definition("start > each", each=loop(ITEMS, "a > inner", inner=loop(ITEMS, "b")))
        raw["nodes"][1]["parent"] = "inner"

        assert [code for code, _ in found(raw)] == ["parent_cycle"]
        assert "`each` in `inner` in `each`" in problems(raw)[0].message

    def test_may_be_five_deep_and_no_deeper(self):
        assert found(nested(5)) == []
        assert found(nested(6)) == [("scopes_too_deep", "/nodes/6/parent")]
        assert found(nested(7)) == [("scopes_too_deep", "/nodes/6/parent"), ("scopes_too_deep", "/nodes/7/parent")]


class TestScopes:
    @pytest.mark.parametrize("scope", [loop(ITEMS), parallel({}), parallel(ITEMS)])
    def test_hold_something(self, scope):
        (problem,) = problems(definition("start > each > end", each=scope))

        assert (problem.code, problem.path) == ("empty_scope", "/nodes/1")
        assert problem.hint == 'Give the nodes that are part of it "parent": "each".'

    @pytest.mark.parametrize("retry", [{}, {"max_attempts": 3}])
    def test_are_not_tried_again_as_a_whole(self, retry):
        (problem,) = problems(definition("start > each", each=loop(ITEMS, "a", retry=retry)))

        assert (problem.code, problem.path) == ("retry_on_scope", "/nodes/1/retry")
        assert problem.hint == "Give `retry` to the nodes in it."

    @pytest.mark.parametrize(
        ("type_", "hint"),
        [
            (node("output"), "A pass results in the output of the node at the end of the body."),
            (node("trigger", {"kind": "manual"}), "A pass begins with the nodes of the body that nothing leads into"),
        ],
    )
    def test_hold_no_triggers_and_no_outputs(self, type_, hint):
        (problem,) = problems(definition("start > each", each=loop(ITEMS, "a", "b", b=type_)))

        assert (problem.code, problem.path) == ("not_in_a_scope", "/nodes/3/parent")
        assert hint in problem.hint

    def test_are_reached_with_all_that_is_in_them_or_not_at_all(self):
        raw = definition("start > end", each=loop(ITEMS, "a > b"))

        assert found(raw) == [("unreachable", "/nodes/2")]

    def test_hold_no_circles(self):
        raw = with_edge(definition("start > each", each=loop(ITEMS, "a > b")), "b", "a")

        (problem,) = problems(raw)

        assert (problem.code, problem.path) == ("cycle", "/edges/2")
        assert "put them into a `loop`" in problem.hint

    def test_count_the_delays_in_them(self):
        raw = definition("start > each", each=loop(ITEMS, "a", a=node("delay", {"for": "PT2H"})))

        assert found(raw) == [("delay_exceeds_timeout", "/nodes/2/config/for")]


class TestEdges:
    RAW = definition(
        "start > each > after",
        each=loop(ITEMS, "a > inner > b", inner=parallel(ITEMS, "c > d")),
        other=loop(ITEMS, "e"),
    )
    RAW["edges"].append({"source": "start", "target": "other"})

    @pytest.mark.parametrize(
        ("source", "target", "hint"),
        [
            ("each", "a", "Remove it: each pass begins by itself with the nodes of the body that nothing leads into."),
            ("each", "c", "Remove it: each pass begins by itself"),
            ("b", "each", "Remove it: a pass ends by itself. What comes after all passes is connected with `each`."),
            ("d", "each", "Remove it: a pass ends by itself."),
            ("start", "a", "Connect `start` with `each`:"),
            ("start", "c", "Connect `start` with `each`:"),
            ("b", "after", "Connect `each` with `after`:"),
            ("a", "c", "Connect `a` with `inner`:"),
            ("d", "b", "Connect `inner` with `b`:"),
            ("b", "e", "Connect `each` with `other`:"),
        ],
    )
    def test_stay_within_one_body(self, source, target, hint):
        (problem,) = problems(with_edge(self.RAW, source, target))

        assert (problem.code, problem.path) == ("edge_across_scopes", f"/edges/{len(self.RAW['edges'])}")
        assert problem.hint.startswith(hint)

    def test_of_nodes_whose_parent_is_wrong_are_not_blamed_for_it(self):
        raw = definition("start > each", each=loop(ITEMS, "a > b > c"))
        raw["nodes"][3]["parent"] = "eech"

        assert found(raw) == [("unknown_parent", "/nodes/3/parent")]


class TestMutations:
    """What somebody breaks in a sound definition is found."""

    @staticmethod
    def broken(data, is_it):
        raw = data.draw(scoped_definitions().filter(lambda raw: any(map(is_it, raw["nodes"]))))
        return raw, data.draw(st.sampled_from([index for index, each in enumerate(raw["nodes"]) if is_it(each)]))

    @patient
    @given(st.data())
    def test_a_parent_that_is_none(self, data):
        raw, index = self.broken(data, lambda each: "parent" in each)
        raw["nodes"][index]["parent"] = data.draw(st.sampled_from(["nobody", "start"]))

        assert {("unknown_parent", f"/nodes/{index}/parent"), ("not_a_scope", f"/nodes/{index}/parent")} & set(
            found(raw)
        )

    @patient
    @given(st.data())
    def test_a_node_that_left_its_body(self, data):
        raw, index = self.broken(data, lambda each: "parent" in each)
        ends = {edge[end] for edge in raw["edges"] for end in ("source", "target")}
        node_id = raw["nodes"][index]["id"]
        del raw["nodes"][index]["parent"]

        codes = {code for code, _ in found(raw)}

        assert codes & {"edge_across_scopes", "unreachable"}
        assert node_id not in ends or "edge_across_scopes" in codes

    @patient
    @given(st.data())
    def test_a_scope_that_is_emptied(self, data):
        raw, index = self.broken(data, lambda each: each["type"] in ("loop", "parallel"))
        scope_id = raw["nodes"][index]["id"]
        for each in raw["nodes"]:
            if each.get("parent") == scope_id:
                del each["parent"]

        assert ("empty_scope", f"/nodes/{index}") in found(raw)

    @patient
    @given(st.data())
    def test_scopes_that_are_put_into_what_lies_in_them(self, data):
        raw, index = self.broken(data, lambda each: each["type"] in ("loop", "parallel") and "parent" in each)
        parents = {each["id"]: each for each in raw["nodes"]}
        outer = parents[raw["nodes"][index]["parent"]]
        outer["parent"] = raw["nodes"][index]["id"]

        assert "parent_cycle" in {code for code, _ in found(raw)}

    @patient
    @given(st.data())
    def test_a_trigger_or_an_output_that_is_put_into_a_scope(self, data):
        raw, index = self.broken(data, lambda each: each["type"] in ("loop", "parallel"))
        type_ = data.draw(st.sampled_from(["trigger", "output"]))
        raw["nodes"].append({"id": "odd", "type": type_, "parent": raw["nodes"][index]["id"]})

        assert ("not_in_a_scope", f"/nodes/{len(raw['nodes']) - 1}/parent") in found(raw)

    @patient
    @given(st.data())
    def test_an_edge_between_any_two_bodies(self, data):
        raw = data.draw(scoped_definitions())
        parents = {each["id"]: each.get("parent") for each in raw["nodes"]}
        pairs = [(a, b) for a in parents for b in parents if parents[a] != parents[b]]
        if pairs:
            source, target = data.draw(st.sampled_from(pairs))
            raw = with_edge(raw, source, target)

            assert ("edge_across_scopes", f"/edges/{len(raw['edges']) - 1}") in found(raw)
