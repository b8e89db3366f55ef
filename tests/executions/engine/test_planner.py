"""What runs next, tested without a database: by hand, and at random with crashes in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from executions.engine.planner import NodeRunFact, Progress, Start, plan, taken_edges
from tests.executions.engine.graphs import PORTS, graph, graphs

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


def settled(node_id, *ports):
    return NodeRunFact(node_id, Progress.SETTLED, ports=ports or ("main",))


def decide(the_graph, *facts, started_by=None, in_flight=frozenset(), now=NOON):
    return plan(
        the_graph,
        started_by=started_by or the_graph.in_order()[0],
        facts={fact.node_id: fact for fact in facts},
        in_flight=frozenset(in_flight),
        now=now,
    )


class TestPlan:
    def test_begins_at_the_trigger_that_started_it(self):
        decided = decide(graph("hook > work", "clock > work"), started_by="clock")

        assert decided.start == (Start("clock"),)
        assert decided.dead == {"hook"}

    def test_starts_every_branch_at_once(self):
        decided = decide(graph("hook > a", "hook > b", "hook > c"), settled("hook"))

        assert {start.node_id for start in decided.start} == {"a", "b", "c"}

    def test_follows_only_the_port_that_fired(self):
        branching = graph("hook > check", "check.yes > big", "check.no > small")

        decided = decide(branching, settled("hook"), settled("check", "yes"))

        assert decided.start == (Start("big"),)
        assert decided.dead == {"small"}

    def test_follows_all_ports_that_fired(self):
        branching = graph("hook > check", "check.yes > big", "check.no > small")

        decided = decide(branching, settled("hook"), settled("check", "yes", "no"))

        assert {start.node_id for start in decided.start} == {"big", "small"}

    def test_a_join_waits_for_every_branch_that_lives(self):
        joining = graph("hook > a", "hook > b", "a > end", "b > end")

        decided = decide(joining, settled("hook"), settled("a"), in_flight={"b"})

        assert decided.start == (Start("b"),)
        assert not decided.is_over

    def test_a_join_goes_on_without_its_dead_branch(self):
        joining = graph("hook > check", "check.yes > a", "check.no > b", "a > end", "b > end")

        decided = decide(joining, settled("hook"), settled("check", "yes"), settled("a"))

        assert decided.start == (Start("end"),)

    def test_a_join_on_any_goes_on_with_the_first_branch(self):
        joining = graph("hook > a", "hook > b", "a > end", "b > end", any_joins=("end",))
        running = NodeRunFact("b", Progress.STARTED)

        decided = decide(joining, settled("hook"), settled("a"), running, in_flight={"b"})

        assert decided.start == (Start("end"),)

    def test_what_lies_behind_a_dead_branch_is_dead(self):
        chain = graph("hook > check", "check.yes > a", "a > b", "b > c")

        decided = decide(chain, settled("hook"), settled("check", "no"))

        assert decided.dead == {"a", "b", "c"}
        assert decided.is_over

    def test_leaves_alone_what_this_process_is_running(self):
        decided = decide(
            graph("hook > work"), settled("hook"), NodeRunFact("work", Progress.STARTED), in_flight={"work"}
        )

        assert decided.start == ()
        assert not decided.is_over

    def test_begins_again_what_a_lost_worker_had_begun(self):
        decided = decide(graph("hook > work"), settled("hook"), NodeRunFact("work", Progress.STARTED, attempt=2))

        assert decided.start == (Start("work", attempt=2, again=True),)

    def test_waits_for_a_delay_that_is_not_over(self):
        decided = decide(graph("hook > nap"), settled("hook"), NodeRunFact("nap", Progress.WAITING, wake_at=LATER))

        assert decided.next_timer.wake_at == LATER
        assert not decided.next_timer.is_retry
        assert decided.start == decided.wake == ()

    def test_wakes_a_delay_that_is_over(self):
        waiting = NodeRunFact("nap", Progress.WAITING, wake_at=LATER)

        assert decide(graph("hook > nap"), settled("hook"), waiting, now=LATER).wake == ("nap",)

    def test_tries_again_when_the_backoff_is_over(self):
        failed = NodeRunFact("work", Progress.RETRYING, attempt=1, wake_at=LATER)

        assert decide(graph("hook > work"), settled("hook"), failed).start == ()
        assert decide(graph("hook > work"), settled("hook"), failed, now=LATER).start == (Start("work", attempt=2),)

    def test_what_was_put_off_goes_on_as_the_same_attempt_and_is_not_taken_for_lost(self):
        put_off = NodeRunFact("work", Progress.POSTPONED, attempt=2, wake_at=LATER)

        asleep = decide(graph("hook > work"), settled("hook"), put_off)

        assert asleep.start == ()
        assert (asleep.next_timer.wake_at, asleep.next_timer.is_retry) == (LATER, True)
        assert decide(graph("hook > work"), settled("hook"), put_off, now=LATER).start == (Start("work", attempt=2),)

    def test_names_the_node_that_failed(self):
        decided = decide(graph("hook > work"), settled("hook"), NodeRunFact("work", Progress.FAILED))

        assert decided.failed == "work"
        assert not decided.is_over

    def test_is_over_when_every_node_is_settled_or_dead(self):
        decided = decide(graph("hook > work"), settled("hook"), settled("work"))

        assert decided.is_over


class TestTakenEdges:
    def test_are_those_that_led_to_the_node(self):
        joining = graph("hook > check", "check.yes > end", "check.no > end", "hook > end")
        facts = {"hook": settled("hook"), "check": settled("check", "no")}

        taken = taken_edges(joining, "end", facts)

        assert [(edge.source, edge.source_port) for edge in taken] == [("check", "no"), ("hook", "main")]


class TestEveryGraph:
    """Random graphs, random ports, random waits and failures, and a crash after any step. [R-5]"""

    @given(graphs(), st.data())
    def test_comes_to_an_end_and_runs_no_settled_node_again(self, drawn, data):
        facts, now, done = {}, NOON, []
        for _ in range(200):
            # A crash between any two steps: what is not in the facts is forgotten, and asked anew.
            decided = plan(drawn, started_by="n0", facts=facts, now=now)
            if decided.is_over:
                break
            assert decided.start or decided.wake or decided.timers, "it is stuck"
            if decided.timers and not decided.start and not decided.wake:
                now = decided.next_timer.wake_at
                continue
            for node_id in decided.wake:
                facts[node_id] = settled(node_id)
                done.append(node_id)
            for start in decided.start:
                assert start.node_id not in done
                facts[start.node_id] = self._outcome(data, start, now=now)
                if facts[start.node_id].progress is Progress.SETTLED:
                    done.append(start.node_id)

        assert decided.is_over
        assert len(done) == len(set(done))
        assert set(done) | decided.dead == set(drawn.nodes)

    def _outcome(self, data, start, *, now):
        kinds = [Progress.SETTLED, Progress.STARTED, Progress.WAITING]
        if start.attempt < 3:
            kinds.append(Progress.RETRYING)
        kind = data.draw(st.sampled_from(kinds))
        ports = tuple(data.draw(st.sets(st.sampled_from(PORTS), min_size=1))) if start.node_id != "n0" else ("main",)
        wake_at = now + timedelta(seconds=data.draw(st.integers(0, 60)))
        return NodeRunFact(start.node_id, kind, attempt=start.attempt, ports=ports, wake_at=wake_at)

    @given(graphs(), st.data())
    def test_starts_no_node_before_all_that_lives_above_it_has_settled(self, drawn, data):
        facts = {}
        while not (decided := plan(drawn, started_by="n0", facts=facts, now=NOON)).is_over:
            for start in decided.start:
                edges = drawn.edges_into(start.node_id)
                taken = [
                    edge for edge in edges if edge.source in facts and edge.source_port in facts[edge.source].ports
                ]
                assert taken or not edges
                if drawn.nodes[start.node_id].join == "all":
                    assert all(edge.source in facts or edge.source in decided.dead for edge in edges)
            start = data.draw(st.sampled_from(decided.start))
            port = data.draw(st.sampled_from(PORTS)) if start.node_id != "n0" else "main"
            facts[start.node_id] = settled(start.node_id, port)

    @given(graphs(), st.data())
    def test_says_the_same_when_asked_twice(self, drawn, data):
        chosen = data.draw(st.sets(st.sampled_from(sorted(drawn.nodes))))
        facts = {node_id: settled(node_id, "main") for node_id in chosen}

        first = plan(drawn, started_by="n0", facts=facts, now=NOON)

        assert plan(drawn, started_by="n0", facts=dict(reversed(facts.items())), now=NOON) == first
