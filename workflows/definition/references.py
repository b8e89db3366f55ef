"""Whether the expressions of a draft can be read, and mention only what there will be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError
from typing import Any

from workflows.definition.draft import Draft
from workflows.definition.problems import Problem, did_you_mean
from workflows.expressions.errors import ExpressionError, shown
from workflows.expressions.references import Finding, References, references
from workflows.expressions.templates import Interpolation, find_templates, parse_template
from workflows.graph import Graph
from workflows.nodes.base import NodeType
from workflows.nodes.evaluation import is_deferred

# Asks the engine that will evaluate them whether sources compile; a finding for each that does not.
Compile = Callable[[Sequence[str]], Sequence[Finding | None]]

# The codes of findings, as problems of a definition.
_CODES = {"syntax": "expression_syntax", "too_large": "expression_too_large"}

_PER_ITEM = ("item", "index")


@dataclass(frozen=True)
class _Place:
    """Where an expression stands, and what it may mention there."""

    path: str
    before: frozenset[str] | None  # Ids of the nodes that come before; ``None`` where a cycle leaves that open.
    after: str  # In words: what they come before.
    has_item: bool = False
    has_secrets: bool = False


def expression_problems(
    draft: Draft,
    node_types: Mapping[str, NodeType[Any]],
    *,
    variables: Mapping[str, bool],
    compile: Compile | None,
) -> Iterator[Problem]:
    """Yield what is wrong with the expressions in configs and on edges.

    :param variables: the workflow's variables by name, and whether each is a secret.
    """
    to_compile: list[tuple[_Place, Interpolation]] = []
    for place, text in _templates(draft, node_types):
        try:
            expressions = parse_template(text).interpolations
        except ExpressionError as error:
            yield Problem(_CODES.get(error.code, error.code), place.path, error.message)
            continue
        for expression in expressions:
            found = references(expression.source)
            yield from (_finding(place, expression, finding) for finding in found.findings)
            yield from _mentions(place, found, draft.ids, variables)
            if not found.findings:
                to_compile.append((place, expression))
    if compile is not None and to_compile:
        yield from _compiled(to_compile, compile)


def _compiled(expressions: Sequence[tuple[_Place, Interpolation]], compile: Compile) -> Iterator[Problem]:
    try:
        faults = compile([expression.source for _, expression in expressions])
    except ExpressionError as error:
        yield Problem(
            "expressions_unchecked", "", error.message, "Save it again; if that does not help, tell the operator."
        )
        return
    for (place, expression), fault in zip(expressions, faults, strict=True):
        if fault is not None:
            yield _finding(place, expression, fault)


def _templates(draft: Draft, node_types: Mapping[str, NodeType[Any]]) -> Iterator[tuple[_Place, str]]:
    graph = draft.graph()
    for node in draft.nodes:
        if node.type not in node_types:
            continue
        node_type = node_types[node.type]
        before = _before(graph, node.id)
        for path, text in find_templates(node.config):
            place = _Place(
                path=f"{node.at}/config{path}",
                before=before,
                after=f"`{node.id}`",
                has_item=is_deferred(node_type, path),
                has_secrets=node_type.accepts_secrets,
            )
            yield place, text
    for each in draft.edges:
        if each.edge.transform is not None and each.edge.source in graph.nodes:
            before = _before(graph, each.edge.source)
            through = before and before | {each.edge.source}
            yield _Place(f"{each.at}/transform", through, f"the edge to `{each.edge.target}`"), each.edge.transform


def _before(graph: Graph, node_id: str) -> frozenset[str] | None:
    try:
        return graph.ancestors(node_id)
    except CycleError:
        return None


def _finding(place: _Place, expression: Interpolation, finding: Finding) -> Problem:
    code = _CODES.get(finding.code, finding.code)
    where = ""
    if finding.line is not None and finding.column is not None:
        # Its position is counted from the expression's beginning; people count from the text's.
        column = finding.column + (expression.column - 1 if finding.line == 1 else 0)
        where = f" (line {finding.line + expression.line - 1}, column {column})"
    return Problem(code, place.path, f"In {shown(expression.source)}{where}: {finding.message}")


def _mentions(
    place: _Place, found: References, ids: frozenset[str], variables: Mapping[str, bool]
) -> Iterator[Problem]:
    for node_id in sorted(found.node_ids):
        yield from _node(place, node_id, ids)
    if found.has_dynamic_nodes:
        message = "Which node is meant here is known only when it runs."
        yield Problem("dynamic_reference", place.path, message, "Name it: `nodes.<id>.output`.")
    for name in sorted(found.variables):
        yield from _variable(place, name, variables)
    for name in sorted(found.secrets):
        yield from _secret(place, name, variables)
    for root in _PER_ITEM:
        if root in found.roots and not place.has_item:
            message = f"There is no `{root}` here: this field is evaluated once, not for each item."
            yield Problem("item_outside", place.path, message, "Use `input`.")


def _node(place: _Place, node_id: str, ids: frozenset[str]) -> Iterator[Problem]:
    if node_id not in ids:
        hint = did_you_mean(node_id, ids)
        yield Problem("unknown_node", place.path, f"`nodes.{node_id[:64]}`: there is no such node.", hint)
    elif place.before is not None and node_id not in place.before:
        message = f"`nodes.{node_id}` does not come before {place.after}, so that its output may not be known then."
        yield Problem(
            "not_before", place.path, message, f"Connect `{node_id}` so that it comes before, or use `input`."
        )


def _variable(place: _Place, name: str, variables: Mapping[str, bool]) -> Iterator[Problem]:
    if name not in variables:
        yield _unknown_variable(place, f"vars.{name[:64]}", name, variables)
    elif variables[name]:
        message = f"Variable `{name}` is a secret: its value is never part of the data."
        hint = f"Write `secret('{name}')` where a secret is allowed, such as a header of a tool."
        yield Problem("variable_is_secret", place.path, message, hint)


def _secret(place: _Place, name: str, variables: Mapping[str, bool]) -> Iterator[Problem]:
    if not place.has_secrets:
        message = "Secrets are only for nodes that speak to the outside, such as `tool`."
        yield Problem("secret_not_allowed", place.path, message)
    if name not in variables:
        yield _unknown_variable(place, f"secret('{name[:64]}')", name, variables)
    elif not variables[name]:
        message = f"Variable `{name}` is no secret."
        yield Problem("variable_not_secret", place.path, message, f"Write `vars.{name}`, or make it a secret.")


def _unknown_variable(place: _Place, written: str, name: str, variables: Mapping[str, bool]) -> Problem:
    hint = did_you_mean(name, variables) or "Add it to the workflow's variables first."
    return Problem("unknown_variable", place.path, f"`{written}`: the workflow has no such variable.", hint)
