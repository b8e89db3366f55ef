"""The order of nodes: the planner and the validation stand on it."""

from __future__ import annotations

from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import graph, loop, node, parallel, parsed
from tests.workflows.definition.strategies import patient
from workflows.definition.schema import Definition, Edge, Node
from workflows.graph import Graph


@st.composite
def dags(draw: st.DrawFn) -> Definition:
    """Any graph without cycles: edges lead from nodes to later ones, in whatever order they are written."""
    count = draw(st.integers(1, 12))
    ids = [f"n{number}" for number in range(count)]
    pairs = [(source, target) for target in range(count) for source in range(target)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    nodes = tuple(Node(id=node_id, type="delay", name=node_id) for node_id in draw(st.permutations(ids)))
    return Definition(nodes, tuple(Edge(ids[source], ids[target]) for source, target in chosen))


class TestInOrder:
    @patient
    @given(dags())
    def test_has_every_node_once_and_each_after_what_leads_to_it(self, dag):
        order = Graph(dag).in_order()

        assert sorted(order) == sorted(node.id for node in dag.nodes)
        assert all(order.index(edge.source) < order.index(edge.target) for edge in dag.edges)

    def test_keeps_to_the_order_of_writing_where_edges_leave_it_open(self):
        ordered = graph("start > c > end", "start > a > end", "start > b > end")

        assert ordered.in_order() == ("start", "c", "a", "b", "end")

    def test_does_not_see_edges_that_only_attach_a_tool(self):
        edges = (Edge("agent", "search"), Edge("search", "agent", type="tool"))
        nodes = (Node("agent", "agent", "agent"), Node("search", "tool", "search"))

        assert Graph(Definition(nodes, edges)).in_order() == ("agent", "search")

    def test_refuses_a_cycle(self):
        circle = graph("start > a > b > a")

        with pytest.raises(CycleError):
            circle.in_order()


class TestFindCycle:
    @pytest.mark.parametrize(
        ("ways", "cycle"),
        [
            (["start > a > b > c > a"], {("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")}),
            (["start > a > a"], {("a",)}),
            (["start > a > b", "a ~> b"], {None}),
        ],
    )
    def test_names_its_nodes_in_the_order_of_the_edges(self, ways, cycle):
        assert graph(*ways).find_cycle() in cycle

    @patient
    @given(dags())
    def test_finds_none_where_there_is_none(self, dag):
        assert Graph(dag).find_cycle() is None


class TestAncestors:
    @patient
    @given(dags())
    def test_are_the_nodes_from_which_a_way_leads_here(self, dag):
        ordered = Graph(dag)

        for each in dag.nodes:
            expected = {other.id for other in dag.nodes if each.id in ordered.descendants(other.id)} - {each.id}
            assert ordered.ancestors(each.id) == expected

    def test_of_a_join_are_those_of_all_branches(self):
        assert graph("start > a > end", "start > b > end").ancestors("end") == {"start", "a", "b"}

    def test_of_500_nodes_with_2000_edges_are_found_without_walking_every_way(self):
        # Each node has edges from the four before it: the number of ways is astronomic.
        nodes = tuple(Node(f"n{number}", "delay", "") for number in range(500))
        edges = tuple(
            Edge(f"n{source}", f"n{target}") for target in range(500) for source in range(max(0, target - 4), target)
        )
        ordered = Graph(Definition(nodes, edges))

        assert len(ordered.ancestors("n499")) == 499
        assert ordered.in_order()[-1] == "n499"


class TestDescendants:
    def test_count_the_starting_nodes_in(self):
        assert graph("start > a > b", "other > c").descendants("a") == {"a", "b"}


NESTED = graph(
    "start > before > outer > after",
    outer=loop({}, "first > middle > last", "beside", middle=parallel({}, "left > leaf", "right")),
)


class TestBodies:
    def test_are_the_graphs_of_what_lies_in_one_scope(self):
        assert tuple(NESTED.body_of(None).nodes) == ("start", "before", "outer", "after")
        assert NESTED.body_of("outer").in_order() == ("first", "beside", "middle", "last")
        assert [edge.target for edge in NESTED.body_of("middle").edges_out_of("left")] == ["leaf"]
        assert len(NESTED.bodies) == 3

    def test_of_a_scope_without_nodes_are_empty(self):
        assert tuple(NESTED.body_of("first").nodes) == ()

    def test_have_a_branch_for_each_part_that_no_edge_connects(self):
        assert NESTED.body_of("middle").branches() == (("left", "leaf"), ("right",))
        assert NESTED.body_of("outer").branches() == (("first", "middle", "last"), ("beside",))

    def test_end_with_the_nodes_that_nothing_comes_after(self):
        assert NESTED.body_of("outer").ends() == ("last", "beside")

    def test_know_nothing_of_edges_that_lead_out_of_them(self):
        nodes = (Node("a", "loop", "a"), Node("b", "delay", "b", parent="a"), Node("c", "delay", "c"))
        across = Graph(Definition(nodes, (Edge("b", "c"), Edge("a", "b"))))

        assert across.body_of("a").edges_out_of("b") == ()
        assert across.body_of(None).edges_into("c") == ()


class TestScopesAround:
    @pytest.mark.parametrize(
        ("node_id", "scopes"), [("leaf", ("middle", "outer")), ("outer", ()), ("middle", ("outer",))]
    )
    def test_are_named_from_the_inside(self, node_id, scopes):
        assert NESTED.scopes_around(node_id) == scopes

    def test_are_named_once_where_they_lie_in_each_other(self):
        nodes = (Node("a", "loop", "a", parent="b"), Node("b", "loop", "b", parent="a"))

        assert Graph(Definition(nodes)).scopes_around("a") == ("b", "a")


class TestWithin:
    @pytest.mark.parametrize(
        ("scopes", "node_ids"),
        [
            (["middle"], {"left", "leaf", "right"}),
            (["outer"], {"first", "middle", "last", "beside", "left", "leaf", "right"}),
            (["first"], set()),
            ([], set()),
        ],
    )
    def test_is_everything_however_deep(self, scopes, node_ids):
        assert NESTED.within(*scopes) == node_ids

    def test_ends_where_scopes_lie_in_each_other(self):
        nodes = (Node("a", "loop", "a", parent="b"), Node("b", "loop", "b", parent="a"))

        assert Graph(Definition(nodes)).within("a") == {"a", "b"}


class TestSideBySide:
    @pytest.mark.parametrize(
        ("one", "other", "both"),
        [
            ("first", "last", ("first", "last")),
            ("before", "leaf", ("before", "outer")),
            ("leaf", "last", ("middle", "last")),
            ("leaf", "right", ("leaf", "right")),
            ("leaf", "outer", ("outer", "outer")),
            ("middle", "leaf", ("middle", "middle")),
            ("leaf", "leaf", ("leaf", "leaf")),
        ],
    )
    def test_is_what_stands_for_both_in_the_innermost_body_that_holds_both(self, one, other, both):
        assert NESTED.side_by_side(one, other) == both
        assert NESTED.side_by_side(other, one) == both[::-1]


class TestKnownBefore:
    @pytest.mark.parametrize(
        ("node_id", "known"),
        [
            ("before", {"start"}),
            ("first", {"start", "before"}),
            ("last", {"start", "before", "first", "middle", "left", "leaf", "right"}),
            ("leaf", {"start", "before", "first", "left"}),
            ("after", set(NESTED.nodes) - {"after"}),
        ],
    )
    def test_is_what_has_run_by_then(self, node_id, known):
        assert NESTED.known_before(node_id) == known

    def test_refuses_a_cycle(self):
        circle = graph("start > each", each=loop({}, "a > b > a"))

        with pytest.raises(CycleError):
            circle.known_before("a")


class TestEdges:
    def test_are_told_apart_by_direction_and_keep_their_order(self):
        edges = graph("start > check", "check.yes > end", "check.no > end")

        assert [edge.source_port for edge in edges.edges_into("end")] == ["yes", "no"]
        assert [edge.target for edge in edges.edges_out_of("check")] == ["end", "end"]
        assert edges.edges_into("start") == ()


class TestTriggers:
    def test_are_the_trigger_nodes_as_they_were_written(self):
        assert graph("hook > end", "clock > end").triggers == ("hook", "clock")


class TestBuilder:
    def test_reads_ways_ports_and_arrows(self):
        built = parsed("start > check.yes > end ~> last", "check.error > last")

        assert [(e.source, e.source_port, e.target, e.type) for e in built.edges] == [
            ("start", "main", "check", "data"),
            ("check", "yes", "end", "data"),
            ("end", "main", "last", "action"),
            ("check", "error", "last", "data"),
        ]
        assert [node.type for node in built.nodes] == ["trigger", "condition", "delay", "delay"]

    def test_reads_scopes_with_their_bodies(self):
        built = parsed(
            "start > each > end",
            each=loop(
                {"items": [1]},
                "a > both",
                a=node("transform", {"steps": []}),
                both=parallel({}, "b > c", "d"),
                on_error="continue",
            ),
        )

        assert [(each.id, each.type, each.parent) for each in built.nodes] == [
            ("start", "trigger", None),
            ("each", "loop", None),
            ("a", "transform", "each"),
            ("both", "parallel", "each"),
            ("b", "delay", "both"),
            ("c", "delay", "both"),
            ("d", "delay", "both"),
            ("end", "delay", None),
        ]
        assert [(edge.source, edge.target) for edge in built.edges] == [
            ("start", "each"),
            ("each", "end"),
            ("a", "both"),
            ("b", "c"),
        ]
        assert built.nodes[1].on_error == "continue"
