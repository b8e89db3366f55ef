"""Published versions, made ready to run, and kept: a version never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from workflows.definition.schema import Definition, Edge, Node, parse
from workflows.expressions import parse_template
from workflows.expressions.references import References, references
from workflows.expressions.scripts import script_references
from workflows.expressions.templates import Filler
from workflows.graph import AGENT, Graph
from workflows.models import WorkflowVersion
from workflows.nodes.agent.asking import CallApproval, LimitApproval
from workflows.nodes.agent.model_call import ModelCall
from workflows.nodes.agent.node import Agent
from workflows.nodes.agent.server_tools import ServerTools
from workflows.nodes.base import Effect, NodeType, catalogue
from workflows.nodes.evaluation import (
    all_templates_of,
    filler_of,
    is_lazy,
    roots_beforehand,
    templates_at,
    templates_of,
    validated,
)
from workflows.nodes.scopes import ScopeType, is_template_of_passes
from workflows.nodes.tool import is_server_of_tools
from workflows.nodes.webhook.approve import APPROVED

Templates = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Mentions:
    """What some expressions together mention."""

    roots: frozenset[str]
    node_ids: frozenset[str]
    has_dynamic_nodes: bool
    secrets: frozenset[str]
    links: frozenset[str]

    @classmethod
    def in_templates(cls, texts: Iterable[str]) -> Mentions:
        """Read the templates of a published version, which are known to be well formed."""
        return cls.together(references(part.source) for text in texts for part in parse_template(text).interpolations)

    @classmethod
    def together(cls, references: Iterable[References]) -> Mentions:
        """Put together what several expressions or scripts mention."""
        found = list(references)
        return cls(
            roots=frozenset().union(*(each.roots for each in found)),
            node_ids=frozenset().union(*(each.node_ids for each in found)),
            has_dynamic_nodes=any(each.has_dynamic_nodes for each in found),
            secrets=frozenset().union(*(each.secrets for each in found)),
            links=frozenset().union(*(each.links for each in found)),
        )


@dataclass(frozen=True)
class Evaluated:
    """Templates that are evaluated together, by JSON Pointer, and what they mention."""

    templates: Templates
    mentions: Mentions

    @classmethod
    def of(
        cls, templates: Iterable[tuple[str, str]], *, beside: Iterable[str] = (), scripts: Iterable[str] = ()
    ) -> Evaluated:
        """Put them together.

        :param beside: templates that are not evaluated with them, but see the same values.
        :param scripts: likewise.
        """
        templates = tuple(templates)
        parts = [
            part for text in (*(text for _, text in templates), *beside) for part in parse_template(text).interpolations
        ]
        found = [*(references(part.source) for part in parts), *map(script_references, scripts)]
        return cls(templates, Mentions.together(found))


@dataclass(frozen=True)
class Fields:
    """Fields of a scope's config that are evaluated for each pass: as they are written, by dotted path, and their templates."""

    raw: Mapping[str, Any]
    evaluated: Evaluated

    @classmethod
    def at(cls, paths: Sequence[str], config: Mapping[str, Any]) -> Fields:
        """Take those of some paths that a config has."""
        found = {path: value for path in paths if (value := _at(config, path.split("."))) is not _NOWHERE}
        return cls(found, Evaluated.of(templates_at(config, paths)))


_NOWHERE: Any = object()


