"""Whether the expressions of a draft can be read, and mention only what there will be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from workflows.definition.draft import Draft
from workflows.definition.places import Place, scripts_in, templates_in
from workflows.definition.problems import Problem, did_you_mean, listed
from workflows.definition.structure import NodeTypes
from workflows.expressions.errors import ExpressionError, shown
from workflows.expressions.references import Finding, References, references
from workflows.expressions.scripts import in_body, script_references, source_of
from workflows.expressions.templates import Interpolation, parse_template

# Asks the engine that will evaluate them whether sources compile; a finding for each that does not.
Compile = Callable[[Sequence[str]], Sequence[Finding | None]]

# The codes of findings, as problems of a definition.
_CODES = {"syntax": "expression_syntax", "too_large": "expression_too_large"}

MAX_EXPRESSIONS = 10_000


@dataclass(frozen=True)
class _Written:
    """An expression, or a script, as somebody wrote it, and the place where it stands."""

    place: Place
    source: str
    line: int = 1  # In the text that it stands in.
    column: int = 1
    is_script: bool = False

    @classmethod
    def between_braces(cls, place: Place, expression: Interpolation) -> _Written:
        return cls(place, expression.source, expression.line, expression.column)

    @property
    def compiled(self) -> str:
        """What the engine is given to compile."""
        return source_of(self.source) if self.is_script else self.source

    @property
    def references(self) -> References:
        """What it mentions."""
        return script_references(self.source) if self.is_script else references(self.source)

    def problem(self, finding: Finding) -> Problem:
        """Return a finding with the place."""
        code = _CODES.get(finding.code, finding.code)
        where = ""
        if finding.line is not None and finding.column is not None:
            # Its position is counted from the expression's beginning; people count from the text's.
            column = finding.column + (self.column - 1 if finding.line == 1 else 0)
            where = f" (line {finding.line + self.line - 1}, column {column})"
        return Problem(code, self.place.path, f"In {shown(self.source)}{where}: {finding.message}")


def expression_problems(
    draft: Draft,
    node_types: NodeTypes,
    *,
    variables: Mapping[str, bool],
    compile: Compile | None,
) -> Iterator[Problem]:
    """Yield what is wrong with the expressions in configs and on edges, and with scripts.

    :param variables: the variables that the workflow sees by name, and whether each is a secret.
    """
    to_compile: list[_Written] = []
    for place, body in scripts_in(draft, node_types):
        script = _Written(place, body, is_script=True)
        yield from _read(script, draft, variables, to_compile)
    count = 0
    for place, text in templates_in(draft, node_types):
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
            yield from _read(_Written.between_braces(place, expression), draft, variables, to_compile)
    if compile is not None and to_compile:
        yield from _compiled(to_compile, compile)


def _read(
    written: _Written, draft: Draft, variables: Mapping[str, bool], to_compile: list[_Written]
) -> Iterator[Problem]:
    found = written.references
    yield from map(written.problem, found.findings)
    yield from _mentions(written.place, found, draft.ids, variables)
    if not found.findings:
        to_compile.append(written)


def _compiled(expressions: Sequence[_Written], compile: Compile) -> Iterator[Problem]:
    try:
        faults = compile([expression.compiled for expression in expressions])
    except ExpressionError as error:
        yield Problem(
            "expressions_unchecked", "", error.message, "Save it again; if that does not help, tell the operator."
        )
        return
    for expression, fault in zip(expressions, faults, strict=True):
        if fault is not None:
            yield expression.problem(in_body(fault, expression.source) if expression.is_script else fault)


def _mentions(place: Place, found: References, ids: frozenset[str], variables: Mapping[str, bool]) -> Iterator[Problem]:
    for root in sorted(found.roots - place.roots):
        message = f"There is no `{root}` here."
        yield Problem("not_available_here", place.path, message, place.instead.get(root, ""))
    if "nodes" in place.roots:
        for node_id in sorted(found.node_ids):
            yield from _node(place, node_id, ids)
        if found.has_dynamic_nodes:
            message = "Which node is meant here is known only when it runs."
            yield Problem("dynamic_reference", place.path, message, "Name it: `nodes.<id>.output`.")
    if "scopes" in place.roots and place.scopes is not None:
        yield from _scopes(place, found, place.scopes)
    if "vars" in place.roots:
        for name in sorted(found.variables):
            yield from _variable(place, name, variables)
    if "secret" in place.roots:
        for name in sorted(found.secrets):
            yield from _secret(place, name, variables)
    if "links" in place.roots:
        yield from _links(place, found, ids)


def _node(place: Place, node_id: str, ids: frozenset[str]) -> Iterator[Problem]:
    if node_id not in ids:
        hint = did_you_mean(node_id, ids)
        yield Problem("unknown_node", place.path, f"`nodes.{node_id[:64]}`: there is no such node.", hint)
    elif place.before is not None and node_id not in place.before:
        message = (
            f"`nodes.{node_id}` does not come before `{place.node_id}`, so that its output may not be known by then."
        )
        hint = f"Connect `{node_id}` so that it comes before, or use `input`."
        yield Problem("not_before", place.path, message, place.instead_of_nodes.get(node_id, hint))


def _scopes(place: Place, found: References, scopes: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    for scope_id in sorted(found.scopes - scopes.keys()):
        message = f"`scopes.{scope_id[:64]}`: around this there is no such scope."
        hint = did_you_mean(scope_id, scopes) or f"There is {listed(scopes)}."
        yield Problem("unknown_scope", place.path, message, hint)
    for scope_id, root in sorted(found.scope_roots):
        if scope_id in scopes and root not in scopes[scope_id]:
            hint = f"There is {listed(f'scopes.{scope_id}.{own}' for own in sorted(scopes[scope_id]))}."
            yield Problem("not_available_here", place.path, f"There is no `scopes.{scope_id}.{root[:64]}`.", hint)
    if found.has_dynamic_scopes:
        message = "Which scope is meant here is known only when it runs."
        yield Problem("dynamic_reference", place.path, message, "Name it: `scopes.<id>.item`.")


def _links(place: Place, found: References, ids: frozenset[str]) -> Iterator[Problem]:
    if found.has_dynamic_links:
        message = "Which node's link is meant here is known only when it runs."
        yield Problem("dynamic_reference", place.path, message, "Name it: `links.<id>`.")
    for node_id in sorted(found.links):
        written = f"`links.{node_id[:64]}`"
        if node_id not in ids:
            yield Problem("unknown_node", place.path, f"{written}: there is no such node.", did_you_mean(node_id, ids))
        elif place.links is not None and node_id not in place.links:
            message = f"{written}: `{node_id}` has no link that could be told here."
            hint = (
                f"There is {listed(f'links.{each}' for each in sorted(place.links))}."
                if place.links
                else "A `webhook` node that waits or asks for approval has one, in the same scope or in one around it."
            )
            yield Problem("no_link", place.path, message, hint)
        elif place.before is not None and node_id in place.before:
            message = f"{written}: `{node_id}` comes before `{place.node_id}`, so that its link is over by then."
            yield Problem("link_is_over", place.path, message, f"Tell it in a node that comes before `{node_id}`.")


def _variable(place: Place, name: str, variables: Mapping[str, bool]) -> Iterator[Problem]:
    if name not in variables:
        yield _unknown_variable(place, f"vars.{name[:64]}", name, variables)
    elif variables[name]:
        message = f"Variable `{name}` is a secret: its value is never part of the data."
        hint = f"Write `secret('{name}')` where a secret is allowed, such as a header of a tool."
        yield Problem("variable_is_secret", place.path, message, hint)


def _secret(place: Place, name: str, variables: Mapping[str, bool]) -> Iterator[Problem]:
    if name not in variables:
        yield _unknown_variable(place, f"secret('{name[:64]}')", name, variables)
    elif not variables[name]:
        message = f"Variable `{name}` is no secret."
        yield Problem("variable_not_secret", place.path, message, f"Write `vars.{name}`, or make it a secret.")


def _unknown_variable(place: Place, written: str, name: str, variables: Mapping[str, bool]) -> Problem:
    hint = did_you_mean(name, variables) or "Add it to the variables of the workflow or of its project first."
    return Problem(
        "unknown_variable", place.path, f"`{written}`: neither the workflow nor its project has such a variable.", hint
    )
