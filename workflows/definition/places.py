"""Where the expressions of a draft stand, and what they may mention there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workflows.definition.attached import ALWAYS
from workflows.definition.draft import Draft, DraftNode
from workflows.definition.problems import listed
from workflows.definition.scopes import parent_problems
from workflows.definition.structure import NodeTypes
from workflows.expressions.vocabulary import ITEM_ROOTS, PASS_ROOTS, ROOTS, SCRIPT_ROOTS
from workflows.nodes.base import NodeType, lies_at
from workflows.nodes.evaluation import all_templates_of, is_deferred, roots_beforehand
from workflows.nodes.scopes import ScopeType

_OF_SCOPES = PASS_ROOTS | {"scopes"}
_ELSEWHERE = _OF_SCOPES | SCRIPT_ROOTS
# Placeholders, which are filled in at the door alone.
_FOR_THE_OUTSIDE = frozenset({"secret", "links"})

# What the expression of an edge sees: what its source put out, and what started the execution.
_ON_EDGES = frozenset({"input", "trigger", "now"})
_EDGE_HINT = "On an edge there are `input`, what its source put out, and `trigger`. Do the rest in a node."
_BEFOREHAND_HINT = "This is evaluated before there is an execution. Do the rest in a node."
_VARIABLES = frozenset({"vars"})
_VARIABLES_HINT = "What is allowed here must not depend on what comes in: use `vars`."
_KEY_HINT = "Which executions are counted together is known before they start: only `trigger` is there."

# What to do about a root that is not there, by root.
_INSTEAD = {
    "item": "It is there in the nodes of a `loop` or `parallel`, and where a list is gone through. Elsewhere use `input`.",
    "index": "It is there in the nodes of a `loop` or `parallel`, and where a list is gone through.",
    "accumulator": "It is there in the nodes of a `loop` that has an `accumulator`.",
    "items": "It is there in a script that runs once for all items. Elsewhere use `input`.",
    "scopes": "Nodes of a `loop` or `parallel` have it: those with its id as `parent`. This one lies in none.",
    "secret": "Secrets are only for nodes that speak to the outside, such as `tool`.",
    "links": "Links are only for nodes that send something to the outside, such as `tool`. What answers a caller is kept, and a link may not be.",
}
_INSTEAD_IN_SCRIPTS = (
    "A script that runs once for all has `items`, one that runs for each (`for_each`) has `item` and `index`. Those of a "
    "pass are `scopes.<id>.item`."
)
# The same, within a scope.
_INSTEAD_WITHIN = {
    "item": "`{scope}` has no `items` to go over: use `input`.",
    "accumulator": "It is there in a `loop` that has an `accumulator`, because its passes follow each other.",
}


@dataclass(frozen=True)
class Place:
    """Where an expression stands, and what it may mention there.

    :param node_id: the node that it belongs to, if it does to one.
    :param before: ids of the nodes whose output is known; ``None`` where a mistake elsewhere leaves that open.
    :param scopes: the roots of the passes that it may be part of, by the ids of the scopes, the innermost first.
    :param links: ids of the nodes whose links may be told there; ``None`` where a mistake elsewhere leaves that open.
    :param instead: what to do about a root that is not there, by root.
    :param instead_of_nodes: what to do about a node whose output is not known, by id.
    """

    path: str
    roots: frozenset[str]
    node_id: str = ""
    before: frozenset[str] | None = None
    scopes: Mapping[str, frozenset[str]] | None = field(default_factory=dict)
    links: frozenset[str] | None = frozenset()
    instead: Mapping[str, str] = field(default_factory=dict)
    instead_of_nodes: Mapping[str, str] = field(default_factory=dict)


def templates_in(draft: Draft, node_types: NodeTypes) -> Iterator[tuple[Place, str]]:
    """Yield every template of a draft: in configs, on edges and in settings."""
    bodies = _Bodies(draft, node_types)
    for node in draft.nodes:
        if node.type in node_types:
            yield from bodies.templates_of(node)
    for each in draft.edges:
        if each.edge.transform is not None:
            yield (
                Place(f"{each.at}/transform", _ON_EDGES, instead=dict.fromkeys(ROOTS, _EDGE_HINT)),
                each.edge.transform,
            )
    if draft.concurrency_key is not None:
        path = "/settings/concurrency/key"
        yield Place(path, frozenset({"trigger"}), instead=dict.fromkeys(ROOTS, _KEY_HINT)), draft.concurrency_key


def scripts_in(draft: Draft, node_types: NodeTypes) -> Iterator[tuple[Place, str]]:
    """Yield every script of a draft."""
    bodies = _Bodies(draft, node_types)
    for node in draft.nodes:
        if node.type in node_types:
            yield from bodies.scripts_of(node)


class _Bodies:
    """What lies in what, and so what the expressions of a node may mention."""

    def __init__(self, draft: Draft, node_types: NodeTypes) -> None:
        self._graph = draft.graph()
        self._nodes = {node.id: node for node in reversed(draft.nodes)}
        self._types = node_types
        self._is_nested_well = not any(parent_problems(draft, node_types))
        self._waiting = [
            node
            for node in self._nodes.values()
            if node.type in node_types and node_types[node.type].link_path(node.config)
        ]
        self._is_ordered = self._is_nested_well and all(body.find_cycle() is None for body in self._graph.bodies)

    def templates_of(self, node: DraftNode) -> Iterator[tuple[Place, str]]:
        """Yield every template of a node's config."""
        node_type = self._types[node.type]
        own = self._of_node(node, node_type)
        before_pass, after_pass = self._of_passes(own, node, node_type)
        deferred = node_type.deferred_in(node.config)
        for path, text in all_templates_of(node_type, node.config):
            keys, place = path.split("/")[1:], own
            if (early := roots_beforehand(node_type, path)) is not None:
                hint = dict.fromkeys(ROOTS, _BEFOREHAND_HINT)
                yield Place(f"{node.at}/config{path}", early, node_id=node.id, instead=hint), text
                continue
            if lies_at(keys, node_type.variable_fields):
                hint = dict.fromkeys(ROOTS, _VARIABLES_HINT)
                yield Place(f"{node.at}/config{path}", _VARIABLES, node_id=node.id, instead=hint), text
                continue
            if isinstance(node_type, ScopeType) and lies_at(keys, node_type.before_pass):
                place = before_pass
            elif isinstance(node_type, ScopeType) and lies_at(keys, node_type.after_pass):
                place = after_pass
            roots = place.roots | ITEM_ROOTS if is_deferred(deferred, path) else place.roots
            if lies_at(keys, node_type.secret_fields):
                roots |= {"secret"}
            yield replace(place, path=f"{node.at}/config{path}", roots=roots), text
        approval = (node.as_tool or {}).get("approval")
        if isinstance(approval, str) and approval != ALWAYS:
            yield replace(own, path=f"{node.at}/as_tool/approval", roots=own.roots - _FOR_THE_OUTSIDE), approval

    def scripts_of(self, node: DraftNode) -> Iterator[tuple[Place, str]]:
        """Yield every script of a node's config."""
        node_type = self._types[node.type]
        own = self._of_node(node, node_type)
        for script in node_type.scripts(node.config):
            roots = own.roots - ITEM_ROOTS - {"secret"} | script.roots
            instead = {**own.instead, **dict.fromkeys(ITEM_ROOTS | SCRIPT_ROOTS, _INSTEAD_IN_SCRIPTS)}
            yield replace(own, path=f"{node.at}/config{script.path}", roots=roots, instead=instead), script.body

    def _of_node(self, node: DraftNode, node_type: NodeType[Any]) -> Place:
        """Return what a node sees before it runs; of a scope, before its first pass."""
        place = Place(
            path="",
            roots=ROOTS - _ELSEWHERE - (set() if node_type.takes_secrets(node.config) else _FOR_THE_OUTSIDE),
            node_id=node.id,
            links=self._links_for(node.id) if self._is_nested_well else None,
            before=self._graph.known_before(node.id) if self._is_ordered else None,
            instead=_INSTEAD,
        )
        if not self._is_nested_well:
            return replace(
                place, scopes=None, roots=place.roots | (_OF_SCOPES if node.parent or node_type.is_scope else set())
            )
        later = "The nodes in it run later."
        if isinstance(node_type, ScopeType) and node_type.after_pass:
            later += f" Only {listed(node_type.after_pass)} may mention them."
        return _in_passes(
            replace(place, instead_of_nodes=dict.fromkeys(self._graph.within(node.id), later)),
            {scope_id: self._pass_roots(scope_id) for scope_id in self._graph.scopes_around(node.id)},
        )

    def _of_passes(self, own: Place, node: DraftNode, node_type: NodeType[Any]) -> tuple[Place, Place]:
        """Return what a scope's templates for its passes see: those before each, and those after each."""
        if own.scopes is None or not isinstance(node_type, ScopeType):
            return own, own
        before = _in_passes(own, {node.id: self._pass_roots(node.id), **own.scopes})
        body = self._graph.body_of(node.id).nodes
        deeper = {
            inner: f"Take the output of `{holder}`, in which it lies."
            for holder in body
            for inner in self._graph.within(holder)
        }
        return before, replace(
            before,
            before=None if before.before is None else before.before | body.keys(),
            instead_of_nodes={**before.instead_of_nodes, **deeper},
        )

    def _links_for(self, node_id: str) -> frozenset[str]:
        """Return the nodes that wait in the same pass as a node, or in a pass around it: elsewhere there are many, or none."""
        around = {None, *self._graph.scopes_around(node_id)}
        return frozenset(
            each.id
            for each in self._waiting
            if each.id != node_id and each.parent in around and not self._is_in_another_branch(each, node_id)
        )

    def _is_in_another_branch(self, waiting: DraftNode, node_id: str) -> bool:
        scope = self._nodes[waiting.parent] if waiting.parent is not None else None
        node_type = self._types.get(scope.type) if scope is not None else None
        if scope is None or not isinstance(node_type, ScopeType) or not node_type.is_over_branches(scope.config):
            return False
        way = [node_id, *self._graph.scopes_around(node_id)]
        both = {waiting.id, way[way.index(scope.id) - 1]}
        return not any(both <= set(branch) for branch in self._graph.body_of(scope.id).branches())

    def _pass_roots(self, scope_id: str) -> frozenset[str]:
        node_type = self._types.get(self._nodes[scope_id].type)
        return node_type.pass_roots(self._nodes[scope_id].config) if isinstance(node_type, ScopeType) else PASS_ROOTS


def _in_passes(place: Place, scopes: Mapping[str, frozenset[str]]) -> Place:
    """Return a place as it is in passes of scopes, the innermost first."""
    if not scopes:
        return place
    innermost, roots = next(iter(scopes.items()))
    instead = dict(place.instead)
    for root in PASS_ROOTS - roots:
        outer = next((scope_id for scope_id, own in scopes.items() if root in own), None)
        within = _INSTEAD_WITHIN.get(root, "").format(scope=innermost)
        instead[root] = f"That of `{outer}` is `scopes.{outer}.{root}`." if outer else within
    of_scopes = {
        scope_id: f"Its passes are not done yet. Here are {listed(f'scopes.{scope_id}.{root}' for root in sorted(own))}."
        for scope_id, own in scopes.items()
    }
    return replace(
        place,
        roots=place.roots - PASS_ROOTS | roots | {"scopes"},
        scopes=scopes,
        instead=instead,
        instead_of_nodes={**place.instead_of_nodes, **of_scopes},
    )
