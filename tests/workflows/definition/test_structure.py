"""Whether nodes and edges make a workflow."""

from __future__ import annotations

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import found, problems
from workflows.definition.shape import MAX_BYTES, MAX_DEPTH, MAX_EDGES, MAX_NODES


def with_edges(*edges, ways=("start > a > b",), **nodes):
    raw = definition(*ways, **nodes)
    raw["edges"] += edges
    return raw


class TestValid:
    @pytest.mark.parametrize(
        "raw",
        [
            definition("start > end"),
            definition("start > check.yes > a > end", "check.no > b > end", "check.else > c", end={"join": "any"}),
            definition("hook > end", "clock ~> end", end={"join": "any"}),
            definition("start > call > end", "call.error > alarm", call={"on_error": "port"}),
            definition("start > end", end={"disabled": True, "notes": "Later", "timeout_seconds": 0.5}),
        ],
    )
    def test_has_no_problems(self, raw):
        assert problems(raw) == []


class TestNodes:
    def test_need_ids_of_their_own(self):
        raw = definition("start > end")
        raw["nodes"].append(raw["nodes"][1])

        assert found(raw) == [("duplicate_id", "/nodes/2/id")]

    @pytest.mark.parametrize(
        ("node_id", "is_fine"),
        [
            ("a", True),
            ("a1_b", True),
            ("a" * 64, True),
            ("a" * 65, False),
            ("", False),
            ("A", False),
            ("1a", False),
            ("a-b", False),
            ("a b", False),
            ("ä", False),
            ("a\n", False),
            ("__proto__", False),
        ],
    )
    def test_have_ids_that_can_be_used_in_expressions(self, node_id, is_fine):
        raw = definition("start > end")
        raw["nodes"][1]["id"] = raw["edges"][0]["target"] = node_id

        assert found(raw) == ([] if is_fine else [("invalid_format", "/nodes/1/id")])

    def test_s_code_3_take_their_type_from_the_catalogue_and_nowhere_else(self):
        raw = definition(
            "start > a > b > c", a=node("tolo"), b=node("os.system"), c=node("workflows.nodes.tool.ToolNode")
        )

        assert next((p.code, p.path, p.hint) for p in problems(raw)) == (
            "unknown_node_type",
            "/nodes/1/type",
            "Did you mean `tool`?",
        )
        assert [p.code for p in problems(raw)] == ["unknown_node_type"] * 3

    def test_must_hold_a_trigger(self):
        assert found({"schema": 1, "nodes": [], "edges": []}) == [("no_trigger", "/nodes")]
        assert found(definition("a > b", a=node("output"))) == [("no_trigger", "/nodes")]

    def test_must_all_be_reached_from_a_trigger(self):
        raw = definition("start > end", "lost > more", lost=node("output"))

        assert found(raw) == [("unreachable", "/nodes/2"), ("unreachable", "/nodes/3")]

    @pytest.mark.parametrize("key", ["retry", "timeout_seconds", "on_error", "join", "disabled", "notes", "name"])
    def test_are_told_when_a_policy_stands_inside_of_config(self, key):
        (problem,) = problems(definition("start > end", end=node("output", {key: 1})))

        assert (problem.code, problem.path) == ("unknown_key", f"/nodes/1/config/{key}")
        assert problem.hint == f"Put `{key}` beside `config`."

    def test_are_told_when_a_key_of_the_type_stands_beside_config(self):
        (problem,) = problems(definition("start > end", end={"for": "PT5M"}))

        assert problem.hint == "What belongs to the node's type stands inside `config`."

    @pytest.mark.parametrize(
        ("policies", "code", "path"),
        [
            ({"retry": {"max_attempts": 0}}, "out_of_range", "retry/max_attempts"),
            ({"retry": {"max_attempts": 11}}, "out_of_range", "retry/max_attempts"),
            ({"retry": {"max_attempts": True}}, "wrong_type", "retry/max_attempts"),
            ({"retry": {"backoff": "linear"}}, "invalid_choice", "retry/backoff"),
            ({"retry": {"base_seconds": 0}}, "out_of_range", "retry/base_seconds"),
            ({"retry": {"base_secs": 1}}, "unknown_key", "retry/base_secs"),
            ({"retry": 3}, "wrong_type", "retry"),
            ({"retry": {"on": []}}, "too_short", "retry/on"),
            ({"retry": {"on": ["timeout", "timeout"]}}, "duplicate_value", "retry/on"),
            ({"retry": {"on": ["HTTP 503"]}}, "invalid_format", "retry/on/0"),
            ({"retry": {"on": "timeout"}}, "wrong_type", "retry/on"),
            ({"retry": {"when_lost": "never"}}, "invalid_choice", "retry/when_lost"),
            ({"timeout_seconds": 3601}, "out_of_range", "timeout_seconds"),
            ({"timeout_seconds": "60"}, "wrong_type", "timeout_seconds"),
            ({"on_error": "ignore"}, "invalid_choice", "on_error"),
            ({"join": "some"}, "invalid_choice", "join"),
            ({"disabled": "no"}, "wrong_type", "disabled"),
            ({"name": ""}, "too_short", "name"),
            ({"name": "x" * 201}, "too_long", "name"),
            ({"parent": "start"}, "not_a_scope", "parent"),
            ({"config": []}, "wrong_type", "config"),
            ({"on_errors": "fail"}, "unknown_key", "on_errors"),
        ],
    )
    def test_have_policies_that_are_checked(self, policies, code, path):
        assert found(definition("start > end", end=policies)) == [(code, f"/nodes/1/{path}")]

    def test_are_told_which_keys_a_retry_policy_has(self):
        (problem,) = problems(definition("start > end", end={"retry": {"parent": 1}}))

        assert problem.code == "unknown_key"
        assert problem.hint.startswith("The keys here are `max_attempts`, ")

    @pytest.mark.parametrize(
        "policies",
        [
            {"retry": {"max_attempts": 10, "on": ["timeout", "http_status"], "when_lost": "fail"}},
            {"timeout_seconds": 3600},
            {"name": "x" * 200},
        ],
    )
    def test_may_have_policies_at_their_limits(self, policies):
        assert found(definition("start > end", end=policies)) == []


