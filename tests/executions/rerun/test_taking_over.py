"""What a rerun takes over, tested without a database: by hand, and against the planner, at random."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from executions.engine.planner import NodeRunFact, Progress, plan
from executions.rerun.taking_over import changed_nodes, taken_over
from tests.executions.engine.graphs import PORTS, graph, graphs
from workflows.definition.schema import Definition
from workflows.graph import Graph

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MAIN = ("main",)
DIAMOND = graph("hook > a", "hook > b", "a > end", "b > end")


def over(body, *, again=(), changed=(), **settled):
    ports = {node_id: (port,) for node_id, port in settled.items()}
    return taken_over(body, settled=ports, begins={body.in_order()[0]}, again=again, changed=changed)


class TestTakenOver:
    def test_what_comes_before_the_node_and_what_lies_beside_it(self):
        found = over(DIAMOND, hook="main", a="main", b="main", end="main", again=["a"])

        assert found.nodes == {"hook", "b"}
        assert found.ready == {"a"}

    def test_what_never_settled_runs_and_so_does_what_comes_after_it(self):
        chain = graph("hook > a", "a > b", "b > c", "hook > d", "d > c")

        found = over(chain, hook="main", b="main", d="main", c="main", again=["c"])

        assert found.nodes == {"hook", "d"}
        assert found.ready == {"a"}

    def test_a_branch_that_was_not_taken_stays_dead(self):
        branching = graph("hook > check", "check.yes > big", "check.no > small", "big > end", "small > end")

        found = over(branching, hook="main", check="yes", big="main", end="main", again=["end"])

        assert found.nodes == {"hook", "check", "big"}
        assert found.dead == {"small"}
        assert found.ready == {"end"}

    def test_a_node_that_no_edge_leads_to_any_more_is_not_taken_over(self):
        branching = graph("hook > check", "check.yes > big", "check.no > small", "big > end", "small > end")

        found = over(branching, hook="main", check="no", big="main", again=["end"])

        assert (found.nodes, found.dead, found.ready) == ({"hook", "check"}, {"big"}, {"small"})

    def test_other_trigger_nodes_are_dead(self):
        found = over(graph("hook > work", "clock > work"), hook="main", work="main", again=["work"])

        assert (found.nodes, found.dead, found.ready) == ({"hook"}, {"clock"}, {"work"})

    def test_a_join_on_any_is_taken_over_only_when_nothing_before_it_is_open(self):
        racing = graph("hook > a", "hook > b", "a > first", "b > first", "first > end", any_joins=("first",))

        found = over(racing, hook="main", a="main", b="main", first="main", again=["b"])

        assert found.nodes == {"hook", "a"}
        assert found.ready == {"b", "first"}

    def test_a_changed_node_runs_and_so_does_what_comes_after_it(self):
        chain = graph("hook > a", "a > b", "b > c")

        found = over(chain, hook="main", a="main", b="main", again=["c"], changed={"a"})

        assert found.nodes == {"hook"}

    def test_is_over_when_nothing_is_left_to_run(self):
        branching = graph("hook > check", "check.yes > big", "check.no > small")

        assert over(branching, hook="main", check="yes", big="main").is_over(branching)
        assert not over(branching, hook="main", check="yes").is_over(branching)


class TestChangedNodes:
    def test_are_missing_of_another_type_or_reached_otherwise(self):
        before = graph("hook > a", "a > b", "b > c", "a > d")
        now = graph("hook > a", "a > b", "a > c", "a > d", "a > new")
        nodes = tuple(replace(node, type="delay") if node.id == "d" else node for node in now.nodes.values())
        edges = tuple(edge for node_id in now.nodes for edge in now.edges_into(node_id))

        changed = changed_nodes(Graph(Definition(nodes=nodes, edges=edges)), before)

        assert changed == {"c", "d", "new"}

    def test_another_config_is_no_such_change(self):
        nodes = tuple(replace(node, config={"value": 1}, name="Other") for node in DIAMOND.nodes.values())
        edges = tuple(edge for node_id in DIAMOND.nodes for edge in DIAMOND.edges_into(node_id))

        assert not changed_nodes(Graph(Definition(nodes=nodes, edges=edges)), DIAMOND)

    def test_a_join_on_something_else_is(self):
        racing = graph("hook > a", "hook > b", "a > end", "b > end", any_joins=("end",))

        assert changed_nodes(racing, DIAMOND) == {"end"}


def run(body, ports, facts, *, most=1_000):
    """Let the planner run a body, each node leaving through its ports, and return what settled in which order."""
    started = []
    while len(started) < most:
        decided = plan(body, started_by="n0", facts=facts, now=NOON)
        if not decided.start:
            break
        node_id = decided.start[-1].node_id
        started.append(node_id)
        facts = {**facts, node_id: NodeRunFact(node_id, Progress.SETTLED, ports=ports[node_id])}
    return started, facts


@st.composite
def runs(draw):
    """Draw a graph, the ports through which each node leaves, and a run of it that went so far."""
    body = draw(graphs())
    ports = {node_id: (draw(st.sampled_from(PORTS)),) for node_id in body.nodes} | {"n0": MAIN}
    started, facts = run(body, ports, {}, most=draw(st.integers(0, len(body.nodes))))
    return body, ports, {node_id: facts[node_id].ports for node_id in started}


@given(runs(), st.data())
def test_what_is_taken_over_could_have_happened(drawn, data):
    body, _, settled = drawn
    chosen = data.draw(st.sampled_from(sorted(body.nodes)))
    changed = data.draw(st.sets(st.sampled_from(sorted(body.nodes))))

    found = taken_over(body, settled=settled, begins={"n0"}, again={chosen}, changed=changed)

    assert found.nodes <= set(settled) - changed
    # What is dead does not run, and so nothing comes after it.
    assert chosen in found.dead or not found.nodes & body.descendants(chosen)
    for node_id in found.nodes:
        edges = body.edges_into(node_id)
        assert all(edge.source in found.nodes | found.dead for edge in edges)
        assert node_id == "n0" or any(
            edge.source in found.nodes and edge.source_port in settled[edge.source] for edge in edges
        )


@given(runs(), st.data())
def test_the_planner_goes_on_from_there_as_was_said(drawn, data):
    body, _, settled = drawn
    chosen = data.draw(st.sampled_from(sorted(body.nodes)))

    found = taken_over(body, settled=settled, begins={"n0"}, again={chosen})

    facts = {node_id: NodeRunFact(node_id, Progress.SETTLED, ports=settled[node_id]) for node_id in found.nodes}
    decided = plan(body, started_by="n0", facts=facts, now=NOON)
    assert {start.node_id for start in decided.start} == found.ready
    assert decided.dead == found.dead
    assert decided.is_over == found.is_over(body)


@given(runs(), st.data())
def test_run_to_its_end_it_comes_to_what_the_whole_comes_to(drawn, data):
    body, ports, settled = drawn
    chosen = data.draw(st.sampled_from(sorted(body.nodes)))
    _, whole = run(body, ports, {})

    found = taken_over(body, settled=settled, begins={"n0"}, again={chosen})
    facts = {node_id: NodeRunFact(node_id, Progress.SETTLED, ports=settled[node_id]) for node_id in found.nodes}
    started, ended = run(body, ports, facts)

    assert ended == whole
    assert not set(started) & found.nodes
    assert chosen in started or chosen not in whole
