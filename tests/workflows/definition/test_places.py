"""What expressions may mention in scopes, and what they are told where they may not."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import definition, loop, node, parallel
from tests.workflows.definition.checks import found, problems
from tests.workflows.definition.scoped import scoped_definitions
from tests.workflows.definition.strategies import patient

SUM = {"initial": 0, "next": "{{ accumulator + item }}"}


def says(expression):
    return node("transform", {"value": expression, "steps": [{"operation": "limit", "count": 1}]})


def nested(**nodes):
    """Return a definition in which every kind of scope lies in a loop over items; what a node says is given."""
    kinds = ("before", "outer", "first", "middle", "last", "branch", "deep", "beside", "after")
    given = {each: says(nodes[each]) if each in nodes else {} for each in kinds if each != "outer"}
    raw = definition(
        "start > before > outer > after",
        before=given["before"],
        after=given["after"],
        outer=loop(
            {"items": [1], "accumulator": SUM},
            "first > middle > last",
            first=given["first"],
            last=given["last"],
            middle=parallel({}, "branch", "deep", branch=given["branch"], deep=given["deep"]),
        ),
    )
    raw["nodes"].append({"id": "beside", "type": "delay", "parent": "outer", "config": {"for_seconds": 0}})
    return raw


def node_of(raw, node_id):
    return next((index, each) for index, each in enumerate(raw["nodes"]) if each["id"] == node_id)


class TestRoots:
    @pytest.mark.parametrize(
        ("node_id", "expression"),
        [
            ("first", "{{ [item, index, accumulator] }}"),
            ("first", "{{ scopes.outer.item + scopes.outer.index + scopes['outer'].accumulator }}"),
            ("first", "{{ input }}"),
            ("branch", "{{ index }}"),
            ("branch", "{{ [scopes.outer.item, scopes.middle.index, scopes.outer] }}"),
        ],
    )
    def test_of_scopes_are_there_in_their_bodies(self, node_id, expression):
        assert problems(nested(**{node_id: expression})) == []

    @pytest.mark.parametrize(
        ("node_id", "expression", "code", "hint"),
        [
            ("before", "{{ item }}", "not_available_here", "It is there in the nodes of a `loop` or `parallel`"),
            ("after", "{{ index }}", "not_available_here", "It is there in the nodes of a `loop` or `parallel`"),
            ("after", "{{ accumulator }}", "not_available_here", "a `loop` that has an `accumulator`"),
            ("after", "{{ scopes.outer.item }}", "not_available_here", "This one lies in none."),
            ("branch", "{{ item }}", "not_available_here", "That of `outer` is `scopes.outer.item`."),
            ("branch", "{{ accumulator }}", "not_available_here", "That of `outer` is `scopes.outer.accumulator`."),
            ("branch", "{{ scopes.middle.item }}", "not_available_here", "There is `scopes.middle.index`."),
            (
                "first",
                "{{ scopes.outer.itm }}",
                "not_available_here",
                "`scopes.outer.accumulator`, `scopes.outer.index`",
            ),
            ("first", "{{ scopes.middle.index }}", "unknown_scope", "There is `outer`."),
            ("branch", "{{ scopes.midle.index }}", "unknown_scope", "Did you mean `middle`?"),
            ("branch", "{{ scopes[input] }}", "dynamic_reference", "Name it: `scopes.<id>.item`."),
            ("branch", "{{ Object.keys(scopes) }}", "dynamic_reference", "Name it"),
        ],
    )
    def test_that_are_not_there_are_said_what_to_do_about(self, node_id, expression, code, hint):
        raw = nested(**{node_id: expression})

        (problem,) = problems(raw)

        assert (problem.code, problem.path) == (code, f"/nodes/{node_of(raw, node_id)[0]}/config/value")
        assert hint in problem.hint

    @pytest.mark.parametrize(
        ("scope", "expression", "hint"),
        [
            (parallel({}, "a"), "{{ item }}", "`it` has no `items` to go over: use `input`."),
            (loop({"while": False}, "a"), "{{ item }}", "`it` has no `items` to go over"),
            (parallel({"items": [1]}, "a"), "{{ accumulator }}", "because its passes follow each other"),
            (loop({"items": [1]}, "a"), "{{ accumulator }}", "a `loop` that has an `accumulator`"),
        ],
    )
    def test_depend_on_what_the_scope_is_set_to(self, scope, expression, hint):
        scope["body"][1]["a"] = says(expression)

        (problem,) = problems(definition("start > it", it=scope))

        assert problem.code == "not_available_here"
        assert hint in problem.hint

    def test_item_and_index_of_a_list_come_before_those_of_a_scope(self):
        steps = [{"operation": "filter", "where": "{{ item.a == scopes.each.item.a }}"}]
        raw = definition(
            "start > each", each=parallel({}, "a", "b", a=node("transform", {"steps": steps}), b=says("{{ index }}"))
        )

        assert [problem.hint for problem in problems(raw)] == ["There is `scopes.each.index`."]

    def test_are_not_there_on_edges(self):
        raw = definition("start > each", each=loop({"items": [1]}, "a > b"))
        raw["edges"][1] |= {"type": "processed_data", "transform": "{{ item }}"}

        (problem,) = problems(raw)

        assert (problem.code, problem.path) == ("not_available_here", "/edges/1/transform")
        assert "Do the rest in a node." in problem.hint

    def test_are_not_missed_where_it_is_unclear_what_lies_in_what(self):
        raw = nested(first="{{ [item, accumulator, scopes.other.item] }}")
        node_of(raw, "first")[1]["parent"] = "outr"

        assert [code for code, _ in found(raw)] == ["unknown_parent"]


class TestNodes:
    @pytest.mark.parametrize(
        ("node_id", "mentioned"),
        [
            ("first", "before"),
            ("first", "start"),
            ("last", "first"),
            ("last", "middle"),
            ("last", "deep"),
            ("branch", "first"),
            ("branch", "before"),
            ("after", "outer"),
            ("after", "first"),
            ("after", "branch"),
        ],
    )
    def test_that_come_before_may_be_mentioned_wherever_they_lie(self, node_id, mentioned):
        assert problems(nested(**{node_id: f"{{{{ nodes.{mentioned}?.output }}}}"})) == []

    @pytest.mark.parametrize(
        ("node_id", "mentioned", "hint"),
        [
            ("first", "last", "Connect `last` so that it comes before"),
            ("first", "branch", "Connect `branch` so that it comes before"),
            ("first", "beside", "Connect `beside` so that it comes before"),
            ("first", "after", "Connect `after` so that it comes before"),
            ("before", "first", "Connect `first` so that it comes before"),
            ("branch", "deep", "Connect `deep` so that it comes before"),
            ("branch", "last", "Connect `last` so that it comes before"),
            ("first", "outer", "Here are `scopes.outer.accumulator`, `scopes.outer.index` or `scopes.outer.item`."),
            ("branch", "middle", "Here are `scopes.middle.index`."),
        ],
    )
    def test_that_do_not_may_not(self, node_id, mentioned, hint):
        (problem,) = problems(nested(**{node_id: f"{{{{ nodes.{mentioned}?.output }}}}"}))

        assert problem.code == "not_before"
        assert hint in problem.hint

    @patient
    @given(st.data())
    def test_are_known_by_the_way_between_what_stands_for_both(self, data):
        raw = data.draw(scoped_definitions())
        speaker = data.draw(st.sampled_from([each for each in raw["nodes"] if each["type"] == "transform"] or [None]))
        if speaker is None:
            return
        for each in raw["nodes"]:
            changed = copy.deepcopy(raw)
            node_of(changed, speaker["id"])[1]["config"]["value"] = f"{{{{ nodes.{each['id']}?.output ?? 1 }}}}"

            codes = [code for code, _ in found(changed)]

            assert codes == ([] if is_known(raw, each["id"], speaker["id"]) else ["not_before"])


def is_known(raw, mentioned, speaker):
    """Return, as decision 0007 says it, whether a node comes before another one: in the innermost body that holds both."""
    parents = {each["id"]: each.get("parent") for each in raw["nodes"]}

    def way_down(node_id):
        return [*(way_down(parents[node_id]) if parents[node_id] else []), node_id]

    pairs = zip(way_down(mentioned), way_down(speaker), strict=False)
    one, other = next(((one, other) for one, other in pairs if one != other), (None, None))
    reached, to_visit = set(), [one]
    while to_visit:
        here = to_visit.pop()
        fresh = {edge["target"] for edge in raw["edges"] if edge["source"] == here} - reached
        reached |= fresh
        to_visit += fresh
    return other in reached


class TestScopesOwnTemplates:
    @staticmethod
    def raw(config, **outer):
        inner = loop({"items": [1], **config}, "a > b", b=parallel({}, "c"))
        return definition("start > outer", outer=loop({"items": [[1]], **outer}, "before > inner > later", inner=inner))

    @pytest.mark.parametrize(
        "config",
        [
            {"items": "{{ item }}"},
            {"items": "{{ nodes.before.output + scopes.outer.index }}"},
            {"accumulator": {"initial": "{{ item }}", "next": 1}},
            {"items": None, "while": "{{ index < scopes.inner.index + scopes.outer.item && nodes.before.output }}"},
            {
                "items": None,
                "while": "{{ accumulator < 5 }}",
                "accumulator": {"initial": 1, "next": "{{ accumulator + 1 }}"},
            },
            {"break_when": "{{ item > index && nodes.a.output && nodes.b.output && nodes.before.output }}"},
            {"accumulator": {"next": {"sum": ["{{ accumulator + nodes.a.output }}"]}}},
        ],
    )
    def test_see_what_there_is_when_they_are_evaluated(self, config):
        assert problems(self.raw(config)) == []

    @pytest.mark.parametrize(
        ("config", "code", "path", "hint"),
        [
            ({"items": "{{ accumulator }}"}, "not_available_here", "items", "a `loop` that has an `accumulator`"),
            ({"items": "{{ scopes.inner.index }}"}, "unknown_scope", "items", "There is `outer`."),
            (
                {"items": "{{ nodes.a.output }}"},
                "not_before",
                "items",
                "Only `break_when` or `accumulator.next` may mention them.",
            ),
            ({"items": "{{ nodes.inner.output }}"}, "not_before", "items", "Connect `inner`"),
            ({"items": "{{ nodes.outer.output }}"}, "not_before", "items", "Here are `scopes.outer.index`"),
            ({"items": None, "while": "{{ nodes.a.output }}"}, "not_before", "while", "The nodes in it run later."),
            (
                {"items": None, "while": "{{ item }}"},
                "not_available_here",
                "while",
                "That of `outer` is `scopes.outer.item`.",
            ),
            (
                {"break_when": "{{ nodes.c.output }}"},
                "not_before",
                "break_when",
                "Take the output of `b`, in which it lies.",
            ),
            ({"break_when": "{{ nodes.later.output }}"}, "not_before", "break_when", "Connect `later`"),
            ({"break_when": "{{ nodes.inner.output }}"}, "not_before", "break_when", "Its passes are not done yet."),
            (
                {"accumulator": {"initial": "{{ accumulator }}", "next": 1}},
                "not_available_here",
                "accumulator/initial",
                "",
            ),
        ],
    )
    def test_see_nothing_else(self, config, code, path, hint):
        (problem,) = problems(self.raw(config))

        assert (problem.code, problem.path) == (code, f"/nodes/3/config/{path}")
        assert hint in problem.hint

    def test_may_hold_no_secrets(self):
        raw = self.raw({"break_when": "{{ secret('KEY') }}"})

        assert [problem.code for problem in problems(raw, variables={"KEY": True})] == ["not_available_here"]

    def test_of_a_parallel_may_not_mention_its_body_at_all(self):
        raw = definition("start > it", it=parallel({"items": "{{ nodes.a.output }}"}, "a"))

        assert [problem.hint for problem in problems(raw)] == ["The nodes in it run later."]


class TestSettings:
    @staticmethod
    def raw(key, **more):
        return definition("start > end", settings={"concurrency": {"max": 1, "key": key}, **more})

    @pytest.mark.parametrize("key", ["{{ trigger.body.customer }}", "{{ trigger.a }}-{{ trigger.b ?? 'none' }}", None])
    def test_have_a_key_over_what_started_the_execution(self, key):
        assert problems(self.raw(key)) == []

    @pytest.mark.parametrize(
        ("key", "code"),
        [
            ("customer", "not_an_expression"),
            ("\\{{ trigger }}", "not_an_expression"),
            ("", "not_an_expression"),
            ("{{ trigger", "expression_syntax"),
            ("{{ input.a }}", "not_available_here"),
            ("{{ now() }}", "not_available_here"),
            ("{{ nodes.start.output }}", "not_available_here"),
            ("{{ vars.A }}", "not_available_here"),
            ("{{ secret('A') }}", "not_available_here"),
            ("{{ execution.id }}", "not_available_here"),
            ("{{ customer }}", "unknown_name"),
        ],
    )
    def test_have_no_key_over_anything_else(self, key, code):
        assert found(self.raw(key)) == [(code, "/settings/concurrency/key")]

    def test_say_what_a_key_sees(self):
        (problem,) = problems(self.raw("{{ input.customer }}"))

        assert (
            problem.hint == "Which executions are counted together is known before they start: only `trigger` is there."
        )

    def test_have_their_key_checked_beside_other_mistakes(self):
        assert found(self.raw("customer", timezone="Mars")) == [
            ("unknown_timezone", "/settings/timezone"),
            ("not_an_expression", "/settings/concurrency/key"),
        ]