class TestEdges:
    @pytest.mark.parametrize(
        ("edge", "problem"),
        [
            ({"source": "a", "target": "c"}, ("unknown_node", "/edges/2/target")),
            ({"source": "c", "target": "b"}, ("unknown_node", "/edges/2/source")),
            ({"source": "a", "target": "b"}, ("duplicate_edge", "/edges/2")),
            ({"source": "a", "target": "b", "type": "action"}, ("duplicate_edge", "/edges/2")),
            ({"source": "a", "target": "start"}, ("edge_into_trigger", "/edges/2/target")),
            ({"source": "start", "target": "b", "source_port": "yes"}, ("unknown_port", "/edges/2/source_port")),
            ({"source": "start", "target": "b", "source_port": "error"}, ("unknown_port", "/edges/2/source_port")),
            ({"source": "start", "target": "b", "source_port": ""}, ("invalid_format", "/edges/2/source_port")),
            ({"source": "start", "target": "b", "type": "condition"}, ("not_a_condition", "/edges/2/type")),
            ({"source": "start", "target": "b", "type": "tool"}, ("not_an_agent", "/edges/2/target")),
            ({"source": "start", "target": "b", "type": "arrow"}, ("invalid_choice", "/edges/2/type")),
            ({"source": "start", "target": "b", "type": "processed_data"}, ("missing_key", "/edges/2/transform")),
            ({"source": "start", "target": "b", "transform": "{{ input }}"}, ("unknown_key", "/edges/2/transform")),
            ({"source": "start", "target": "b", "port": "main"}, ("unknown_key", "/edges/2/port")),
            ({"source": "start"}, ("missing_key", "/edges/2/target")),
            ({"source": "start", "target": 5}, ("wrong_type", "/edges/2/target")),
            ("start > b", ("wrong_type", "/edges/2")),
        ],
    )
    def test_that_are_wrong_are_named(self, edge, problem):
        assert problem in found(with_edges(edge))

    def test_may_be_conditions_where_the_source_chooses(self):
        raw = with_edges(
            {"source": "check", "source_port": "yes", "target": "b", "type": "condition"},
            ways=["start > check", "check.yes > a", "check.no > b"],
        )
        raw["edges"][1]["type"] = "condition"

        assert found(raw) == []

    def test_hint_at_what_opens_the_error_port(self):
        raw = definition("start > a > b", "a.error > c", a={"on_error": "fail"})

        (problem,) = problems(raw)

        assert problem.hint == "Set `on_error` of `a` to `port`."

    def test_guess_what_was_meant(self):
        (problem,) = problems(with_edges({"source": "strat", "target": "b"}))

        assert problem.hint == "Did you mean `start`?"

    def test_to_a_node_that_cannot_be_read_are_not_wrong_for_that(self):
        raw = definition("start > a > b")
        raw["nodes"][1] = {"id": "a", "type": 5}

        assert ("unknown_node", "/edges/0/target") not in found(raw)


