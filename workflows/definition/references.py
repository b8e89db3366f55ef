"""Whether the expressions of a draft can be read, and mention only what there will be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflows.definition.draft import Draft
from workflows.definition.problems import Problem, did_you_mean
from workflows.expressions.errors import ExpressionError, shown
from workflows.expressions.references import Finding, References, references
from workflows.expressions.templates import Interpolation, find_templates, parse_template
from workflows.expressions.vocabulary import ROOTS
from workflows.nodes.base import NodeType
from workflows.nodes.evaluation import is_deferred

# Asks the engine that will evaluate them whether sources compile; a finding for each that does not.
Compile = Callable[[Sequence[str]], Sequence[Finding | None]]

# The codes of findings, as problems of a definition.
_CODES = {"syntax": "expression_syntax", "too_large": "expression_too_large"}

# What the expression of an edge sees: what its source put out, and what started the execution.
_ON_EDGES = frozenset({"input", "trigger", "now"})
MAX_EXPRESSIONS = 10_000

_PER_ITEM = frozenset({"item", "index"})

# What to do about a root that is not there, by root.
_INSTEAD = {
    "item": "This field is evaluated once, not for each item: use `input`.",
    "index": "This field is evaluated once, not for each item.",
    "secret": "Secrets are only for nodes that speak to the outside, such as `tool`.",
}
_EDGE_HINT = "On an edge there are `input`, what its source put out, and `trigger`. Do the rest in a node."


@dataclass(frozen=True)
class _Place:
    """Where an expression stands, and what it may mention there."""

    path: str
    roots: frozenset[str]
    node_id: str = ""  # Empty on an edge.
    before: frozenset[str] | None = None  # Ids of the nodes that come before; ``None`` where a cycle leaves that open.


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
    count = 0
    for place, text in _templates(draft, node_types):
        try:
            expressions = parse_template(text).interpolations
        except ExpressionError as error:
            yield Problem(_CODES.get(error.code, error.code), place.path, error.message)
            continue
        count += len(expressions)
        if count > MAX_EXPRESSIONS:
            message = f"The definition holds more than {MAX_EXPRESSIONS:,} expressions; what follows was not looked at."
            yield Problem("too_many_expressions", place.path, message)
            break
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
    has_order = graph.find_cycle() is None
    for node in draft.nodes:
        if node.type not in node_types:
            continue
        node_type = node_types[node.type]
        before = graph.ancestors(node.id) if has_order else None
        roots = ROOTS - {"secret"} if not node_type.accepts_secrets else ROOTS
        for path, text in find_templates(node.config):
            at = f"{node.at}/config{path}"
            seen = roots if is_deferred(node_type, path) else roots - _PER_ITEM
            yield _Place(at, seen, node.id, before), text
    for each in draft.edges:
        if each.edge.transform is not None:
            yield _Place(f"{each.at}/transform", _ON_EDGES), each.edge.transform


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
    for root in sorted(found.roots - place.roots):
        message = f"There is no `{root}` here."
        yield Problem(
            "not_available_here", place.path, message, _INSTEAD.get(root, "") if place.node_id else _EDGE_HINT
        )
    if "nodes" in place.roots:
        for node_id in sorted(found.node_ids):
            yield from _node(place, node_id, ids)
        if found.has_dynamic_nodes:
            message = "Which node is meant here is known only when it runs."
            yield Problem("dynamic_reference", place.path, message, "Name it: `nodes.<id>.output`.")
    if "vars" in place.roots:
        for name in sorted(found.variables):
            yield from _variable(place, name, variables)
    if "secret" in place.roots:
        for name in sorted(found.secrets):
            yield from _secret(place, name, variables)


def _node(place: _Place, node_id: str, ids: frozenset[str]) -> Iterator[Problem]:
    if node_id not in ids:
        hint = did_you_mean(node_id, ids)
        yield Problem("unknown_node", place.path, f"`nodes.{node_id[:64]}`: there is no such node.", hint)
    elif place.before is not None and node_id not in place.before:
        message = (
            f"`nodes.{node_id}` does not come before `{place.node_id}`, so that its output may not be known by then."
        )
        hint = f"Connect `{node_id}` so that it comes before, or use `input`."
        yield Problem("not_before", place.path, message, hint)


def _variable(place: _Place, name: str, variables: Mapping[str, bool]) -> Iterator[Problem]:
    if name not in variables:
        yield _unknown_variable(place, f"vars.{name[:64]}", name, variables)
    elif variables[name]:
        message = f"Variable `{name}` is a secret: its value is never part of the data."
        hint = f"Write `secret('{name}')` where a secret is allowed, such as a header of a tool."
        yield Problem("variable_is_secret", place.path, message, hint)


def _secret(place: _Place, name: str, variables: Mapping[str, bool]) -> Iterator[Problem]:
    if name not in variables:
        yield _unknown_variable(place, f"secret('{name[:64]}')", name, variables)
    elif not variables[name]:
        message = f"Variable `{name}` is no secret."
        yield Problem("variable_not_secret", place.path, message, f"Write `vars.{name}`, or make it a secret.")


def _unknown_variable(place: _Place, written: str, name: str, variables: Mapping[str, bool]) -> Problem:
    hint = did_you_mean(name, variables) or "Add it to the workflow's variables first."
    return Problem("unknown_variable", place.path, f"`{written}`: the workflow has no such variable.", hint)