def _at(config: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if not isinstance(config, Mapping) or key not in config:
            return _NOWHERE
        config = config[key]
    return config


@dataclass(frozen=True)
class Body:
    """What a scope's passes run.

    :param graphs: the whole body; or, where each pass runs a branch, all the branches.
    """

    type: ScopeType[Any]
    graphs: tuple[Graph, ...]
    node_ids: frozenset[str]
    before_pass: Fields
    after_pass: Fields
    is_over_branches: bool

    def graph_of(self, index: int) -> Graph:
        """Return what the pass of a number runs."""
        return self.graphs[index] if self.is_over_branches else self.graphs[0]


@dataclass(frozen=True)
class AgentBody(Body):
    """What the steps of an agent run: nodes that are attached to it, and nodes of its own that nobody has written.

    Those are named after what they belong to: ``<agent>.model``, ``<agent>.limit``, ``<tool>.approval``, ``<server>.tools``.
    """

    attached: Mapping[str, Node] = field(default_factory=dict)
    agents_below: frozenset[str] = frozenset()
    graphs_by_nodes: Mapping[tuple[str, ...], Graph] = field(default_factory=dict)

    def graph_of_step(self, kind: str, agent_id: str, node_id: str) -> Graph:
        """Return what a step of a kind runs.

        :param node_id: the attached node that it is about, if it is about one.
        """
        match kind:
            case "model":
                return self.graphs_by_nodes[(model_node(agent_id),)]
            case "ask":
                return self.graphs_by_nodes[(limit_node(agent_id),)]
            case "list":
                return self.graphs_by_nodes[(server_node(node_id),)]
        asked = (approval_node(node_id), node_id)
        return self.graphs_by_nodes[asked if asked in self.graphs_by_nodes else (node_id,)]


def model_node(agent_id: str) -> str:
    """Return the id of the node that calls an agent's models."""
    return f"{agent_id}.model"


def limit_node(agent_id: str) -> str:
    """Return the id of the node that asks whether an agent may go on beyond a limit."""
    return f"{agent_id}.limit"


def approval_node(tool_id: str) -> str:
    """Return the id of the node that asks whether a tool may be called."""
    return f"{tool_id}.approval"


def server_node(tool_id: str) -> str:
    """Return the id of the node that asks a server for its tools."""
    return f"{tool_id}.tools"


@dataclass(frozen=True)
class CompiledNode:
    """A node with its type and what its expressions mention.

    ``begin`` is evaluated before it runs, and ``fill`` puts its results into the config; what ``lazy`` names may fail. ``body``
    is there if it is a scope.
    """

    node: Node
    type: NodeType[Any]
    begin: Evaluated
    fill: Filler
    lazy: frozenset[str]
    effect: Effect
    ports: tuple[str, ...]
    takes_secrets: bool
    retry_delays: tuple[float, ...] = ()
    body: Body | None = None
    is_tool: bool = False

    def configured(self, results: Mapping[str, Any], *, given: Mapping[str, Any] | None = None) -> Any:
        """Return what the node runs with: its config, evaluated and validated.

        :param results: the value of every template of ``begin``, by JSON Pointer.
        :param given: what the model of an agent gives to a node that is attached to it.
        :raises NodeError: ``invalid_config``, if a value is not what its field needs.
        """
        config = self.fill(results)
        if self.is_tool and given is not None:
            config = self.type.with_given(config, self.node.as_tool, given)
        return validated(self.type.Config, config)


@dataclass(frozen=True)
class CompiledVersion:
    """A version's graph, and each of its nodes made ready. ``top`` is the part of the graph that lies in no scope."""

    workflow_id: UUID
    number: int | None  # None: a draft that is tried.
    definition: Definition
    graph: Graph
    top: Graph
    nodes: dict[str, CompiledNode]

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that it mentions anywhere, also where they are looked up before a node runs."""
        texts = (
            text
            for compiled in self.nodes.values()
            for _, text in all_templates_of(compiled.type, compiled.node.config)
        )
        return Mentions.in_templates(texts).secrets

    def scopes_around(self, node_id: str) -> tuple[str, ...]:
        """Return the scopes and agents that a node lies in, the innermost first; also of one that nobody has written."""
        if node_id in self.graph.nodes:
            return self.graph.scopes_around(node_id)
        owner = node_id.rpartition(".")[0]
        is_agents = self.graph.nodes[owner].type == AGENT and node_id in (model_node(owner), limit_node(owner))
        return ((owner,) if is_agents else ()) + self.graph.scopes_around(owner)

    @property
    def is_pure(self) -> bool:
        """Whether no node of it has an effect on the outside."""
        return all(compiled.effect is Effect.NONE for compiled in self.nodes.values())


@lru_cache(maxsize=256)
def compiled(version_id: UUID) -> CompiledVersion:
    """Return a version made ready to run."""
    version = WorkflowVersion.objects.get(pk=version_id)
    return compile_version(version)


def compile_version(version: WorkflowVersion) -> CompiledVersion:
    """Make a version ready to run."""
    definition = parse(version.definition)
    graph = Graph(definition)
    nodes = {node_id: _compile(node, graph) for node_id, node in graph.nodes.items()}
    for compiled_node in list(nodes.values()):
        if isinstance(compiled_node.body, AgentBody):
            nodes |= {each.node.id: each for each in _own_nodes(compiled_node)}
    return CompiledVersion(
        workflow_id=version.workflow_id,
        number=version.number,
        definition=definition,
        graph=graph,
        top=graph.body_of(None),
        nodes=nodes,
    )


def _compile(node: Node, graph: Graph) -> CompiledNode:
    node_type = catalogue().get(node.type)
    if node_type is None:
        raise LookupError(
            f"There is no node type `{node.type}` here: the package that adds it is not installed, or broken"
        )
    found = _compile_as(node, node_type)
    if graph.is_tool(node.id):
        found = replace(found, effect=node_type.effect_as_tool(node.config, node.as_tool), is_tool=True)
    return replace(found, body=_body(node, node_type, graph)) if isinstance(node_type, ScopeType) else found


def _compile_as(node: Node, node_type: NodeType[Any]) -> CompiledNode:
    templates = templates_of(node_type, node.config)
    per_item = [
        text
        for pointer, text in all_templates_of(node_type, node.config)
        if (pointer, text) not in templates
        and not is_template_of_passes(node_type, pointer.split("/")[1:])
        and roots_beforehand(node_type, pointer) is None
    ]
    return CompiledNode(
        node=node,
        type=node_type,
        begin=Evaluated.of(
            templates, beside=per_item, scripts=[script.body for script in node_type.scripts(node.config)]
        ),
        fill=filler_of(node.config),
        lazy=frozenset(pointer for pointer, _ in templates if is_lazy(node_type, pointer)),
        effect=node_type.effect(node.config),
        ports=node_type.ports(node.config),
        takes_secrets=node_type.takes_secrets(node.config),
        retry_delays=node_type.retry_delays(node.config) if node.retry is None else (),
    )


def _body(node: Node, node_type: ScopeType[Any], graph: Graph) -> Body:
    whole = graph.body_of(node.id)
    if isinstance(node_type, Agent):
        return _agent_body(node, node_type, graph)
    is_over_branches = node_type.is_over_branches(node.config)
    return Body(
        type=node_type,
        graphs=tuple(whole.part(branch) for branch in whole.branches()) if is_over_branches else (whole,),
        node_ids=frozenset(whole.nodes),
        before_pass=Fields.at(node_type.before_pass, node.config),
        after_pass=Fields.at(node_type.after_pass, node.config),
        is_over_branches=is_over_branches,
    )


def _agent_body(agent: Node, agent_type: Agent, graph: Graph) -> AgentBody:
    whole = graph.body_of(agent.id)
    nodes: dict[str, Node] = {}
    graphs: dict[tuple[str, ...], Graph] = {}

    def add(*own: Node, edges: tuple[Edge, ...] = ()) -> None:
        nodes.update({node.id: node for node in own})
        graphs[tuple(node.id for node in own)] = Graph(Definition(nodes=own, edges=edges))

    for node in _nodes_of_agent(agent):
        add(node)
    for tool in whole.nodes.values():
        # Its config is looked at where it is attached: in an agent it is ordered by nothing.
        if is_server(tool):
            add(_server_tools(tool))
        if tool.as_tool is not None and tool.as_tool.approval is not None:
            approval = _approval(agent, tool)
            add(approval, tool, edges=(Edge(approval.id, tool.id, source_port=APPROVED, type="action"),))
        else:
            add(tool)
    return AgentBody(
        type=agent_type,
        graphs=(),
        node_ids=frozenset(nodes),
        before_pass=Fields({}, Evaluated.of(())),
        after_pass=Fields({}, Evaluated.of(())),
        is_over_branches=False,
        attached=whole.nodes,
        agents_below=frozenset(each for each in graph.within(agent.id) if graph.nodes[each].type == AGENT),
        graphs_by_nodes=graphs,
    )


def is_server(tool: Node) -> bool:
    """Return whether an attached node stands for all tools of a server."""
    arguments = tool.config.get("with", {})
    return tool.type == "tool" and is_server_of_tools(tool.config.get("tool", ""), arguments)


def _nodes_of_agent(agent: Node) -> tuple[Node, Node]:
    models = {key: agent.config[key] for key in ("models", "cheaper") if key in agent.config}
    model = Node(model_node(agent.id), AGENT, f"{agent.name}: model", models, retry=agent.retry)
    asking = {"agent": agent.name, "approvals": agent.config.get("approvals", {})}
    return model, Node(limit_node(agent.id), "webhook", f"{agent.name}: go on?", asking)


def _approval(agent: Node, tool: Node) -> Node:
    assert tool.as_tool is not None  # noqa: S101 - the caller has looked
    config = {
        "when": tool.as_tool.approval,
        "agent": agent.name,
        "tool": tool.as_tool.name or tool.id,
        "approvals": agent.config.get("approvals", {}),
    }
    return Node(approval_node(tool.id), "webhook", f"{tool.name}: approval", config)


def _server_tools(tool: Node) -> Node:
    return Node(server_node(tool.id), "tool", f"{tool.name}: tools", tool.config, retry=tool.retry)


# The types of the nodes that nobody has written, by the ends of their ids.
_OWN_TYPES: Mapping[str, NodeType[Any]] = {
    "model": ModelCall(),
    "limit": LimitApproval(),
    "approval": CallApproval(),
    "tools": ServerTools(),
}


def _own_nodes(agent: CompiledNode) -> list[CompiledNode]:
    """Return the nodes of an agent that nobody has written, made ready."""
    assert isinstance(agent.body, AgentBody)  # noqa: S101 - the caller has looked
    own = {node.id: node for graph in agent.body.graphs_by_nodes.values() for node in graph.nodes.values()}
    return [_compile_as(node, _OWN_TYPES[node.id.rpartition(".")[2]]) for node in own.values() if "." in node.id]
