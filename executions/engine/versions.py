"""Published versions, made ready to run, and kept: a version never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from workflows.definition.schema import Definition, Node, parse
from workflows.expressions import parse_template
from workflows.expressions.references import References, references
from workflows.expressions.scripts import script_references
from workflows.expressions.templates import Filler
from workflows.graph import Graph
from workflows.models import WorkflowVersion
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

    def configured(self, results: Mapping[str, Any]) -> Any:
        """Return what the node runs with: its config, evaluated and validated.

        :param results: the value of every template of ``begin``, by JSON Pointer.
        :raises NodeError: ``invalid_config``, if a value is not what its field needs.
        """
        return validated(self.type.Config, self.fill(results))


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
        """The names of the secrets that it mentions anywhere."""
        return frozenset().union(*(compiled.begin.mentions.secrets for compiled in self.nodes.values()))

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
    return CompiledVersion(
        workflow_id=version.workflow_id,
        number=version.number,
        definition=definition,
        graph=graph,
        top=graph.body_of(None),
        nodes={node.id: _compile(node, graph) for node in definition.nodes},
    )


def _compile(node: Node, graph: Graph) -> CompiledNode:
    node_type = catalogue()[node.type]
    templates = templates_of(node_type, node.config)
    per_item = [
        text
        for pointer, text in all_templates_of(node_type, node.config)
        if (pointer, text) not in templates
        and not is_template_of_passes(node_type, pointer.split("/")[1:])
        and roots_beforehand(node_type, pointer) is None
    ]
    found = CompiledNode(
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
    return replace(found, body=_body(node, node_type, graph)) if isinstance(node_type, ScopeType) else found


def _body(node: Node, node_type: ScopeType[Any], graph: Graph) -> Body:
    whole = graph.body_of(node.id)
    is_over_branches = node_type.is_over_branches(node.config)
    return Body(
        type=node_type,
        graphs=tuple(whole.part(branch) for branch in whole.branches()) if is_over_branches else (whole,),
        node_ids=frozenset(whole.nodes),
        before_pass=Fields.at(node_type.before_pass, node.config),
        after_pass=Fields.at(node_type.after_pass, node.config),
        is_over_branches=is_over_branches,
    )
