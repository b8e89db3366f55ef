"""Whether scopes have bodies that make sense, and edges keep to them."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.definition.draft import Draft, DraftEdge, DraftNode
from workflows.definition.problems import Problem, did_you_mean, listed
from workflows.definition.shape import MAX_SCOPES_DEEP
from workflows.definition.structure import NodeTypes
from workflows.graph import Graph


def scope_problems(draft: Draft, node_types: NodeTypes) -> Iterator[Problem]:
    """Yield what is wrong with scopes, their bodies, and edges between them."""
    graph = draft.graph()
    for node in draft.nodes:
        if _is_scope(node, node_types):
            yield from _scope(node, graph)
        if node.parent is not None and node.type in node_types:
            yield from _part(node, node_types[node.type].instead_of_in_scopes)
    misplaced = dict(parent_problems(draft, node_types))
    yield from misplaced.values()
    unknown = misplaced.keys() | graph.within(*misplaced)
    for edge in draft.edges:
        ends = {edge.edge.source, edge.edge.target}
        if edge.edge.is_order and ends <= graph.nodes.keys() - unknown:
            yield from _crossing(edge, graph)


def parent_problems(draft: Draft, node_types: NodeTypes) -> Iterator[tuple[str, Problem]]:
    """Yield what is wrong with the nodes' parents, each with the node's id. Without any, it is known what lies in what."""
    nodes = {node.id: node for node in reversed(draft.nodes)}
    scopes = [node.id for node in draft.nodes if _is_scope(node, node_types)]
    circled: set[str] = set()
    graph = draft.graph()
    for node in draft.nodes:
        path = f"{node.at}/parent"
        if node.parent is None:
            continue
        if node.parent not in draft.ids:
            hint = did_you_mean(node.parent, scopes)
            yield node.id, Problem("unknown_parent", path, f"There is no node `{node.parent[:64]}`.", hint)
        elif node.parent in nodes and nodes[node.parent].type in node_types and node.parent not in scopes:
            message = f"`{node.parent}` is a `{nodes[node.parent].type}`, which holds no other nodes."
            kinds = listed(key for key, node_type in sorted(node_types.items()) if node_type.is_scope)
            yield (
                node.id,
                Problem("not_a_scope", path, message, f"`parent` is the id of a {kinds}; to order nodes, use edges."),
            )
        elif node.id in graph.scopes_around(node.id) and node.id not in circled:
            circled.update(graph.scopes_around(node.id))
            way = " in ".join(f"`{each}`" for each in (node.id, *graph.scopes_around(node.id)))
            message = f"These scopes lie in each other: {way}."
            yield node.id, Problem("parent_cycle", path, message, "Take `parent` away from one of them.")


def _is_scope(node: DraftNode, node_types: NodeTypes) -> bool:
    return node.type in node_types and node_types[node.type].is_scope


def _scope(node: DraftNode, graph: Graph) -> Iterator[Problem]:
    if not graph.body_of(node.id).nodes:
        hint = f'Give the nodes that are part of it "parent": "{node.id}".'
        yield Problem("empty_scope", node.at, f"There is nothing in `{node.id}` to run.", hint)
    if node.has_retry:
        message = f"`{node.id}` cannot be tried again as a whole: what its passes did cannot be undone."
        yield Problem("retry_on_scope", f"{node.at}/retry", message, "Give `retry` to the nodes in it.")
    around = graph.scopes_around(node.id)
    if len(around) >= MAX_SCOPES_DEEP and node.id not in around:
        message = f"`{node.id}` lies in {len(around)} scopes; nodes may lie in {MAX_SCOPES_DEEP}, its own would lie in one more."
        yield Problem("scopes_too_deep", f"{node.at}/parent", message, "Divide the workflow.")


def _part(node: DraftNode, instead: str) -> Iterator[Problem]:
    if instead:
        message = f"A node of type `{node.type}` cannot be part of a scope."
        yield Problem("not_in_a_scope", f"{node.at}/parent", message, instead)


def _crossing(each: DraftEdge, graph: Graph) -> Iterator[Problem]:
    source, target = each.edge.source, each.edge.target
    if graph.nodes[source].parent == graph.nodes[target].parent:
        return
    start, end = graph.side_by_side(source, target)
    if start != end:
        hint = f"Connect `{start}` with `{end}`: a scope starts as a whole, and goes on as a whole once its passes are done."
    elif source in graph.scopes_around(target):
        hint = "Remove it: each pass begins by itself with the nodes of the body that nothing leads into."
    else:
        hint = f"Remove it: a pass ends by itself. What comes after all passes is connected with `{target}`."
    message = f"`{source}` and `{target}` lie in different bodies: edges stay within one."
    yield Problem("edge_across_scopes", each.at, message, hint)