class TestCycles:
    def test_are_named_by_their_nodes_in_order(self):
        (problem,) = problems(definition("start > a > b > c > a"))

        assert (problem.code, problem.path) == ("cycle", "/edges/3")
        assert "`a` → `b` → `c` → `a`" in problem.message

    def test_hint_at_loops(self):
        (problem,) = problems(definition("start > a > b > a"))

        assert "put them into a `loop`" in problem.hint

    def test_are_all_found(self):
        assert found(definition("start > a > b > a", "start > c > d > c", "start > e > e")) == [
            ("cycle", "/edges/2"),
            ("cycle", "/edges/5"),
            ("cycle", "/edges/7"),
        ]


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"timezone": "Europe/Belin"}, ("unknown_timezone", "/settings/timezone")),
            ({"timezone": "../../etc/passwd"}, ("unknown_timezone", "/settings/timezone")),
            ({"timezone": "Europe"}, ("unknown_timezone", "/settings/timezone")),
            ({"timezone": "localtime"}, ("unknown_timezone", "/settings/timezone")),
            ({"timezone": ""}, ("unknown_timezone", "/settings/timezone")),
            ({"timeout_seconds": 0}, ("out_of_range", "/settings/timeout_seconds")),
            ({"timeout_seconds": 8_640_001}, ("out_of_range", "/settings/timeout_seconds")),
            ({"timeout_seconds": 1.5}, ("wrong_type", "/settings/timeout_seconds")),
            ({"on_failure": "x"}, ("wrong_type", "/settings/on_failure")),
            ({"on_failure": {}}, ("missing_key", "/settings/on_failure/workflow")),
            ({"on_failure": {"workflow": ""}}, ("too_short", "/settings/on_failure/workflow")),
            ({"on_failure": {"workflow": " Alarm"}}, ("invalid_format", "/settings/on_failure/workflow")),
            ({"on_failure": {"workflow": "{{ vars.X }}"}}, ("expression_forbidden", "/settings/on_failure/workflow")),
            ({"on_failure": {"workflow": "A", "on": []}}, ("too_short", "/settings/on_failure/on")),
            ({"on_failure": {"workflow": "A", "on": ["completed"]}}, ("invalid_choice", "/settings/on_failure/on/0")),
            ({"on_failure": {"workflow": "A", "on": ["failed"] * 2}}, ("duplicate_value", "/settings/on_failure/on")),
            ({"concurrency": 1}, ("wrong_type", "/settings/concurrency")),
            ({"concurrency": {}}, ("missing_key", "/settings/concurrency/max")),
            ({"concurrency": {"max": 0}}, ("out_of_range", "/settings/concurrency/max")),
            ({"concurrency": {"max": 10_001}}, ("out_of_range", "/settings/concurrency/max")),
            ({"concurrency": {"max": 1, "on_limit": "wait"}}, ("invalid_choice", "/settings/concurrency/on_limit")),
            ({"concurrency": {"max": 1, "key": 5}}, ("wrong_type", "/settings/concurrency/key")),
            ({"time_zone": "UTC"}, ("unknown_key", "/settings/time_zone")),
            ([], ("wrong_type", "/settings")),
        ],
    )
    def test_are_checked(self, settings, problem):
        assert found(definition("start > end", settings=settings)) == [problem]

    def test_may_be_as_short_as_a_second(self):
        assert found(definition("start > end", settings={"timeout_seconds": 1})) == []

    @pytest.mark.parametrize(
        "settings",
        [
            {"timezone": "America/New_York", "timeout_seconds": 8_640_000},
            {"concurrency": {"max": 10_000, "key": "{{ trigger.a }}", "on_limit": "cancel_oldest"}},
            {"on_failure": {"workflow": "Tell the owner", "on": ["failed", "timeout", "cancelled"]}},
        ],
    )
    def test_may_be_at_their_limits(self, settings):
        assert found(definition("start > end", settings=settings)) == []


class TestLimits:
    """S-DOS: at the limit and one beyond it."""

    def test_s_dos_are_those_that_are_documented(self):
        assert (MAX_NODES, MAX_EDGES, MAX_BYTES, MAX_DEPTH) == (500, 2_000, 1_048_576, 64)

    @staticmethod
    def chain(count: int) -> dict[str, object]:
        return definition(" > ".join(["start", *(f"n{number}" for number in range(count - 1))]))

    def test_s_dos_nodes(self):
        assert found(self.chain(MAX_NODES)) == []
        assert found(self.chain(MAX_NODES + 1)) == [("too_long", "/nodes")]

    def test_s_dos_edges(self):
        def dense(count: int) -> dict[str, object]:
            pairs = [(source, target) for target in range(1, 80) for source in range(target)][:count]
            return definition(*(f"n{source} > n{target}" for source, target in pairs))

        assert found(dense(MAX_EDGES)) == []
        assert found(dense(MAX_EDGES + 1)) == [("too_long", "/edges")]
