"""Which names an expression mentions. Reads the source; runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from tree_sitter import Node

from workflows.expressions.errors import shown
from workflows.expressions.limits import LARGEST_SOURCE
from workflows.expressions.scopes import names_bound_by
from workflows.expressions.syntax_tree import (
    expression_of,
    first_fault,
    parse,
    position_of,
    string_value,
    text_of,
)
from workflows.expressions.vocabulary import BUILTINS, INSTEAD, ROOTS

_KNOWN = ROOTS | BUILTINS
# Thousands of sources are remembered; of the longest, which are scripts, that would be hundreds of megabytes.
MOST_REMEMBERED_CHARS = 8 * 1024
_MOST_UNKNOWN = 20  # Names that are reported, each where it comes first. More would help nobody, and take time.
_MOST_SCOPES = 64  # Functions and blocks within each other. Nobody can read more.
_NAMES = frozenset({"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"})
_ACCESS = frozenset({"member_expression", "subscript_expression"})
_GUARDS = frozenset({"??", "||", "&&", "==", "!=", "===", "!=="})  # With the mention at their left.


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with an expression.

    :param code: ``syntax``, ``too_large``, ``unknown_name`` or ``secret_name``.
    :param line: counted from 1, if known; likewise ``column``.
    """

    code: str
    message: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class NodeReference:
    """One mention of ``nodes.<node_id>``.

    :param is_guarded: whether the expression is prepared for a node that did not run: ``nodes.x?.output``,
        ``nodes.x && …``, ``nodes.x ?? …`` and the like.
    """

    node_id: str
    is_guarded: bool
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class References:
    """What an expression mentions, and what is wrong with it."""

    findings: tuple[Finding, ...] = ()
    roots: frozenset[str] = frozenset()  # `input`, `nodes`, `now`, …
    nodes: tuple[NodeReference, ...] = ()
    has_dynamic_nodes: bool = False  # `nodes[name]`, `Object.keys(nodes)`: any node may be meant.
    variables: frozenset[str] = frozenset()  # `vars.NAME`
    has_dynamic_variables: bool = False
    secrets: frozenset[str] = frozenset()  # `secret('NAME')`
    scopes: frozenset[str] = frozenset()  # `scopes.<id>`
    scope_roots: frozenset[tuple[str, str]] = (
        frozenset()
    )  # `scopes.<id>.item`: the id and the root, where both are named
    has_dynamic_scopes: bool = False
    links: frozenset[str] = frozenset()  # `links.<node_id>`
    has_dynamic_links: bool = False

    @property
    def fault(self) -> Finding | None:
        """Why this is no expression at all, if it is none."""
        return next((finding for finding in self.findings if finding.code in ("syntax", "too_large")), None)

    @property
    def node_ids(self) -> frozenset[str]:
        """The ids of the nodes that are mentioned by name."""
        return frozenset(reference.node_id for reference in self.nodes)


class _Mention(NamedTuple):
    """A name that the expression does not bind itself, with what stands around it."""

    name: str
    node: Node
    parent: Node | None
    grandparent: Node | None


def references(source: str) -> References:
    """Return what an expression mentions. What cannot be understood has a ``syntax`` finding and mentions nothing.

    :func:`workflows.expressions.analysis.analyse` also asks the engine that will run it.
    """
    return _remembered(source) if len(source) <= MOST_REMEMBERED_CHARS else _read(source)


def _read(source: str) -> References:
    if len(source.encode("utf-8", "surrogatepass")) > LARGEST_SOURCE:
        return References(findings=(Finding("too_large", f"It is longer than {LARGEST_SOURCE:,} bytes."),))
    tree = parse(source)
    expression = expression_of(tree)
    if expression is None:
        return References(findings=(_syntax_finding(source, first_fault(tree)),))
    try:
        mentions = list(_free_names(expression))
    except _TooNested:
        return References(findings=(Finding("too_large", f"It is nested deeper than {_MOST_SCOPES} functions."),))
    return _sort(mentions, source.split("\n"))


_remembered = lru_cache(maxsize=4096)(_read)


