"""Whether nodes and edges make a workflow: ids, ports, ways, cycles. What is special about scopes is in scopes.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from workflows.definition.draft import Draft, DraftEdge, DraftNode
from workflows.definition.problems import Problem, did_you_mean, listed
from workflows.definition.schema import Definition, Edge
from workflows.expressions.errors import ExpressionError
from workflows.expressions.templates import parse_template
from workflows.graph import Graph
from workflows.nodes.base import ERROR_PORT, MAIN_PORT, NodeType
from workflows.nodes.fields import FORBIDDEN

MAX_CYCLES = 10

NodeTypes = Mapping[str, NodeType[Any]]


def structure_problems(draft: Draft, node_types: NodeTypes) -> Iterator[Problem]:
    """Yield what is wrong with the nodes and edges of a draft, whatever their configs say."""
    yield from _types(draft, node_types)
    yield from _ids(draft)
    yield from _triggers(draft, node_types)
    yield from _pins(draft, node_types)
    yield from _edges(draft, node_types)
    yield from islice(_cycles(draft), MAX_CYCLES)
    yield from _unreachable(draft, node_types)
    yield from _settings(draft)


def _types(draft: Draft, node_types: NodeTypes) -> Iterator[Problem]:
    for node in draft.nodes:
        path = f"{node.at}/type"
        if node.type in node_types:
            continue
        hint = did_you_mean(node.type, node_types) or f"There are {listed(sorted(node_types))}."
        yield Problem("unknown_node_type", path, f"There is no node type `{node.type[:60]}`.", hint)


def _ids(draft: Draft) -> Iterator[Problem]:
    first: dict[str, DraftNode] = {}
    for node in draft.nodes:
        if first.setdefault(node.id, node) is not node:
            message = f"The node at {first[node.id].at} is called `{node.id}` already."
            yield Problem("duplicate_id", f"{node.at}/id", message, "Each node needs an id of its own.")


def _triggers(draft: Draft, node_types: NodeTypes) -> Iterator[Problem]:
    if not any(_starts(node, node_types) for node in draft.nodes):
        hint = 'Add a node {"id": "start", "type": "trigger", "config": {"kind": "manual"}}.'
        yield Problem("no_trigger", "/nodes", "Nothing starts this workflow: it has no trigger node.", hint)


def _starts(node: DraftNode, node_types: NodeTypes) -> bool:
    return node.type in node_types and node_types[node.type].starts_workflow


def _pins(draft: Draft, node_types: NodeTypes) -> Iterator[Problem]:
    for node in draft.nodes:
        if node.pinned_port is None or node.type not in node_types:
            continue
        ports = node_types[node.type].ports(node.config)
        if node.pinned_port not in ports:
            message = f"Node `{node.id}` has no port `{node.pinned_port[:64]}`; it has {listed(ports)}."
            yield Problem("unknown_port", f"{node.at}/pin/port", message, did_you_mean(node.pinned_port, ports))


def _edges(draft: Draft, node_types: NodeTypes) -> Iterator[Problem]:
    nodes = {node.id: node for node in reversed(draft.nodes)}
    seen: dict[tuple[str, str, str], DraftEdge] = {}
    for each in draft.edges:
        edge = each.edge
        for end in ("source", "target"):
            if (node_id := getattr(edge, end)) not in draft.ids:
                message = f"There is no node `{node_id[:64]}`."
                yield Problem("unknown_node", f"{each.at}/{end}", message, did_you_mean(node_id, draft.ids))
        same = seen.setdefault((edge.source, edge.source_port, edge.target), each)
        if same is not each:
            message = f"The edge at {same.at} leads from there to there already."
            yield Problem("duplicate_edge", each.at, message, "Remove one of the two.")
        yield from _kind_of_edge(each)
        if edge.source in nodes:
            yield from _source(each, nodes[edge.source], node_types)
        if edge.target in nodes and _starts(nodes[edge.target], node_types):
            message = f"Nothing can lead into `{edge.target}`: a trigger is where an execution starts."
            yield Problem("edge_into_trigger", f"{each.at}/target", message)


def _kind_of_edge(each: DraftEdge) -> Iterator[Problem]:
    if each.edge.type == "processed_data" and each.edge.transform is None:
        hint = 'Add "transform": "{{ input.… }}", or make it a `data` edge.'
        yield Problem("missing_key", f"{each.at}/transform", "A `processed_data` edge needs a `transform`.", hint)
    elif each.edge.type != "processed_data" and each.edge.transform is not None:
        hint = "Make the edge's type `processed_data`, or remove `transform`."
        message = f"A `{each.edge.type}` edge transforms nothing."
        yield Problem("unknown_key", f"{each.at}/transform", message, hint)
    elif each.edge.transform is not None and not _holds_expression(each.edge.transform):
        message = "`transform` holds no expression, so that the same text would arrive whatever is sent."
        yield Problem("not_an_expression", f"{each.at}/transform", message, "Write {{ … }} around it.")


def _source(each: DraftEdge, node: DraftNode, node_types: NodeTypes) -> Iterator[Problem]:
    if node.type not in node_types:
        return
    port, own = each.edge.source_port, node_types[node.type].ports(node.config)
    ports = (*own, ERROR_PORT) if node.on_error == "port" else own
    path = f"{each.at}/source_port"
    if port not in ports:
        hint = f"Set `on_error` of `{node.id}` to `port`." if port == ERROR_PORT else did_you_mean(port, ports)
        yield Problem("unknown_port", path, f"Node `{node.id}` has no port `{port}`; it has {listed(ports)}.", hint)
    elif each.edge.type == "condition" and own == (MAIN_PORT,):
        message = f"A `condition` edge starts at a node that chooses between ports; `{node.id}` does not."
        yield Problem("not_a_condition", f"{each.at}/type", message, "Make it a `data` or an `action` edge.")


def _holds_expression(text: str) -> bool:
    try:
        return bool(parse_template(text).interpolations)
    except ExpressionError:
        return True  # What is wrong with it is said with the expressions.


def _cycles(draft: Draft) -> Iterator[Problem]:
    places = {edge.edge: edge.at for edge in reversed(draft.edges)}
    for body in draft.graph().bodies:
        graph = body
        while cycle := graph.find_cycle():
            closing = next(edge for edge in graph.edges_out_of(cycle[-1]) if edge.target == cycle[0])
            way = " → ".join(f"`{node_id}`" for node_id in (*cycle, cycle[0]))
            message = f"These nodes lead round in a circle: {way}."
            hint = "Remove one of the edges. To repeat nodes, put them into a `loop`."
            yield Problem("cycle", places[closing], message, hint)
            graph = _without(graph, closing)  # So that the next look finds the next circle.


def _without(graph: Graph, unwanted: Edge) -> Graph:
    edges = (edge for node_id in graph.nodes for edge in graph.edges_out_of(node_id))
    between = (unwanted.source, unwanted.target)
    kept = tuple(edge for edge in edges if (edge.source, edge.target) != between)
    return Graph(Definition(nodes=tuple(graph.nodes.values()), edges=kept))


def _unreachable(draft: Draft, node_types: NodeTypes) -> Iterator[Problem]:
    triggers = [node.id for node in draft.nodes if _starts(node, node_types)]
    if not triggers:
        return  # Said once, by `no_trigger`; every node would follow.
    graph = draft.graph()
    reached = graph.descendants(*triggers)
    while (
        inside := graph.within(*reached) - reached
    ):  # Also over edges out of a body, which are a problem of their own.
        reached = graph.descendants(*reached, *inside)
    for node in draft.nodes:
        # A node in a body is reached when its scope is; a tool when its agent is.
        if node.id not in reached and graph.nodes[node.id].parent is None:
            message = f"No way leads from a trigger to `{node.id}`, so that it would never run."
            yield Problem("unreachable", node.at, message, "Connect it, or remove it.")


def _settings(draft: Draft) -> Iterator[Problem]:
    if draft.concurrency_key is not None and not _holds_expression(draft.concurrency_key):
        message = "`key` holds no expression, so that it would be the same for every execution."
        hint = "Write {{ trigger.… }}, or leave it out to count all executions together."
        yield Problem("not_an_expression", "/settings/concurrency/key", message, hint)
    if draft.settings.on_failure is not None and "{{" in draft.settings.on_failure.workflow:
        message = "`workflow` may not be an expression."
        yield Problem(FORBIDDEN, "/settings/on_failure/workflow", message, "Write the workflow's id or name.")
