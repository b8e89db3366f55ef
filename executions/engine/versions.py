"""Published versions, made ready to run, and kept: a version never changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from workflows.definition.schema import Definition, Node, parse
from workflows.expressions import parse_template
from workflows.expressions.references import references
from workflows.graph import Graph
from workflows.models import WorkflowVersion
from workflows.nodes.base import NodeType, catalogue
from workflows.nodes.evaluation import all_templates_of, is_lazy, templates_of


@dataclass(frozen=True)
class Mentions:
    """What all expressions of a node together mention."""

    roots: frozenset[str]
    node_ids: frozenset[str]
    has_dynamic_nodes: bool
    secrets: frozenset[str]

    @classmethod
    def in_templates(cls, texts: Iterable[str]) -> Mentions:
        """Read the templates of a published version, which are known to be well formed."""
        found = [references(part.source) for text in texts for part in parse_template(text).interpolations]
        return cls(
            roots=frozenset().union(*(each.roots for each in found)),
            node_ids=frozenset().union(*(each.node_ids for each in found)),
            has_dynamic_nodes=any(each.has_dynamic_nodes for each in found),
            secrets=frozenset().union(*(each.secrets for each in found)),
        )


@dataclass(frozen=True)
class CompiledNode:
    """A node with its type and what its expressions mention.

    ``templates`` are evaluated before it runs, by JSON Pointer; those that ``lazy`` names may fail.
    """

    node: Node
    type: NodeType[Any]
    templates: tuple[tuple[str, str], ...]
    lazy: frozenset[str]
    mentions: Mentions


@dataclass(frozen=True)
class CompiledVersion:
    """A version's graph, and each of its nodes made ready."""

    workflow_id: UUID
    number: int
    definition: Definition
    graph: Graph
    nodes: dict[str, CompiledNode]


@lru_cache(maxsize=256)
def compiled(version_id: UUID) -> CompiledVersion:
    """Return a version made ready to run."""
    version = WorkflowVersion.objects.get(pk=version_id)
    definition = parse(version.definition)
    return CompiledVersion(
        workflow_id=version.workflow_id,
        number=version.number,
        definition=definition,
        graph=Graph(definition),
        nodes={node.id: _compile(node) for node in definition.nodes},
    )


def _compile(node: Node) -> CompiledNode:
    node_type = catalogue()[node.type]
    templates = tuple(templates_of(node_type, node.config))
    return CompiledNode(
        node=node,
        type=node_type,
        templates=templates,
        lazy=frozenset(pointer for pointer, _ in templates if is_lazy(node_type, pointer)),
        mentions=Mentions.in_templates(text for _, text in all_templates_of(node.config)),
    )