def mentioned(sources: Iterable[str], roots: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the roots that sources mention: of nodes, variables and scopes, only those that they name."""
    found = [references(source) for source in sources]
    given = {"nodes": {}, "vars": {}, **roots}
    part = {name: given[name] for name in frozenset().union(*(each.roots for each in found)) if name in given}
    if "nodes" in part and not any(each.has_dynamic_nodes for each in found):
        part["nodes"] = _only(part["nodes"], (each.node_ids for each in found))
    if "vars" in part and not any(each.has_dynamic_variables for each in found):
        part["vars"] = _only(part["vars"], (each.variables for each in found))
    if "scopes" in part and not any(each.has_dynamic_scopes for each in found):
        part["scopes"] = _only(part["scopes"], (each.scopes for each in found))
    return part


def _only(members: Mapping[str, Any], names: Iterable[frozenset[str]]) -> dict[str, Any]:
    return {name: members[name] for name in frozenset().union(*names) if name in members}


def _syntax_finding(source: str, fault: Node | None) -> Finding:
    if not source.strip():
        return Finding("syntax", "There is no expression.")
    message = "This must be one JavaScript expression, not statements."
    line_count = source.count("\n") + 1
    if fault is None or not 1 <= fault.start_point.row <= line_count:  # Row 0 and the last are ours.
        return Finding("syntax", message)
    found = text_of(fault).strip()
    opening = f"{shown(found)} is not understood." if found else "Something is missing."
    return Finding("syntax", f"{opening} {message}", *position_of(fault, source.split("\n")))


class _TooNested(Exception):
    pass


def _free_names(expression: Node) -> Iterator[_Mention]:
    """Yield every name that the expression does not bind itself, in the order of the source."""
    pending: list[tuple[_Mention, tuple[frozenset[str], ...]]] = [(_Mention("", expression, None, None), ())]
    while pending:
        place, scopes = pending.pop()
        node = place.node
        if node.type in _NAMES:
            name = text_of(node)
            if not any(name in scope for scope in scopes):
                yield place._replace(name=name)
            continue
        if bound := names_bound_by(node):
            scopes = (*scopes, bound)
            if len(scopes) > _MOST_SCOPES:
                raise _TooNested
        pending.extend((_Mention("", child, node, place.parent), scopes) for child in reversed(node.named_children))


def _sort(mentions: list[_Mention], lines: list[str]) -> References:
    nodes = [(mention, _member(mention)) for mention in mentions if mention.name == "nodes"]
    variables = {_member(mention) for mention in mentions if mention.name == "vars"}
    secrets = [(mention, _only_argument(mention)) for mention in mentions if mention.name == "secret"]
    scopes = [(mention, _member(mention)) for mention in mentions if mention.name == "scopes"]
    links = {_member(mention) for mention in mentions if mention.name == "links"}
    unknown = {mention.name: mention for mention in reversed(mentions) if mention.name not in _KNOWN}
    return References(
        findings=(
            *(_unknown_name(mention, lines) for mention in islice(reversed(unknown.values()), _MOST_UNKNOWN)),
            *(_secret_without_name(mention, lines) for mention, name in secrets if name is None),
        ),
        roots=frozenset(mention.name for mention in mentions) & ROOTS,
        nodes=tuple(
            NodeReference(node_id, _is_guarded(mention), *position_of(mention.node, lines))
            for mention, node_id in nodes
            if node_id is not None
        ),
        has_dynamic_nodes=any(node_id is None for _, node_id in nodes),
        variables=frozenset(name for name in variables if name is not None),
        has_dynamic_variables=None in variables,
        secrets=frozenset(name for _, name in secrets if name is not None),
        scopes=frozenset(scope_id for _, scope_id in scopes if scope_id is not None),
        scope_roots=frozenset(
            (scope_id, root)
            for mention, scope_id in scopes
            if scope_id is not None and (root := _member_of_member(mention)) is not None
        ),
        has_dynamic_scopes=any(scope_id is None for _, scope_id in scopes),
        links=frozenset(node_id for node_id in links if node_id is not None),
        has_dynamic_links=None in links,
    )


def _member(mention: _Mention) -> str | None:
    """Return which member of a root is meant, or ``None`` if that is known only when it runs."""
    return _accessed(mention.parent, mention.node)


def _member_of_member(mention: _Mention) -> str | None:
    """Return which member of that member is meant, likewise."""
    return _accessed(mention.grandparent, mention.parent)


def _accessed(access: Node | None, of: Node | None) -> str | None:
    if access is None or access.type not in _ACCESS or access.child_by_field_name("object") != of:
        return None
    name = access.child_by_field_name("property")
    return text_of(name) if name is not None else string_value(access.child_by_field_name("index"))


def _is_guarded(mention: _Mention) -> bool:
    """Tell whether the expression goes on when the member of a root that it mentions is not there."""
    access, user = mention.parent, mention.grandparent
    if user is None:
        return False
    if user.type in _ACCESS or user.type == "call_expression":
        return any(child.type == "optional_chain" for child in user.children)
    if user.type == "binary_expression":
        return user.child_by_field_name("left") == access and text_of(_operator(user)) in _GUARDS
    if user.type == "ternary_expression":
        return user.child_by_field_name("condition") == access
    return user.type == "unary_expression" and text_of(_operator(user)) in ("!", "typeof")


def _operator(node: Node) -> Node:
    operator = node.child_by_field_name("operator")
    return operator if operator is not None else node


def _only_argument(mention: _Mention) -> str | None:
    """Return the text that a function is called with, if it is called with one quoted text."""
    call = mention.parent
    if call is None or call.type != "call_expression" or call.child_by_field_name("function") != mention.node:
        return None
    arguments = call.child_by_field_name("arguments")
    if arguments is None or arguments.type != "arguments" or arguments.named_child_count != 1:
        return None
    return string_value(arguments.named_children[0])


def _unknown_name(mention: _Mention, lines: list[str]) -> Finding:
    line, column = position_of(mention.node, lines)
    name = mention.name
    shown_name = name if len(name) <= 64 else f"{name[:63]}…"
    return Finding("unknown_name", f"There is no `{shown_name}`. {_instead_of(name)}", line, column)


def _instead_of(name: str) -> str:
    if name in INSTEAD:
        return INSTEAD[name]
    close = get_close_matches(name.lstrip("$"), _KNOWN, n=1)
    return f"Did you mean `{close[0]}`?" if close else f"Known are {', '.join(sorted(ROOTS))}."


def _secret_without_name(mention: _Mention, lines: list[str]) -> Finding:
    line, column = position_of(mention.node, lines)
    message = (
        "secret() takes one name in quotes, such as secret('API_KEY'), so that it is known which secrets are used."
    )
    return Finding("secret_name", message, line, column)
