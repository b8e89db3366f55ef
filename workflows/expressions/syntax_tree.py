"""The syntax tree of an expression, by tree-sitter. Nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser, Tree

_LANGUAGE = Language(tree_sitter_javascript.language())

# Targets that are handed out. In `a.b.c.…` each is a part of the next: all of them together can be as long as the square of
# the source.
_LONGEST_TARGET = 256


def parse(source: str) -> Tree:
    """Parse a source as it will be compiled: alone between parentheses, from its own first line on."""
    # A parser is cheap to make and must not be shared between threads.
    return Parser(_LANGUAGE).parse(f"(\n{source}\n)".encode("utf-8", "surrogatepass"))


def expression_of(tree: Tree) -> Node | None:
    """Return the one expression of a tree, or ``None`` if it holds an error, nothing, or more than one."""
    root = tree.root_node
    statements = _without_comments(root)
    if root.has_error or len(statements) != 1 or statements[0].type != "expression_statement":
        return None
    wrapped = statements[0].named_children[0]
    # `1) + (2` is one expression as well, but its parentheses are not those that it was given.
    if wrapped.type != "parenthesized_expression":
        return None
    inside = _without_comments(wrapped)
    return inside[0] if len(inside) == 1 else None


def first_fault(tree: Tree) -> Node | None:
    """Return the first node that could not be understood."""
    return next((node for node in walk(tree.root_node) if node.is_error or node.is_missing), None)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything below it, in the order of the source, however deep it is."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(current.children))


def text_of(node: Node) -> str:
    """Return the source of a node."""
    return (node.text or b"").decode("utf-8", "replace")


def string_value(node: Node | None) -> str | None:
    """Return the value of a string literal, or ``None`` if it is not one or holds escapes or substitutions."""
    if node is None or node.type not in ("string", "template_string"):
        return None
    fragments = node.named_children
    if not all(fragment.type == "string_fragment" for fragment in fragments):
        return None
    return "".join(map(text_of, fragments))


def position_of(node: Node, lines: Sequence[str]) -> tuple[int, int]:
    """Return line and column of a node in the source, in characters, both counted from 1."""
    row, offset = node.start_point
    before = lines[row - 1].encode("utf-8", "surrogatepass")[:offset]
    return row, len(before.decode("utf-8", "replace")) + 1


def member_reads(source: str) -> Iterator[tuple[str, str | None]]:
    """Yield each ``object.name`` in the source: the object's source (empty if it is long), and the name unless it is computed."""
    for node in walk(parse(source).root_node):
        if node.type in ("member_expression", "subscript_expression"):
            target, name = node.child_by_field_name("object"), node.child_by_field_name("property")
            if target is not None:
                index = string_value(node.child_by_field_name("index"))
                yield _short_text_of(target), text_of(name) if name is not None else index


def called_members(source: str) -> Iterator[tuple[str, str]]:
    """Yield each ``object.name(…)`` in the source: the object's source (empty if it is long), and the name."""
    for node in walk(parse(source).root_node):
        callee = node.child_by_field_name("function") if node.type == "call_expression" else None
        if callee is not None and callee.type == "member_expression":
            target, name = callee.child_by_field_name("object"), callee.child_by_field_name("property")
            if target is not None and name is not None:
                yield _short_text_of(target), text_of(name)


def _short_text_of(node: Node) -> str:
    return text_of(node) if node.end_byte - node.start_byte <= _LONGEST_TARGET else ""


def _without_comments(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]
