"""Whether what is attached to agents over ``tool`` edges makes sense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.definition.draft import Draft, DraftEdge, DraftNode
from workflows.definition.json_schema import schema_problems
from workflows.definition.problems import Problem, listed
from workflows.definition.shape import MAX_SCOPES_DEEP
from workflows.expressions.errors import ExpressionError
from workflows.expressions.templates import parse_template
from workflows.graph import AGENT, Graph
from workflows.nodes.base import MAIN_PORT, NodeType

# What a model may call. Everything else belongs into a workflow, which it may call.
ATTACHABLE = ("tool", AGENT)
ALWAYS = "always"
MAX_TOOLS = 64
_ELSEWHERE = "Put it into a workflow of its own, and attach a `tool` node with `workflow.run`."

NodeTypes = Mapping[str, NodeType[Any]]


def attachment_problems(draft: Draft, node_types: NodeTypes) -> Iterator[Problem]:
    """Yield what is wrong with ``tool`` edges, and with what the nodes say of themselves as tools (``as_tool``)."""
    nodes = {node.id: node for node in reversed(draft.nodes)}
    edges = [
        each
        for each in draft.edges
        if each.edge.type == "tool" and {each.edge.source, each.edge.target} <= nodes.keys()
    ]
    attached: dict[str, DraftEdge] = {}
    for each in edges:
        if problem := _edge_problem(each, nodes, attached):
            yield problem
        attached.setdefault(each.edge.source, each)
    yield from _ordered_too(draft, attached)
    graph = draft.graph()
    for node in draft.nodes:
        if node.id in attached:
            yield from _tool_problems(node, nodes, graph, node_types)
        elif node.as_tool is not None:
            message = f"`{node.id}` is attached to no agent."
            hint = "Add an edge of type `tool` from it to an agent, or remove `as_tool`."
            yield Problem("not_attached", f"{node.at}/as_tool", message, hint)
    yield from _names(draft, attached)


def name_of(node_id: str, as_tool: Mapping[str, Any] | None) -> str:
    """Return what a model calls an attached node."""
    name = (as_tool or {}).get("name")
    return name if isinstance(name, str) else node_id


def _edge_problem(each: DraftEdge, nodes: Mapping[str, DraftNode], attached: Mapping[str, DraftEdge]) -> Problem | None:
    source, target = nodes[each.edge.source], nodes[each.edge.target]
    if target.type != AGENT:
        message = f"A `tool` edge leads to an agent; `{target.id}` is a `{target.type[:60]}`."
        return Problem("not_an_agent", f"{each.at}/target", message, "To order nodes, make it a `data` edge.")
    if source.type not in ATTACHABLE:
        message = f"A `{source.type[:60]}` cannot be a tool of an agent; {listed(ATTACHABLE)} nodes can."
        return Problem("not_a_tool", f"{each.at}/source", message, _ELSEWHERE)
    if each.edge.source_port != MAIN_PORT:
        return Problem("unknown_port", f"{each.at}/source_port", "A `tool` edge has no port.", "Leave it out.")
    if source.id in attached:
        message = f"`{source.id}` is a tool of `{attached[source.id].edge.target}` already: what it did must be clear to read."
        return Problem("attached_twice", f"{each.at}/source", message, "Give each agent a node of its own.")
    if source.parent is not None and source.parent != target.parent:
        message = f"`{source.id}` lies in another body than its agent `{target.id}`."
        return Problem("edge_across_scopes", each.at, message, "Give it the agent's `parent`, or none.")
    return None


def _ordered_too(draft: Draft, attached: Mapping[str, DraftEdge]) -> Iterator[Problem]:
    for each in draft.edges:
        for end in ("source", "target"):
            node_id = getattr(each.edge, end)
            if each.edge.is_order and node_id in attached:
                message = f"`{node_id}` is a tool: its agent says when it runs, and takes its output."
                yield Problem(
                    "tool_in_order", f"{each.at}/{end}", message, f"Connect `{attached[node_id].edge.target}`."
                )


def _tool_problems(
    node: DraftNode, nodes: Mapping[str, DraftNode], graph: Graph, node_types: NodeTypes
) -> Iterator[Problem]:
    said = node.as_tool or {}
    at = f"{node.at}/as_tool"
    around = graph.scopes_around(node.id)
    if not graph.is_tool(node.id):
        message = f"`{node.id}` is a tool of an agent that is a tool of it, or of itself."
        yield Problem("agent_cycle", node.at, message, "Remove one of the edges.")
    elif len(around) > MAX_SCOPES_DEEP:
        message = f"`{node.id}` lies in {len(around)} agents and scopes; nodes may lie in {MAX_SCOPES_DEEP}."
        yield Problem("scopes_too_deep", node.at, message, "Divide the workflow.")
    parameters = said.get("parameters")
    if isinstance(parameters, dict):
        if parameters.get("type") != "object":
            message = "What a model gives to a tool is an object, so that its schema must say so."
            yield Problem("parameters_not_object", f"{at}/parameters/type", message, 'Write "type": "object".')
        yield from schema_problems(parameters, below=f"{at}/parameters")
    approval = said.get("approval")
    if isinstance(approval, str) and approval != ALWAYS and not _is_expression(approval):
        message = "`approval` is `always`, or one expression that is true where a person must approve."
        yield Problem("not_an_expression", f"{at}/approval", message, "Write {{ input.amount > 100 }}, for example.")
    if node.type in node_types and node_types[node.type].chooses_host(node.config, said):
        agents = [nodes[each] for each in around if each in nodes and nodes[each].type == AGENT]
        if agents and all(agent.config.get("allowed_hosts") is None for agent in agents):
            message = (
                f"The model of `{agents[0].id}` may have `{node.id}` call any host, also one that a page told it to."
            )
            hint = f'List those that it may call: "allowed_hosts": ["api.example.com"]; or write the URL out in `{node.id}`.'
            yield Problem("hosts_not_bounded", f"{agents[0].at}/config/allowed_hosts", message, hint)


def _is_expression(text: str) -> bool:
    try:
        return parse_template(text).is_single
    except ExpressionError:
        return True  # What is wrong with it is said with the expressions.


def _names(draft: Draft, attached: Mapping[str, DraftEdge]) -> Iterator[Problem]:
    by_agent: dict[str, dict[str, str]] = {}
    for node in draft.nodes:
        if node.id not in attached:
            continue
        names = by_agent.setdefault(attached[node.id].edge.target, {})
        name = name_of(node.id, node.as_tool)
        if names.setdefault(name, node.id) != node.id:
            message = f"`{names[name]}` has the name `{name[:64]}` already."
            yield Problem(
                "duplicate_tool", f"{node.at}/as_tool/name", message, "A model must be able to tell its tools apart."
            )
    agents = {node.id: node for node in draft.nodes if node.type == AGENT}
    for agent_id, names in by_agent.items():
        if len(names) > MAX_TOOLS and agent_id in agents:
            message = f"`{agent_id}` has {len(names)} tools; a model is given at most {MAX_TOOLS}."
            yield Problem("too_many_tools", agents[agent_id].at, message, "Divide them between agents that it calls.")
